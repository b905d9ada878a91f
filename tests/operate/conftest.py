"""What the tests of stories share: an account with two inputs."""

from __future__ import annotations

import pytest

from tests.memory.operate import MemoryStorage
from tests.operate.told import NAME


@pytest.fixture
def storage() -> MemoryStorage:
    """An account with two inputs, of which the first is the file of the story."""
    made = MemoryStorage()
    made.user_uploads(NAME)
    made.user_uploads("incoming/a.csv.bak")
    return made
