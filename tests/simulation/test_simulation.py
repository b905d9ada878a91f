"""The simulation does each file once, whatever is lost, and gives the same bytes for the same seed."""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from infra.settings.config import StackConfig
from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE
from tests.bench.chart import draw
from tests.bench.prices import HOURS
from tests.simulation import telling
from tests.simulation.__main__ import simulate
from tests.simulation.plan import Plan
from tests.simulation.scenarios import GRID, SCENARIOS, TRICKLE, Scenario, grid_name
from tests.simulation.world import World

HARD = Plan(
    app_seconds=8,
    files=200,
    inputs_stay=True,
    losses_per_hour=12,
    lost_events=0.1,
    most=6,
    queue_length=2,
    slots=2,
    spread=1.0,
    seed=7,
)
PROJECT = Path(__file__).parents[2]
BOTH = ("containerAppsJob", "containerInstances")


def drawn(scenarios: tuple[Scenario, ...], path: Path) -> tuple[str, bytes]:
    """Return the table and the chart of some scenarios."""
    found = [(each, World(each.plan).run()) for each in scenarios]
    draw([row for each, figures in found for row in each.rows(figures)], path)
    lines = [(each.name, telling.cells(figures)) for each, figures in found]
    return telling.markdown(telling.COLUMNS, lines), path.read_bytes()


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path: Path) -> None:
    some = SCENARIOS[1], Scenario("hard", HARD)
    first = drawn(some, tmp_path / "first.svg")
    assert drawn(some, tmp_path / "second.svg") == first
    other = some[0], Scenario("hard", replace(HARD, seed=8))
    assert drawn(other, tmp_path / "third.svg")[0] != first[0]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("runner", BOTH)
def test_every_file_is_done_once_though_events_and_workers_are_lost(runner: str, seed: int) -> None:
    world = World(replace(HARD, runner=runner, seed=seed))  # type: ignore[arg-type]
    world.run()
    assert Counter(world.done.values()) == {1: HARD.files}
    assert not world.failed
    assert not world.storage.memory.messages(JOBS_QUEUE)
    assert not world.storage.memory.messages(JOBS_POISON_QUEUE)
    # What the hard plan promises was there.
    assert world.losses
    assert world.events < HARD.files


@pytest.mark.parametrize("runner", BOTH)
def test_never_are_more_at_work_than_may_be(runner: str) -> None:
    figures = World(replace(HARD, runner=runner, most=3)).run()  # type: ignore[arg-type]
    assert figures.bill.most == 3


def test_the_scaler_starts_one_for_each_so_many_messages() -> None:
    runs = {
        length: World(Plan(app_seconds=0.2, files=90, most=50, queue_length=length)).run().bill.runs
        for length in (1, 2, 10, 100)
    }
    assert runs == {1: 50, 2: 45, 10: 9, 100: 1}


def test_an_execution_ends_before_its_timeout_with_no_file_in_hand() -> None:
    world = World(Plan(app_seconds=50, files=30, most=2, replica_timeout_seconds=180))
    figures = world.run()
    assert Counter(world.done.values()) == {1: 30}
    # Each lives for 150 seconds and knows after the first file that a third one has no time in it.
    assert 14 <= figures.bill.runs <= 18
    assert not world.failed


def test_a_file_that_no_execution_has_time_for_fails_and_holds_up_no_other() -> None:
    world = World(Plan(app_seconds=60, files=40, most=4, replica_timeout_seconds=180, seed=3, spread=1.0))
    world.run()
    assert Counter(world.done.values()) == {1: 40}
    assert world.failed == {name for name in world.done if world.seconds(name) > 150}
    assert world.failed


def test_a_lost_event_waits_for_the_sweep_and_for_nothing_else() -> None:
    lost = World(Plan(app_seconds=1, files=20, lost_events=1.0, most=1)).run()
    whole = World(Plan(app_seconds=1, files=20, most=1)).run()
    assert whole.oldest < 100
    assert 120 < lost.oldest < 400


def test_settings_that_are_left_out_are_the_stack_s() -> None:
    fields = StackConfig.model_fields
    plan = Plan(app_seconds=1, files=1)
    names = ("claim_seconds", "idle_seconds", "max_attempts", "polling_seconds", "queue_length", "slots")
    assert {name: getattr(plan, name) for name in names} == {name: fields[name].default for name in names}
    assert plan.replica_timeout_seconds == fields["replica_timeout_seconds"].default
    assert plan.most == fields["max_executions"].default
    assert (plan.cpu, plan.memory_gib) == (fields["container_cpu"].default, fields["container_memory_gib"].default)


@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if each.targets], ids=lambda each: each.name)
@pytest.mark.parametrize("seed", [2, 3])
def test_targets_are_met_whatever_chance_decides(scenario: Scenario, seed: int) -> None:
    figures = World(replace(scenario.plan, seed=seed)).run()
    assert {row.measure: row.verdict for row in scenario.rows(figures) if row.verdict != "met"} == {}


def test_a_message_for_each_execution_starts_some_in_vain() -> None:
    assert World(TRICKLE).run().empty_share <= 0.05 < World(replace(TRICKLE, queue_length=1)).run().empty_share


@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if not each.by_cohorts], ids=lambda each: each.name)
def test_the_documents_have_what_is_simulated(scenario: Scenario) -> None:
    document = (PROJECT / "docs/performance.md").read_text(encoding="utf-8")
    figures = simulate(scenario, seed=1)
    assert telling.row((scenario.name, telling.cells(figures))) in document
    assert [row.verdict for row in scenario.rows(figures)] == ["met"] * len(scenario.targets)


def test_the_documents_have_a_line_for_each_plan() -> None:
    document = (PROJECT / "docs/performance.md").read_text(encoding="utf-8")
    names = [*(each.name for each in SCENARIOS), *map(grid_name, GRID)]
    assert [name for name in names if f"| {name} | " not in document] == []


def test_the_readme_has_the_prices_of_an_hour() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    row = next(line for line in readme.splitlines() if line.startswith("| An hour of 1 core and 2 GiB"))
    for runner, place in {"containerInstances": 0, "containerAppsJob": 1}.items():
        assert re.findall(r"\$(\d\.\d\d)", row)[place] == f"{HOURS[runner].of(1, 2):.2f}"  # type: ignore[index]


def test_nothing_is_logged_and_logging_is_as_before(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        World(Plan(app_seconds=0.1, files=2)).run()
        assert not caplog.records
        logging.getLogger("pipeline_function").warning("heard")
    assert [record.message for record in caplog.records] == ["heard"]
