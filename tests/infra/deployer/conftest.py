"""What the tests of deployments share: a clock that goes on where somebody sleeps."""

from __future__ import annotations

import pytest

from tests.infra.deployer.deploying import Clock


@pytest.fixture
def clock() -> Clock:
    """A clock that begins at 0."""
    return Clock()
