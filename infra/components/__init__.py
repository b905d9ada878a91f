"""What the stack declares: one file a component, each of them told all it needs by its arguments."""
