"""What runs inside of container groups: single files, which print one JSON a line.

They are on the standard library alone, but for the one that asks what the worker's own code can do there.
"""
