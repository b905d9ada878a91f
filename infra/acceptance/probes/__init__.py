"""What runs inside of container groups: single files on the standard library alone, which print one JSON a line."""
