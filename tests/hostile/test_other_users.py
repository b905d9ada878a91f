"""Another user of this machine puts something where a local run will look for its data.

Where the tests run as root, what is another's really is; elsewhere the run believes itself to be somebody else.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.local.commands import run as running
from infra.local.commands.app import app
from infra.local.commands.run import LocalRun, RunOptions
from infra.local.data.folder import DataFolder, DataFolderError
from tests.hostile.strangers import STRANGER, Give
from tests.local.fakes import Recorder


def state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return what there is in a folder: modes, owners and contents."""
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        status = path.lstat()
        found[str(path)] = (status.st_mode, status.st_uid, path.read_bytes() if path.is_file() else b"")
    return found


def refused(folder: Path) -> str:
    """Have a data folder refused, and see that nothing in it was touched; return the sentence."""
    before = state(folder)
    with pytest.raises(DataFolderError) as error:
        DataFolder(folder)
    assert state(folder) == before
    text = str(error.value)
    assert str(folder) in text
    assert "--data" in text
    return text


def test_a_folder_of_another_user_is_refused_with_its_owner(tmp_path: Path, give: Give) -> None:
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True, mode=0o777)
    data.chmod(0o777)
    (data / "secret").write_text("00" * 32)
    for path in (data / "images", data / "secret", data):
        give(path)
    owner = data.stat().st_uid
    assert f"user id {owner}" in refused(data)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o702, 0o720])
def test_a_folder_of_one_s_own_that_others_could_have_filled_is_refused_with_the_fix(tmp_path: Path, mode: int) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "secret").write_text("00" * 32)
    data.chmod(mode)
    text = refused(data)
    assert f"{mode:04o}" in text
    assert f"chmod go-rwx {data}" in text


def test_what_is_put_into_an_empty_folder_while_it_is_closed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    close = os.fchmod

    def be_slow(handle: int, mode: int) -> None:
        (data / "images").mkdir()
        close(handle, mode)

    monkeypatch.setattr(os, "fchmod", be_slow)
    with pytest.raises(DataFolderError, match=f"chmod go-rwx {data}"):
        DataFolder(data)
    assert [path.name for path in data.iterdir()] == ["images"]


def test_a_link_is_refused_wherever_it_leads(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "data").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("data", "dangling"):
        with pytest.raises(DataFolderError, match=rf"{name} is a link to .* Name the folder itself\. .*--data"):
            DataFolder(tmp_path / name)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("mode", "content"),
    [(0o755, True), (0o750, True), (0o711, True), (0o744, False), (0o777, False), (0o1777, False), (0o770, False)],
)
def test_a_folder_of_one_s_own_that_nobody_else_can_have_filled_is_closed_to_them_and_that_is_told(
    tmp_path: Path, mode: int, content: bool, watcher: Recorder
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if content:
        (data / "secret").write_text("00" * 32)
    data.chmod(mode)
    run = LocalRun(RunOptions(config={}, containers=False, data=data, stack="dev"), watcher)
    run.close()
    assert stat.S_IMODE(data.stat().st_mode) & 0o777 == 0o700
    ((source, text),) = watcher.logs
    assert source == "data folder"
    assert text == f"{data} was open to other users (its mode was {mode:04o}); now it is yours alone."


@pytest.mark.parametrize("planted", ["secret", "images", "images/0123456789abcdef", "processes.json"])
def test_what_another_user_has_put_into_a_folder_is_refused(tmp_path: Path, give: Give, planted: str) -> None:
    data = tmp_path / "data"
    (data / planted).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    data.chmod(0o700)
    (data / planted).mkdir() if "images" in planted else (data / planted).write_text("00" * 32)
    give(data / planted)
    if os.geteuid() != data.stat().st_uid:
        pytest.skip("Only root can give a file away; run the tests as root to see one in a folder of its own.")
    text = refused(data)
    assert str(data / planted) in text
    assert f"user id {STRANGER}" in text


def test_a_folder_within_that_everybody_may_write_to_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    data.chmod(0o700)
    (data / "images").chmod(0o777)
    assert f"Every user may write to {data / 'images'}" in refused(data)


def test_no_file_elsewhere_is_emptied_through_a_link_in_the_place_of_the_lock(tmp_path: Path, give: Give) -> None:
    data, victim = tmp_path / "data", tmp_path / "victim"
    data.mkdir(mode=0o700)
    victim.write_text("kept")
    (data / ".lock").symlink_to(victim)
    give(data / ".lock")
    with pytest.raises(DataFolderError):
        DataFolder(data)
    assert victim.read_text() == "kept"


def test_a_place_that_everybody_may_rename_in_is_refused_and_one_with_the_sticky_bit_is_not(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(DataFolderError, match=rf"Every user may write to {shared} .*in the place of {shared}/a/data"):
        DataFolder(shared / "a" / "data")
    shared.chmod(0o1777)
    DataFolder(shared / "a" / "data").release()


def test_a_shared_place_of_another_user_and_a_link_of_his_on_the_way_are_refused(tmp_path: Path, give: Give) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    shared.chmod(0o1777)
    give(shared)
    give(tmp_path / "link")
    with pytest.raises(DataFolderError, match="Every user may write to"):
        DataFolder(shared / "data")
    with pytest.raises(DataFolderError, match=f"On the way to .* is the link {tmp_path}/link"):
        DataFolder(tmp_path / "link" / "data")


@pytest.mark.parametrize("command", ["explain", "retry"])
def test_no_command_believes_what_another_user_says_of_a_run(tmp_path: Path, give: Give, command: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "outputs.json").write_text('{"appStorageConnectionString": "stolen"}')
    give(data)
    result = CliRunner().invoke(app, [command, "a.csv", "--data", str(data)])
    assert result.exit_code == 1
    assert "belongs to" in result.output
    assert "stolen" not in result.output


def test_a_run_over_a_folder_that_is_open_to_all_says_so_and_starts_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    data.chmod(0o777)
    before = state(data)
    command = [sys.executable, "-m", "infra.local", "up", "--data", str(data)]
    answer = subprocess.run(command, capture_output=True, check=False, cwd=running.PROJECT, text=True, timeout=60)
    assert answer.returncode == 1
    assert f"{data}, which belongs to" in answer.stdout + answer.stderr
    assert state(data) == before
