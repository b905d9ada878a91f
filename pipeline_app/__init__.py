"""The container's side of the pipeline, and the contract that it shares with the function."""
