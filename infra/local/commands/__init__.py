"""What a person types on this machine: running the pipeline, the demo, and looking after files."""
