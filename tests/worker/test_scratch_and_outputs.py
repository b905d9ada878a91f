"""Files on the local disk: nothing left behind, nothing outside the scratch folder, no surprise among the results."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_app.worker import outputs
from pipeline_app.worker.outputs import OutputError, collect
from pipeline_app.worker.scratch import attempt_scratch, remove, safe_file_name, walk, worker_scratch


def test_folders_of_killed_workers_are_removed_and_those_of_live_ones_kept(tmp_path: Path) -> None:
    dead = tmp_path / "pipeline-worker-dead"
    dead.mkdir()
    (dead / "lock").touch()
    with worker_scratch(tmp_path) as live:
        assert not dead.exists()
        with worker_scratch(tmp_path) as other:
            assert live.exists()
            assert other != live
    assert list(tmp_path.iterdir()) == []


def test_an_attempt_leaves_nothing_even_of_locked_folders(tmp_path: Path) -> None:
    with attempt_scratch(tmp_path) as scratch:
        locked = scratch / "work" / "output" / "locked"
        locked.mkdir()
        (locked / "file").touch()
        locked.chmod(0)
    assert list(tmp_path.iterdir()) == []


def test_removal_never_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    doomed = tmp_path / "doomed"
    doomed.mkdir()
    (doomed / "link").symlink_to(tmp_path / "kept")
    remove(doomed)
    assert (tmp_path / "kept" / "file").exists()
    assert not doomed.exists()


@given(st.text(max_size=1024))
def test_every_blob_name_gives_a_plain_file_name(name: str) -> None:
    safe = safe_file_name(name)
    assert safe not in ("", ".", "..")
    assert "/" not in safe
    assert not safe.startswith("-")
    assert len(safe.encode()) <= 230
    assert not any(ord(char) < 32 for char in safe)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("incoming/a/orders 2026 ü.csv", "orders 2026 ü.csv"),
        ("incoming/-rf", "_-rf"),
        ("incoming/..", "input"),
        ("incoming/a/", "input"),
        ("incoming/" + "x" * 300 + ".csv", "x" * 197 + ".csv"),
    ],
)
def test_the_name_and_its_extension_are_kept_where_possible(name: str, expected: str) -> None:
    assert safe_file_name(name) == expected


def test_results_are_all_files_of_the_tree_with_size_and_hash(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "a" / "b" / "run.txt").write_bytes(b"as deep as it likes to be...")
    (tmp_path / "z.txt").write_bytes(b"")
    files = collect(tmp_path, "outgoing/x", 100)
    assert [(file.name, file.size) for file in files] == [("a/b/run.txt", 28), ("z.txt", 0)]
    assert files[1].sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("name", ["run.log", "receipt.json", "b/run.log", "b/receipt.json"])
def test_names_that_the_pipeline_writes_are_refused_at_every_depth(tmp_path: Path, name: str) -> None:
    """Deeper down they may be the log and receipt of another input."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    with pytest.raises(OutputError, match=name):
        collect(tmp_path, "outgoing/x", 100)


@pytest.mark.parametrize("target", ["/etc/passwd", "/etc", "nowhere"])
def test_links_are_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(OutputError, match="'link' is a link"):
        collect(tmp_path, "outgoing/x", 100)


def test_special_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="'pipe' is a special file"):
        collect(tmp_path, "outgoing/x", 100)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (b"a\nb", "'\\\\n'"),
        (b"a\xff", "'\\\\udcff'"),
        ("a\x85".encode(), "'\\\\x85'"),
        (b"report.", "ends in a dot"),
        (b"v1./report", "ends in a dot"),
        (b"...", "ends in a dot"),
        (b"a\\b", "a backslash"),
    ],
)
def test_names_that_azure_refuses_or_changes_are_refused_with_the_fix(
    tmp_path: Path, name: bytes, problem: str
) -> None:
    path = Path(os.fsdecode(bytes(tmp_path) + b"/" + name))
    path.parent.mkdir(exist_ok=True)
    path.touch()
    # Azure would make one blob of the two, with the content of either.
    (tmp_path / "report").touch()
    with pytest.raises(OutputError, match=f"{problem}.* Have the application give it another name"):
        collect(tmp_path, "outgoing/x", 100)


def test_a_result_too_deep_for_azure_is_refused_and_one_at_the_limit_kept(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert [file.name for file in collect(tmp_path, "/".join("x" * 253), 100)] == ["a"]
    with pytest.raises(OutputError, match="255 parts between slashes"):
        collect(tmp_path, "/".join("x" * 254), 100)


def test_a_folder_that_azure_has_already_does_not_count_against_its_results(tmp_path: Path) -> None:
    # Documents disagree about this character; the input has it, so a name may.
    (tmp_path / "a").touch()
    assert [file.name for file in collect(tmp_path, "outgoing/\x85", 100)] == ["a"]


def test_a_folder_of_results_is_never_read_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        (tmp_path / f"{number}").touch()
    read: list[str] = []

    def count(*arguments: Any) -> Iterator[os.DirEntry[str]]:
        for entry in walk(*arguments):
            read.append(entry.name)
            yield entry

    monkeypatch.setattr(outputs, "walk", count)
    with pytest.raises(OutputError, match="at least 4 result files; at most 3"):
        collect(tmp_path, "outgoing/x", 3)
    assert len(read) == 4


def test_names_too_long_for_azure_are_refused_with_the_length(tmp_path: Path) -> None:
    (tmp_path / ("x" * 200)).touch()
    with pytest.raises(OutputError, match="1101 characters"):
        collect(tmp_path, "o" * 900, 100)


def test_workers_that_start_together_leave_each_other_s_folders_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock

    def slowly(file: Any, operation: int) -> None:
        # This is the moment in which a folder has a lock that nobody holds.
        time.sleep(0.005)
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", slowly)
    together = threading.Barrier(8)

    def work(_: int) -> bool:
        together.wait()
        with worker_scratch(tmp_path) as folder:
            together.wait()
            return folder.is_dir()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert list(tmp_path.iterdir()) == []
