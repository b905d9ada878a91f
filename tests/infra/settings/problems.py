"""What is wrong with some settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.settings.config import ConfigError, check


def problems(settings: dict[str, Any], project: Path, *others: str) -> list[str]:
    """Return what is told to be wrong with them, a line each; ``others`` are problems that are known already."""
    with pytest.raises(ConfigError) as caught:
        check(settings, project, others)
    return [line.removeprefix("  - ") for line in str(caught.value).splitlines() if line.startswith("  - ")]
