"""What the tests of stories share: an account with two inputs."""

from __future__ import annotations

import pytest

from tests.operate.fakes import FakeStorage
from tests.operate.told import NAME


@pytest.fixture
def storage() -> FakeStorage:
    """An account with two inputs, of which the first is the file of the story."""
    made = FakeStorage()
    made.upload(NAME)
    made.upload("incoming/a.csv.bak")
    return made
