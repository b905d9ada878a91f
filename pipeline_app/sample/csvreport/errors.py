"""What stops a file."""

from __future__ import annotations


class UnreadableFile(Exception):
    """The file is no CSV file that can be read for certain; the text says where, why, and what to do."""
