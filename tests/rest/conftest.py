"""No test of the REST client waits between tries."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the waits between tries, which take no time."""
    waits: list[float] = []
    monkeypatch.setattr("pipeline_app.rest.endpoint.time.sleep", waits.append)
    return waits
