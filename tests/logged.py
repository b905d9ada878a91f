"""What worker and function logged, as events."""

from __future__ import annotations

import pytest

from pipeline_app.contract.log_lines import Event


def logged(caplog: pytest.LogCaptureFixture) -> list[Event]:
    """Return the events that were logged, in their order."""
    return [record.msg for record in caplog.records if isinstance(record.msg, Event)]
