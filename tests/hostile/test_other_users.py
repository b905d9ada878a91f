"""Another user of this machine puts something where a local run will look, or waits for what it makes.

Where the tests run as root, what is another's really is; elsewhere the run believes itself to be somebody else.
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from infra.local.cloud.cloud import Declared, Scene
from infra.local.cloud.handlers.storage import share_file
from infra.local.cloud.machine import AZURITE_FOLDER
from infra.local.commands import run as running
from infra.local.commands.app import app
from infra.local.commands.run import LocalRun, RunOptions
from infra.local.data.folder import DataFolder, DataFolderError
from infra.local.data.private import NotPrivateError, make_private, require_trusted
from infra.local.services.engines import open_to_all
from tests.local.fakes import Recorder

STRANGER = 54321

Give = Callable[[Path], None]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Let a file or folder belong to another user."""

    def to_stranger(path: Path) -> None:
        if os.getuid() == 0:
            os.chown(path, STRANGER, STRANGER, follow_symlinks=False)
        else:
            monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    return to_stranger


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


def test_the_program_of_the_storage_and_the_caches_are_not_taken_from_another_user(
    tmp_path: Path, give: Give, monkeypatch: pytest.MonkeyPatch, watcher: Recorder
) -> None:
    project = tmp_path / "project"
    (project / AZURITE_FOLDER / "node_modules").mkdir(parents=True)
    monkeypatch.setattr(running, "PROJECT", project)
    options = RunOptions(config={}, containers=False, data=tmp_path / "data", stack="dev")
    LocalRun(options, watcher).close()
    (project / AZURITE_FOLDER).chmod(0o777)
    with pytest.raises(DataFolderError, match=f"Every user may write to {project}/{AZURITE_FOLDER} .* Remove it"):
        LocalRun(options, watcher)
    (project / AZURITE_FOLDER).chmod(0o755)
    (project / ".build" / "installers").mkdir(parents=True)
    (project / ".build" / "installers").chmod(0o777)
    with pytest.raises(DataFolderError, match=r"Every user may write to .*installers .* Remove it"):
        LocalRun(options, watcher)


def test_a_cache_may_belong_to_the_owner_of_the_project_and_to_nobody_else(tmp_path: Path, give: Give) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    give(cache)
    owner = cache.stat().st_uid
    require_trusted(cache, {os.geteuid(), owner})
    if os.getuid() == 0:
        with pytest.raises(NotPrivateError, match=f"belongs to user id {owner}"):
            require_trusted(cache, {os.geteuid()})


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


@contextlib.contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def test_a_new_folder_is_its_owner_s_alone_whatever_the_umask(tmp_path: Path) -> None:
    with umask(0):
        assert make_private(tmp_path / "data") is None
        data = DataFolder(tmp_path / "other")
        data.folder("a", "b")
        data.release()
    made = [tmp_path / "data", tmp_path / "other", tmp_path / "other" / "a", tmp_path / "other" / "a" / "b"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [0o700] * 4


def test_what_is_opened_for_a_container_s_user_is_the_share_and_nothing_that_a_link_there_leads_to(
    tmp_path: Path,
) -> None:
    victim, share = tmp_path / "victim", tmp_path / "share"
    victim.mkdir(mode=0o700)
    (victim / "key").touch(mode=0o600)
    (share / "configs").mkdir(parents=True, mode=0o700)
    (share / "configs" / "runtime.json").touch(mode=0o600)
    (share / "configs" / "link").symlink_to(victim / "key")
    (share / "folder").symlink_to(victim)
    open_to_all(share)
    opened = [share, share / "configs", share / "configs" / "runtime.json"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in opened] == [0o777] * 3
    assert stat.S_IMODE(victim.stat().st_mode) == 0o700
    assert stat.S_IMODE((victim / "key").stat().st_mode) == 0o600


@pytest.mark.parametrize("planted", ["configs", "configs/runtime.json"])
def test_a_config_is_not_written_through_a_link_that_an_application_left_on_the_share(
    tmp_path: Path, planted: str
) -> None:
    victim, share = tmp_path / "victim", tmp_path / "share"
    victim.mkdir()
    (victim / "runtime.json").write_text("kept")
    (share / planted).parent.mkdir(parents=True)
    (share / planted).symlink_to(victim if planted == "configs" else victim / "runtime.json")
    machine = SimpleNamespace(shares={("files", "share"): share})
    scene = cast(Scene, SimpleNamespace(machine=machine))
    inputs: dict[str, Any] = {"account_id": "a/files", "share_name": "share", "path": "configs/runtime.json"}
    inputs["content"] = "{}"
    share_file(scene, Declared(id="", inputs=inputs, name="", title="runtime", token=""))
    assert (victim / "runtime.json").read_text() == "kept"
    assert (share / "configs" / "runtime.json").read_text() == "{}"
    assert not (share / "configs" / "runtime.json").is_symlink()
