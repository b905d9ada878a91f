"""Stand-ins and small things that several tests of the local run use."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from infra.local.watching.watcher import Stage

Eventually = Callable[[Callable[[], bool]], None]


@dataclass
class Recorder:
    """A watcher that keeps what it is told."""

    logs: list[tuple[str, str]] = field(default_factory=list)
    resources: list[tuple[str, str]] = field(default_factory=list)
    stages: list[tuple[str, Stage]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def log(self, source: str, text: str) -> None:
        """Keep a line."""
        self.logs.append((source, text))

    def made(self, token: str, name: str, seconds: float) -> None:
        """Keep a resource."""
        assert seconds >= 0
        self.resources.append((token, name))

    def stage(self, file: str, stage: Stage, detail: str = "") -> None:
        """Keep a stage."""
        self.stages.append((file, stage))

    def warn(self, source: str, text: str) -> None:
        """Keep a warning."""
        self.warnings.append((source, text))


def new_key() -> str:
    """Return a random account key."""
    return secrets.token_hex(32)
