"""The data folder."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from infra.local.commands.run import PROJECT, LocalRun, RunOptions
from infra.local.data.folder import DataFolder, DataFolderError, digest_tree
from tests.local.fakes import Recorder


def test_a_second_run_in_the_same_folder_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    first = DataFolder(tmp_path / "data")
    with pytest.raises(DataFolderError, match="--data"):
        DataFolder(tmp_path / "data")
    first.release()
    DataFolder(tmp_path / "data").release()


def test_names_and_keys_outlive_a_restart_and_differ_between_folders_and_purposes(tmp_path: Path) -> None:
    values = []
    for folder in ("one", "one", "two"):
        data = DataFolder(tmp_path / folder)
        values.append((data.key("x"), data.suffix("x"), data.uuid("x")))
        assert data.key("x") != data.key("y")
        assert data.suffix("x") != data.suffix("y")
        data.release()
    assert values[0] == values[1]
    assert not set(values[0]) & set(values[2])


def test_the_secret_is_for_its_owner_alone(tmp_path: Path) -> None:
    DataFolder(tmp_path / "data").release()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / "secret").stat().st_mode) == 0o600


def test_a_tree_s_digest_follows_names_modes_and_contents_but_not_bytecode(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("1")
    digests = [digest_tree(tmp_path)]
    file.write_text("2")
    digests.append(digest_tree(tmp_path))
    file.chmod(0o755)
    digests.append(digest_tree(tmp_path))
    file.rename(tmp_path / "b")
    digests.append(digest_tree(tmp_path))
    assert len(set(digests)) == 4
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.pyc").touch()
    assert digest_tree(tmp_path) == digests[-1]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "is full. Make room there, or choose another folder with --data."),
        (errno.EROFS, "is on a disk that can only be read. Choose another folder with --data."),
        (errno.EACCES, "may not be written to by this user. Choose another folder with --data."),
        (errno.EIO, "cannot be written to (Input/output error). Choose another folder with --data."),
    ],
)
def test_a_folder_that_cannot_be_made_is_told_with_the_reason_and_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: str
) -> None:
    def refuse(path: Path, text: str) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr("infra.local.data.folder.write_private", refuse)
    with pytest.raises(DataFolderError) as caught:
        DataFolder(tmp_path / "data")
    assert str(caught.value) == f"{tmp_path / 'data'} {told}"
    monkeypatch.undo()
    # It was let go.
    DataFolder(tmp_path / "data").release()


def test_a_checkout_that_can_only_be_read_is_told_before_anything_is_made(
    tmp_path: Path, watcher: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != PROJECT and access(path, mode))
    with pytest.raises(DataFolderError, match=r"cannot be written to, and what is built goes below it\. Copy it"):
        LocalRun(RunOptions(config={}, containers=False, data=tmp_path / "data", stack="dev"), watcher)
    assert not (tmp_path / "data").exists()
