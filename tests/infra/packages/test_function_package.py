"""The function's archive depends on content alone, is never half made, and is complete without the repository."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.packages import function_package as packaging
from infra.packages.function_package import FunctionPackage, PackagingError, function_archive

ROOT = Path(__file__).parents[3]


def wheel(folder: Path, name: str, version: str, requires: str = "", python: str = "") -> None:
    """Write a small wheel with one module and one console script."""
    information = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    needs += f"Requires-Python: {python}\n" if python else ""
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as output:
        output.writestr(f"{name}.py", f"VERSION = {version!r}\n\n\ndef main():\n    print(VERSION)\n")
        output.writestr(
            f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}\n"
        )
        output.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        output.writestr(f"{information}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        output.writestr(f"{information}/RECORD", "")


def pin(project: Path, *lines: str) -> Path:
    """Write what the function's packages are pinned to, each with the hash of its wheel where there is one."""
    file = project / "function" / "requirements.txt"
    # Beside the projects of a test are its wheels.
    (wheels,) = (parent / "wheels" for parent in project.parents if (parent / "wheels").is_dir())
    texts = ["# Pinned."]
    for line in lines:
        name, _, version = line.partition(";")[0].strip().partition("==")
        found = wheels / f"{name}-{version}-py3-none-any.whl"
        digest = hashlib.sha256(found.read_bytes() if found.exists() else b"nothing").hexdigest()
        texts.append(f"{line} \\\n    --hash=sha256:{digest}")
    file.write_text("\n".join([*texts, ""]))
    return file


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


def sources(root: Path) -> Path:
    files = {
        "function/function_app.py": "import pipeline_function\n",
        "function/host.json": "{}\n",
        "function/local.settings.json": '{"Values": {"APP_STORAGE_CONNECTION": "a secret"}}\n',
        "function/pipeline_function/__init__.py": "",
        "function/pipeline_function/sub/data.txt": "data\n",
        "pipeline_app/__init__.py": "",
        "pipeline_app/contract/names.py": "VERSION = 1\n",
        "pipeline_app/rest/endpoint.py": "VERSION = 1\n",
        "pipeline_app/worker/main.py": "not for the function\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    pin(root, "leaf==1.0")
    return root


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


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the content of the real function's archive."""
    folder = tmp_path_factory.mktemp("function")
    with zipfile.ZipFile(function_archive(ROOT).path) as archive:
        archive.extractall(folder)
    return folder


def test_the_function_is_importable_from_the_archive_alone(unpacked: Path, tmp_path: Path) -> None:
    packages = unpacked / ".python_packages/lib/site-packages"
    # The archive is for another Python than this one may be; the only native module without a stable ABI or a
    # fallback in Python is cffi's, so this Python's own is lent to the import.
    backend = importlib.util.find_spec("_cffi_backend")
    assert backend is not None
    assert backend.origin is not None
    shutil.copy(backend.origin, tmp_path)
    program = (
        "import sys\n"
        f"sys.path[:0] = [{str(unpacked)!r}, {str(packages)!r}, {str(tmp_path)!r}]\n"
        "import function_app\n"
        "names = sorted(each.get_function_name() for each in function_app.app.get_functions())\n"
        "outside = [module.__file__ for name, module in sys.modules.items() if name.partition('.')[0] in "
        "('azure', 'cryptography', 'function_app', 'pipeline_app', 'pipeline_function')\n"
        f"    and getattr(module, '__file__', None) and not module.__file__.startswith({str(unpacked)!r})]\n"
        "print(names, outside)\n"
    )
    # Without site-packages and without the environment, only the archive and the standard library are left.
    command = [sys.executable, "-I", "-S", "-B", "-c", program]
    result = subprocess.run(command, capture_output=True, check=False, cwd=tmp_path, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "['dispatch', 'sweep'] []\n"


def test_every_package_in_the_archive_finds_what_it_requires_there(unpacked: Path) -> None:
    packages = unpacked / ".python_packages/lib/site-packages"
    found = {
        canonicalize_name(each.metadata["Name"]): each
        for each in importlib.metadata.distributions(path=[str(packages)])
    }
    marks = {
        "extra": "",
        "platform_system": "Linux",
        "python_version": packaging.PYTHON_VERSION,
        "sys_platform": "linux",
    }
    unmet = [
        f"{name} requires {requirement}"
        for name, each in found.items()
        for requirement in map(Requirement, each.requires or [])
        if requirement.marker is None or requirement.marker.evaluate(marks)
        if (needed := found.get(canonicalize_name(requirement.name))) is None
        or not requirement.specifier.contains(needed.version)
    ]
    assert len(found) > 20
    assert unmet == []


def test_native_modules_in_the_archive_are_for_the_function_apps_python_and_linux(unpacked: Path) -> None:
    modules = [path.name for path in (unpacked / ".python_packages").rglob("*.so")]
    assert any("cpython-313-x86_64-linux-gnu" in name for name in modules)
    assert all("cpython-313-x86_64-linux-gnu" in name or "abi3" in name or "mypyc" in name for name in modules)
