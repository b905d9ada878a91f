"""A folder that is put on the import path of the function's host, and holds nothing but the host."""
