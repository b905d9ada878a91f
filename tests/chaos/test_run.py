"""A short form of the whole run under fire in ``make chaos``."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.settings.runner_limits import RunnerKind
from tests.chaos.run import OF_RUNNER, RunPlan, RunUnderFire


@pytest.mark.parametrize("runner", OF_RUNNER)
def test_a_killed_run_loses_nothing_and_does_nothing_twice(tmp_path: Path, runner: RunnerKind) -> None:
    plan = RunPlan(files=10, kills=4, most_seconds=1.0, overwrite_rate=0.2, runner=runner, seed=1)
    findings = RunUnderFire(plan, tmp_path).run(print)
    assert findings.problems == []
    assert findings.counts["files"] >= 10
    killed = {row: count for row, count in findings.counts.items() if row.startswith("killed: ")}
    assert sum(killed.values()) == 4
    assert killed["killed: storage (Azurite)"] == killed["killed: the up process"] == 1
    assert findings.counts["found by the sweep"] > 0
    assert findings.counts["files with their receipt"] == findings.counts["files"] - findings.counts["deleted"]
