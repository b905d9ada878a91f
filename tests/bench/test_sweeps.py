"""Of a first pass that takes many runs some are made, and what is measured as settled is settled."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.services.azurite import Access
from tests.bench import sweeps
from tests.bench.http_calls import Account
from tests.bench.measurement import Row
from tests.bench.setting import Setting
from tests.bench.storage import Storage, input_names
from tests.bench.sweep_run import Done
from tests.bench.sweeps import Bounds, rows
from tests.bench.workers import Launcher


class Sweep:
    """A sweep that looks for two receipts in each run until it believes everything settled, if it ever does."""

    def __init__(self, *, believes: bool) -> None:
        self.storage = Storage(Account("bench", "a2V5", "http://127.0.0.1:1/bench", "http://127.0.0.1:2/bench"))
        self._believes = believes
        self._settled = False

    def run(self, _account: object, _names: object, command: str, *_arguments: str) -> Done:
        if command == "settle":
            self._settled = self._believes
        if command == "sweep":
            for number in range(0 if self._settled else 2):
                self.storage.note(Access("HEAD", f"bench/pipeline-files/{number}", {}, 200))
            self.storage.note(Access("GET", "bench/state/sweep.json", {}, 200))
        return Done(2.0, 1.0, self._settled)


def setting(folder: Path) -> Setting:
    return Setting(
        folder=folder,
        full=True,
        launcher=Launcher(folder),
        quick=False,
        rounds=5,
        say=print,
        with_az=False,
    )


def measured(folder: Path, sweep: Sweep, count: int = 10) -> list[Row]:
    return rows(setting(folder), sweep.storage, sweep.storage.account, input_names(count))


@pytest.fixture(autouse=True)
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "BOUNDS_OF_MANY", Bounds(runs=1, rounds=2))
    monkeypatch.setattr(sweeps, "MANY", 10)


def test_first_pass_that_is_cut_short_tells_its_runs_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = Sweep(believes=True)
    monkeypatch.setattr(sweeps, "run", sweep.run)
    first, settled, processor, explained = measured(tmp_path, sweep)
    assert first.ours.values == (2.0,)
    assert first.note == "2 calls at most, 1 of 5 runs of the pass"
    assert settled.ours.values == (2.0, 2.0)
    assert settled.note == "0 calls at most, 1 runs for a pass"
    assert processor.ours.values == (1.0, 1.0)
    assert explained.ours.values == (2.0, 2.0)


def test_fewer_files_have_more_runs_of_their_first_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = Sweep(believes=True)
    monkeypatch.setattr(sweeps, "run", sweep.run)
    first, settled, *_ = measured(tmp_path, sweep, count=9)
    assert len(first.ours.values) == sweeps.BOUNDS.runs
    assert len(settled.ours.values) == sweeps.BOUNDS.rounds


def test_sweep_that_does_not_settle_is_not_measured_as_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = Sweep(believes=False)
    monkeypatch.setattr(sweeps, "run", sweep.run)
    with pytest.raises(RuntimeError, match="looked for 2 receipts although it should know"):
        measured(tmp_path, sweep)


def test_first_pass_that_looks_for_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = Sweep(believes=True)
    sweep.run(None, None, "settle")
    monkeypatch.setattr(sweeps, "run", sweep.run)
    with pytest.raises(RuntimeError, match="10 files that are old enough looked for no receipt"):
        measured(tmp_path, sweep)
