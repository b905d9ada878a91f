"""What the worker tells apart from receipts and its log: by its exit code."""

from __future__ import annotations

from typing import Final

# The worker's exit codes for a run that would end so again; the function then waits before it starts the next.
EXIT_REFUSED: Final = 3
EXIT_SETTINGS: Final = 2
