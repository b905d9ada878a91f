"""A row of the table as a test wants it."""

from __future__ import annotations

from tests.bench.measurement import Row, Samples, Target


def row(*, target: Target | None = None, peer: bool = True, inverse: bool = False) -> Row:
    """Return a row of two rounds, in which the peer took 2 ms each where there is one."""
    return Row(
        inverse=inverse,
        measure="a measure",
        ours=Samples((2.0, 4.0)),
        peer=Samples((2.0, 2.0)) if peer else None,
        peer_name="a peer",
        target=target,
        topic="a topic",
        unit="ms",
    )
