"""Where an answer's body goes in tests."""

from __future__ import annotations

import http.client
from collections.abc import Callable


class Collected:
    """A sink that remembers each try's pieces."""

    def __init__(self) -> None:
        self.tries: list[list[bytes]] = []

    def __call__(self, headers: http.client.HTTPMessage) -> Callable[[memoryview], None]:
        self.tries.append([])
        return lambda piece: self.tries[-1].append(bytes(piece))
