"""What a runner cannot carry is refused with the nearest that it can."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settings.config import check
from infra.settings.runner_limits import nearest_pair, replica_disk_gib, runner_warnings
from tests.infra.settings.problems import problems

JOB = {"runner": "containerAppsJob"}


@given(st.floats(0.01, 100), st.floats(0.01, 200))
def test_the_nearest_pair_is_one_of_consumption_that_has_both_or_the_largest(cpu: float, memory: float) -> None:
    found_cpu, found_memory = nearest_pair(cpu, memory)
    assert found_memory == 2 * found_cpu
    assert (found_cpu / 0.25).is_integer()
    assert 0.25 <= found_cpu <= 4
    if (found_cpu, found_memory) != (4, 8):
        assert found_cpu >= cpu
        assert found_memory >= memory
        smaller = found_cpu - 0.25
        assert smaller < cpu or 2 * smaller < memory or found_cpu == 0.25


@pytest.mark.parametrize(("cpu", "disk"), [(0.25, 1), (0.5, 2), (0.75, 4), (1, 4), (1.25, 8), (4, 8)])
def test_the_disk_of_a_replica_goes_by_its_cores(cpu: float, disk: float) -> None:
    assert replica_disk_gib(cpu) == disk


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({**JOB, "containerCpu": "1", "containerMemoryGib": "3"}, "no pair of Consumption: .* nearest is 1.5 and 3"),
        ({**JOB, "containerCpu": "1.3", "containerMemoryGib": "2.6"}, "nearest is 1.5 and 3"),
        ({**JOB, "containerCpu": "8", "containerMemoryGib": "16"}, "nearest is 4 and 8; a workloadProfile takes any"),
        ({**JOB, "scratchGib": "4"}, "scratchGib is 4, .* disk has 4 GiB"),
        ({**JOB, "workloadProfile": "D4", "containerCpu": "5"}, "containerCpu is 5, and a D4 has 4"),
        ({**JOB, "workloadProfile": "D4", "containerMemoryGib": "17"}, "containerMemoryGib is 17, and a D4 has 16"),
        (
            {**JOB, "workloadProfile": "D5"},
            "is 'D5'. Allowed: Consumption-GPU.* or '' for Consumption",
        ),
        ({"workloadProfile": "D4"}, "which container groups do not have. Set runner to containerAppsJob"),
        ({**JOB, "replicaTimeoutSeconds": "60", "runtimeConfigFile": "", "exportConfigFile": ""}, "needs 75 for idle"),
        ({**JOB, "replicaTimeoutSeconds": "59"}, "greater than or equal to 60"),
        ({**JOB, "maxExecutions": "0"}, "greater than or equal to 1"),
        ({**JOB, "queueLength": "0"}, "greater than or equal to 1"),
        ({**JOB, "pollingSeconds": "0"}, "greater than or equal to 1"),
        ({"runner": "kubernetes"}, "'containerAppsJob' or 'containerInstances'"),
        ({"containerCpu": "0.5"}, "with runner containerInstances: 1 to 4"),
    ],
)
def test_what_the_runner_cannot_carry_is_refused(project: Path, settings: dict[str, str], told: str) -> None:
    (problem,) = problems({"runtimeConfigFile": "", "exportConfigFile": "", **settings}, project)
    assert re.search(told, problem), problem


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"containerCpu": "0.25", "containerMemoryGib": "0.5"},
        {"containerCpu": "4", "containerMemoryGib": "8", "scratchGib": "7"},
        {"workloadProfile": "E32", "containerCpu": "31", "containerMemoryGib": "250"},
    ],
)
def test_what_it_can_is_taken(project: Path, settings: dict[str, str]) -> None:
    check({**JOB, **settings}, project)


def test_a_file_that_may_take_longer_than_any_execution_lives_is_refused(project: Path) -> None:
    (project / "slow.json").write_text('{"timeout_seconds": 7000}', encoding="utf-8")
    (project / "quick.json").write_text('{"timeout_seconds": 200.5}', encoding="utf-8")
    files = {"runtimeConfigFile": "slow.json", "exportConfigFile": "quick.json"}
    check({**JOB, "replicaTimeoutSeconds": "7261", **files}, project)
    (problem,) = problems({**JOB, "replicaTimeoutSeconds": "7260", **files}, project)
    assert "exportConfigFile and runtimeConfigFile let a file take 7200.5 seconds" in problem
    assert "Set replicaTimeoutSeconds to 7261 or more, or timeout_seconds to 7200 or less" in problem
    # A group has no such end.
    check(files, project)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"slots": "2"}, ["slots is 2 and containerCpu is 1"]),
        ({"slots": "2", "containerCpu": "2"}, []),
        ({**JOB, "slots": "4", "containerCpu": "4", "containerMemoryGib": "8"}, ["queueLength is 2 and slots is 4"]),
        ({**JOB, "slots": "4", "containerCpu": "4", "containerMemoryGib": "8", "queueLength": "4"}, []),
    ],
)
def test_what_it_does_worse_than_asked_for_is_said(project: Path, settings: dict[str, str], told: list[str]) -> None:
    warnings = runner_warnings(check(settings, project))
    assert [begin for begin, warning in zip(told, warnings, strict=True) if warning.startswith(begin)] == told
