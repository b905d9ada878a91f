"""What the application may do on the machine: its own attempt, and nothing of the worker's or of another file's."""
