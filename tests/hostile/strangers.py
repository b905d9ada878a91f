"""Another user of this machine, and what gives him a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

STRANGER = 54321

Give = Callable[[Path], None]
