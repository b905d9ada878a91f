"""The image is built from a copy that is the same whoever checked the project out, and how."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.packages import build_context
from infra.packages.build_context import SOURCE_DATE_EPOCH, copy_context, stage_context
from infra.packages.image_sources import SOURCES, source_files

PROJECT = Path(__file__).parents[3]
Listing = dict[str, tuple[str, float, bytes]]


@pytest.fixture(params=[0o002, 0o022, 0o077], ids=["002", "022", "077"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def checkout(folder: Path, umask: int) -> Path:
    """Make a project and an artifact as a checkout under a umask leaves them."""
    for name, text in (
        ("pipeline_app/contract/names.py", "c"),
        ("pipeline_app/worker/loop.py", "l"),
        ("notes.txt", "n"),
    ):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text, encoding="utf-8")
    for name, mode in (("install.sh", 0o777), ("library/data.bin", 0o666)):
        path = folder / "unpacked" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(name, encoding="utf-8")
        path.chmod(mode & ~umask)
    return folder


def listing(folder: Path) -> Listing:
    """Return the mode, the time and the content of everything in a folder, and of itself."""
    return {
        path.relative_to(folder).as_posix(): (
            stat.filemode(path.stat().st_mode),
            path.stat().st_mtime,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [folder, *folder.rglob("*")]
    }


def test_neither_umask_nor_dates_of_a_checkout_reach_the_context(tmp_path: Path, umask: int) -> None:
    project = checkout(tmp_path / "project", umask)
    os.utime(project / "pipeline_app" / "contract" / "names.py", (umask, umask))
    staged = stage_context(project, source_files(project), project / "unpacked", "abc")

    folder, plain, program = "drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x"
    assert staged == project / ".build" / "image-abc"
    assert listing(staged) == {
        ".": (folder, SOURCE_DATE_EPOCH, b""),
        ".artifact_cache": (folder, SOURCE_DATE_EPOCH, b""),
        ".artifact_cache/install.sh": (program, SOURCE_DATE_EPOCH, b"install.sh"),
        ".artifact_cache/library": (folder, SOURCE_DATE_EPOCH, b""),
        ".artifact_cache/library/data.bin": (plain, SOURCE_DATE_EPOCH, b"library/data.bin"),
        "pipeline_app": (folder, SOURCE_DATE_EPOCH, b""),
        "pipeline_app/contract": (folder, SOURCE_DATE_EPOCH, b""),
        "pipeline_app/contract/names.py": (plain, SOURCE_DATE_EPOCH, b"c"),
        "pipeline_app/worker": (folder, SOURCE_DATE_EPOCH, b""),
        "pipeline_app/worker/loop.py": (plain, SOURCE_DATE_EPOCH, b"l"),
    }


def test_a_context_that_was_cut_off_half_way_is_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = checkout(tmp_path / "project", 0o022)

    def killed(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:1])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", killed)
        with pytest.raises(KeyboardInterrupt):
            stage_context(project, source_files(project), project / "unpacked", "abc")

    assert not (project / ".build" / "image-abc").exists()
    staged = stage_context(project, source_files(project), project / "unpacked", "abc")
    assert (staged / ".artifact_cache" / "install.sh").is_file()


def test_a_context_that_somebody_changed_is_what_it_was(tmp_path: Path) -> None:
    """Modes and dates of a checkout are changed as a whole, with what was staged in it, and files are lost."""
    project = checkout(tmp_path / "project", 0o022)
    staged = stage_context(project, source_files(project), project / "unpacked", "abc")
    before = listing(staged)

    def again() -> Listing:
        return listing(stage_context(project, source_files(project), project / "unpacked", "abc"))

    for path in [staged, *staged.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o077)
        os.utime(path, (1, 1))
    assert again() == before
    (staged / ".artifact_cache" / "library" / "data.bin").unlink()
    assert again() == before
    (staged / "pipeline_app" / "stray.py").write_text("stray", encoding="utf-8")
    assert again() == before
    (staged / "pipeline_app" / "worker" / "loop.py").write_text("longer", encoding="utf-8")
    assert again() == before


def test_a_context_goes_once_nobody_has_used_it_for_a_day_and_not_before(tmp_path: Path) -> None:
    project = checkout(tmp_path / "project", 0o022)
    old, recent = (stage_context(project, source_files(project), project / "unpacked", name) for name in ("a", "b"))
    used = project / ".build" / "image-a.used"
    os.utime(used, (used.stat().st_mtime - 2 * build_context.UNUSED_SECONDS,) * 2)
    newest = stage_context(project, source_files(project), project / "unpacked", "c")

    assert [path.is_dir() for path in (old, recent, newest)] == [False, True, True]
    assert not used.exists()


def test_without_an_artifact_nothing_is_staged(tmp_path: Path) -> None:
    project = checkout(tmp_path / "project", 0o022)

    with pytest.raises(FileNotFoundError, match=r"no unpacked artifact in .*none"):
        stage_context(project, source_files(project), project / "none", "abc")

    assert not (project / ".build" / "image-abc").exists()


def test_what_is_staged_of_this_project_is_what_the_version_is_made_from(tmp_path: Path) -> None:
    copy_context(tmp_path / "context", PROJECT, source_files(PROJECT), PROJECT / "pipeline_app" / "sample")
    staged = {
        path.relative_to(tmp_path / "context").as_posix()
        for path in (tmp_path / "context" / "pipeline_app").rglob("*")
        if path.is_file()
    }

    assert staged == {path.relative_to(PROJECT).as_posix() for pattern in SOURCES for path in PROJECT.glob(pattern)}
    assert staged > {"pipeline_app/Dockerfile", "pipeline_app/worker/loop.py"}
