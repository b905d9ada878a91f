"""What the worker tells apart from receipts: by its exit code, and by words of its log that somebody looks for."""

from __future__ import annotations

from typing import Final

# What the worker says of a config on the share that it does not run, for whoever tells a person of it.
CONFIG_REFUSED: Final = "is not the one that this stack put there"
# The worker's exit codes for a run that would end so again; the function then waits before it starts the next.
EXIT_REFUSED: Final = 3
EXIT_SETTINGS: Final = 2
