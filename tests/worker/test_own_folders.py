"""What an application does to the worker's own folders costs its own file, and no other."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from pipeline_app.worker.attempt import Claimed, Fetched, Outcome, Processed, Ran
from pipeline_app.worker.settling import PATIENCE
from pipeline_app.worker.storage import BlobInfo

from .world import OUTPUT, World, left_in

OTHER = "incoming/other.csv"
TAKE = 'cp "$1" "$2/x"\n'
WORKERS = '$(dirname "$(dirname "$PWD")")'
WAYS = {
    "removes its working folder": 'rm -rf "$PWD"',
    "removes the worker's folder": f'rm -rf "{WORKERS}"',
    "removes all that is in the worker's folder": f'rm -rf "{WORKERS}"/*',
    "puts a file in the place of the worker's folder": f'd="{WORKERS}"; rm -rf "$d"; echo >"$d"',
    "puts a link in the place of the worker's folder": f'd="{WORKERS}"; rm -rf "$d"; ln -s "$HERE/elsewhere" "$d"',
    "locks the worker's folder": f'rm -rf "$2"; chmod 0 "{WORKERS}"',
    "removes the place that it runs in": 'rm -rf "$(dirname "$PWD")"',
    "puts a link in the place that it runs in": 'd=$(dirname "$PWD"); rm -rf "$d"; ln -s "$HERE/elsewhere" "$d"',
    "removes its output folder": 'rm -rf "$2"',
    "puts a file in the place of its output folder": 'rm -rf "$2"; echo >"$2"',
    "puts a link in the place of its output folder": 'rm -rf "$2"; ln -s "$HERE/elsewhere" "$2"',
    "puts a link in the place of its working folder": 'mv "$PWD" "$HERE/moved-$$"; ln -s "$HERE/moved-$$" "$PWD"',
}


class Hands:
    """One processor, whose stages a test calls in the order that it likes."""

    def __init__(self, world: World) -> None:
        self.scratch = world.settings.scratch
        self.processor = world.processor()
        self._world = world

    def claim(self) -> Claimed:
        queue = self._world.queue
        queue.pass_until_all_are_there()
        message = queue.receive(60)
        assert message is not None
        claimed = self.processor.claim(message)
        assert isinstance(claimed, Claimed)
        return claimed

    def fetch(self) -> Fetched:
        fetched = self.processor.fetch(self.claim())
        assert isinstance(fetched, Fetched)
        return fetched

    def run(self) -> Ran:
        ran = self.processor.run(self.fetch())
        assert isinstance(ran, Ran)
        return ran


@pytest.fixture(autouse=True)
def _unconfined(world: World) -> None:
    """Let the kernel have no Landlock, as it is on an old one."""
    world.unconfine()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder with files that are nobody's results."""
    monkeypatch.setenv("HERE", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "strange.txt").write_text("not a result")


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_it_costs_its_own_file_and_the_next_one_is_processed(world: World, way: str) -> None:
    hands = Hands(world)
    world.app(f"{TAKE}{way}")
    world.upload()
    for _ in range(world.settings.max_attempts):
        processed = hands.processor.publish(hands.run())
    assert processed.outcome is Outcome.FAILED
    receipt = world.receipt()
    assert receipt.error is not None
    assert "Let it remove and replace nothing but what it made itself." in receipt.error
    assert (receipt.attempt, receipt.outputs) == (3, ())
    assert f"{OUTPUT}/strange.txt" not in world.store.blobs
    world.app(TAKE)
    world.upload(name=OTHER)
    assert hands.processor.publish(hands.run()).outcome is Outcome.SUCCEEDED
    assert left_in(hands.scratch) == [], "the attempts left files behind"
    assert hands.scratch.stat().st_mode & 0o777 == 0o700
    assert not hands.scratch.is_symlink()


def test_a_failed_application_that_removed_the_folder_has_its_own_reason(world: World) -> None:
    hands = Hands(world)
    world.app(f'rm -rf "{WORKERS}"; echo last words; exit 3')
    world.upload()
    for _ in range(world.settings.max_attempts):
        hands.processor.publish(hands.run())
    receipt = world.receipt()
    assert (receipt.error, receipt.exit_code) == ("The application exited with code 3.", 3)
    assert "last words" in world.log


def spoil_all(scratch: Path) -> None:
    shutil.rmtree(scratch)


def spoil_input(scratch: Path) -> None:
    next(scratch.glob("attempt-*/input/*")).unlink()


def spoil_size(scratch: Path) -> None:
    next(scratch.glob("attempt-*/input/*")).write_bytes(b"")


def spoil_output(scratch: Path) -> None:
    next(scratch.glob("attempt-*/work/output")).rmdir()


@pytest.mark.parametrize("spoil", [spoil_all, spoil_input, spoil_size, spoil_output])
def test_what_came_in_ahead_and_was_taken_is_fetched_again_for_nothing(world: World, spoil: object) -> None:
    hands = Hands(world)
    world.app(TAKE)
    world.upload()
    fetched = hands.fetch()
    assert callable(spoil)
    spoil(hands.scratch)
    processed = hands.processor.run(fetched)
    assert isinstance(processed, Processed)
    assert processed.outcome is Outcome.GIVEN_BACK
    assert hands.processor.publish(hands.run()).outcome is Outcome.SUCCEEDED
    assert world.receipt().attempt == 1


def test_results_that_another_application_took_before_they_went_out_are_made_again_for_nothing(world: World) -> None:
    hands = Hands(world)
    world.app(TAKE)
    world.upload()
    ran = hands.run()
    shutil.rmtree(hands.scratch)
    assert hands.processor.publish(ran).outcome is Outcome.GIVEN_BACK
    assert hands.processor.publish(hands.run()).outcome is Outcome.SUCCEEDED
    assert world.receipt().attempt == 1


def test_an_input_whose_folder_another_application_took_while_it_came_in_comes_again_for_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands = Hands(world)
    world.app(TAKE)
    world.upload()
    claimed = hands.claim()
    with monkeypatch.context() as patched:
        head = world.store.head

        def look(name: str) -> BlobInfo | None:
            shutil.rmtree(hands.scratch)
            return head(name)

        patched.setattr(world.store, "head", look)
        processed = hands.processor.fetch(claimed)
    assert isinstance(processed, Processed)
    assert processed.outcome is Outcome.GIVEN_BACK
    assert hands.processor.publish(hands.run()).outcome is Outcome.SUCCEEDED
    assert world.receipt().attempt == 1


def test_a_file_whose_folder_is_always_taken_ends_all_the_same(world: World) -> None:
    hands = Hands(world)
    world.app(TAKE)
    world.upload()
    for _ in range(PATIENCE + world.settings.max_attempts):
        fetched = hands.fetch()
        shutil.rmtree(hands.scratch)
        hands.processor.run(fetched)
    hands.processor.publish(hands.run())
    assert world.receipt().status == "failed"


def test_a_step_that_tidies_up_its_temporary_folder_does_not_cost_the_next_step_its_own(world: World) -> None:
    export = world.folder / "export.json"
    export.write_text('{"args": ["export", "{output}"]}')
    world.settings = dataclasses.replace(world.settings, export_config=export)
    world.app('if [ "$1" = export ]; then touch "$TMPDIR/t" && touch "$2/x"; else rm -rf "$TMPDIR"; fi')
    world.upload()
    assert world.process().outcome is Outcome.SUCCEEDED
