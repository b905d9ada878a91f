"""The function's archive depends on content alone, is never half made, and has what is pinned and nothing else."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.packages import function_package as packaging
from infra.packages.function_package import FunctionPackage, PackagingError, function_archive
from tests.infra.packages.small_function import pin, sources, wheel


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a small project whose only dependency is a wheel on this machine, so that no index is asked."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel(wheels, "leaf", "1.0")
    wheel(wheels, "leaf", "2.0")
    wheel(wheels, "branch", "1.0", requires="leaf")
    # The function's Python is another than that of the tests may be.
    wheel(wheels, "branch", "2.0", requires=f"leaf; python_version < '{packaging.PYTHON_VERSION}'")
    wheel(wheels, "branch", "3.0", requires=f"leaf; python_version >= '{packaging.PYTHON_VERSION}'")
    wheel(wheels, "leaf", "3.0", python=f">={packaging.PYTHON_VERSION}")
    wheel(wheels, "leaf", "4.0", python=f"<{packaging.PYTHON_VERSION}")
    for name, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": str(wheels), "PIP_NO_INDEX": "1"}.items():
        monkeypatch.setenv(name, value)
    return sources(tmp_path / "project")


def names(package: FunctionPackage) -> list[str]:
    with zipfile.ZipFile(package.path) as archive:
        return archive.namelist()


def test_the_archive_has_what_the_function_needs_and_nothing_else(project: Path) -> None:
    packages = ".python_packages/lib/site-packages"
    assert names(function_archive(project)) == [
        f"{packages}/leaf-1.0.dist-info/METADATA",
        f"{packages}/leaf-1.0.dist-info/WHEEL",
        f"{packages}/leaf-1.0.dist-info/entry_points.txt",
        f"{packages}/leaf.py",
        "function_app.py",
        "host.json",
        "pipeline_app/__init__.py",
        "pipeline_app/contract/names.py",
        "pipeline_app/rest/endpoint.py",
        "pipeline_function/__init__.py",
        "pipeline_function/sub/data.txt",
        "requirements.txt",
    ]


def test_the_name_and_hash_are_those_of_the_content(project: Path) -> None:
    package = function_archive(project)
    assert package.path.parent == project / ".build"
    assert re.fullmatch(r"function-[0-9a-f]{64}\.zip", package.path.name)
    assert package.sha256 == hashlib.sha256(package.path.read_bytes()).hexdigest()


def test_two_machines_make_the_same_archive_of_the_same_sources(project: Path, tmp_path: Path) -> None:
    one = function_archive(project)
    other = function_archive(sources(tmp_path / "elsewhere" / "copy"))
    assert (one.path.name, one.sha256) == (other.path.name, other.sha256)


def test_dates_modes_bytecode_and_what_pip_notes_change_nothing(project: Path) -> None:
    before = function_archive(project)
    source = project / "function" / "function_app.py"
    os.utime(source, (1, 1))
    source.chmod(0o700)
    installed = next((project / ".build").glob("function-packages-*"))
    for folder in (project / "function" / "pipeline_function", installed):
        (folder / "__pycache__").mkdir()
        (folder / "leaf.pyc").write_bytes(b"bytecode")
        # Python writes bytecode to such a name before it takes its place.
        (folder / "__pycache__" / "leaf.cpython-312.pyc.140213").write_bytes(b"bytecode")
    before.path.unlink()
    assert function_archive(project) == before


@pytest.mark.parametrize(
    "edited",
    [
        "function/function_app.py",
        "function/host.json",
        "function/pipeline_function/sub/data.txt",
        "function/requirements.txt",
        "pipeline_app/contract/names.py",
        "pipeline_app/rest/endpoint.py",
    ],
)
def test_an_edit_of_one_source_changes_name_and_hash(project: Path, edited: str) -> None:
    before = function_archive(project)
    with (project / edited).open("a") as file:
        file.write("\n")
    after = function_archive(project)
    assert after.path != before.path
    assert after.sha256 != before.sha256


def test_a_new_version_of_a_dependency_reaches_the_archive(project: Path) -> None:
    function_archive(project)
    pin(project, "leaf==2.0")
    with zipfile.ZipFile(function_archive(project).path) as archive:
        assert b"2.0" in archive.read(".python_packages/lib/site-packages/leaf.py")


def test_a_made_archive_is_not_made_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = function_archive(project)
    monkeypatch.setattr(packaging, "_pip_install", None)
    monkeypatch.setattr(packaging, "_write_archive", None)
    assert function_archive(project) == before


def test_parallel_builds_install_once_and_agree(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[Path] = []
    install = packaging._pip_install

    def counted(pins: Sequence[str], target: Path, requirements: Path) -> None:
        installed.append(target)
        install(pins, target, requirements)

    monkeypatch.setattr(packaging, "_pip_install", counted)
    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(function_archive, [project] * 4))
    assert len(made) == 1
    assert len(installed) == 1


def test_a_build_that_is_killed_leaves_nothing_that_the_next_one_takes_for_done(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install = packaging._pip_install

    def killed(pins: Sequence[str], target: Path, requirements: Path) -> None:
        install(pins, target, requirements)
        (target / "leaf.py").unlink()
        # A kill runs no clean-up, so what it leaves is copied to where it would stay.
        shutil.copytree(target.parent, target.parent.with_name("function-new.left"))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(packaging, "_pip_install", killed)
        with pytest.raises(KeyboardInterrupt):
            function_archive(project)
    assert ".python_packages/lib/site-packages/leaf.py" in names(function_archive(project))
    assert not list((project / ".build").glob("function-new.*"))


def test_old_archives_are_deleted_and_the_newest_kept(project: Path) -> None:
    made = []
    for number in range(packaging.KEPT_ARCHIVES + 2):
        (project / "function" / "host.json").write_text(f'{{"n": {number}}}')
        made.append(function_archive(project).path)
        os.utime(made[-1], (number, number))
    (project / "function" / "host.json").write_text("{}")
    newest = function_archive(project).path
    assert set((project / ".build").glob("*.zip")) == {*made[-packaging.KEPT_ARCHIVES + 1 :], newest}


def test_a_version_that_cannot_be_had_is_named_with_the_fix(project: Path) -> None:
    pin(project, "leaf==9.9")
    with pytest.raises(PackagingError, match=r"(?s)leaf==9\.9.*Check that the package index can be reached"):
        function_archive(project)


def test_a_dependency_without_a_pin_is_refused_with_its_line(project: Path) -> None:
    (project / "function" / "requirements.txt").write_text("# Pinned.\nleaf>=1\n")
    with pytest.raises(PackagingError, match=r"requirements\.txt:2: 'leaf>=1' is not pinned"):
        function_archive(project)


def test_a_dependency_without_a_hash_is_refused_with_its_line(project: Path) -> None:
    (project / "function" / "requirements.txt").write_text("# Pinned.\nleaf==1.0\n")
    with pytest.raises(PackagingError, match=r"requirements\.txt:2: leaf==1\.0 has no hash"):
        function_archive(project)


def test_another_file_under_a_dependency_s_name_is_refused(project: Path) -> None:
    with zipfile.ZipFile(project.parent / "wheels" / "leaf-1.0-py3-none-any.whl", "a") as changed:
        changed.writestr("intruder.py", "")
    with pytest.raises(PackagingError, match=r"(?s)HASHES.*not the file that the hash is of"):
        function_archive(project)
    assert not list((project / ".build").glob("function-packages-*"))


def test_what_a_dependency_needs_must_be_pinned_too(project: Path) -> None:
    pin(project, "branch==1.0")
    with pytest.raises(PackagingError, match=r"branch==1\.0 needs leaf, which is not pinned"):
        function_archive(project)


def test_markers_and_packages_are_those_of_the_function_apps_python(project: Path) -> None:
    version = packaging.PYTHON_VERSION
    pin(project, f"leaf==1.0 ; python_version < '{version}'", f"leaf==3.0 ; python_version >= '{version}'")
    assert f"{packaging.PACKAGES_DIRECTORY}/leaf-3.0.dist-info/METADATA" in names(function_archive(project))
    # What a package needs on another Python alone is not asked for.
    pin(project, "branch==2.0")
    assert f"{packaging.PACKAGES_DIRECTORY}/branch.py" in names(function_archive(project))
    pin(project, "branch==3.0")
    with pytest.raises(PackagingError, match=r"branch==3\.0 needs leaf, which is not pinned"):
        function_archive(project)
    pin(project, "leaf==4.0")
    with pytest.raises(PackagingError, match=rf"leaf==4\.0 is for Python <{version}, not for {version}"):
        function_archive(project)


@pytest.mark.parametrize("missing", ["function/function_app.py", "pipeline_app/contract", "pipeline_app/rest"])
def test_a_missing_source_is_named(project: Path, missing: str) -> None:
    path = project / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(PackagingError, match=missing):
        function_archive(project)
