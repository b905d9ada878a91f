"""Caches, shares and new folders of a local run: nothing of another user is taken, and nothing is opened to him."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra.local.cloud.cloud import Declared, Scene
from infra.local.cloud.handlers.storage import share_file
from infra.local.cloud.machine import AZURITE_FOLDER
from infra.local.commands import run as running
from infra.local.commands.run import LocalRun, RunOptions
from infra.local.data.folder import DataFolder, DataFolderError
from infra.local.data.private import NotPrivateError, make_private, require_trusted
from infra.local.services.engines import open_to_all
from tests.hostile.strangers import Give
from tests.local.fakes import Recorder


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
