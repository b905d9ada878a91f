"""The function's archive: ``function/``, what it shares with the worker, and dependencies, in a zip named by its hash.

The archive is the deployment unit of the Function App in Azure and of the local run alike. It is made from content
alone: neither dates nor modes nor the machine that builds it change a byte, so an unchanged function is an empty diff.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock

from infra.packages.pins import Package, PinError, locked, unmet

BUILD_DIRECTORY: Final = ".build"
FUNCTION_FILES: Final = ("function_app.py", "host.json", "requirements.txt")
FUNCTION_PACKAGE: Final = "pipeline_function"
KEPT_ARCHIVES: Final = 5
PACKAGES_DIRECTORY: Final = ".python_packages/lib/site-packages"
# What the function shares with the worker.
SHARED_FILES: Final = ("pipeline_app/__init__.py",)
SHARED_PACKAGES: Final = ("pipeline_app/contract", "pipeline_app/rest")

# The wheels are chosen for the Function App's Python and Linux, whatever this machine has. The newer tags are glibc
# versions that the Functions images of this Python fulfil; a package is free to have stopped publishing older ones.
PLATFORMS: Final = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
PYTHON_VERSION: Final = "3.13"

# What pip writes about the installation itself differs from run to run and is read by nobody at run time.
INSTALLATION_RECORDS: Final = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"})

ZIP_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


class PackagingError(Exception):
    """The function's archive cannot be made; the text says why and how to mend it."""


@dataclass(frozen=True)
class FunctionPackage:
    """The function's archive.

    Attributes:
        path: the zip, named after the hash of its content, below ``.build/`` of the project.
        sha256: SHA-256 of the zip file in hex.
    """

    path: Path
    sha256: str


def function_archive(project: Path) -> FunctionPackage:
    """Return the function's archive, made new only where its sources or its pinned dependencies changed.

    Args:
        project: the folder that holds ``function/`` and ``pipeline_app/``.

    Raises:
        PackagingError: a source file is missing, a dependency is not pinned, or pip could not install one.
    """
    build = project / BUILD_DIRECTORY
    build.mkdir(exist_ok=True)
    sources = _sources(project)
    # One builder at a time: another process waits here and then finds everything made.
    with FileLock(build / "function.lock"):
        # The lock is held, so whatever an installation or archive began and did not end is nobody's.
        for leftover in build.glob("function-new.*"):
            shutil.rmtree(leftover)
        packages = _installed_packages(build, sources["requirements.txt"])
        contents = sources | {f"{PACKAGES_DIRECTORY}/{name}": path for name, path in _tree(packages).items()}
        archive = build / f"function-{_content_hash(contents)}.zip"
        if archive.exists():
            archive.touch()
        else:
            _write_archive(contents, archive)
            _forget_old_archives(build)
        with archive.open("rb") as file:
            return FunctionPackage(path=archive, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def _sources(project: Path) -> dict[str, Path]:
    """Map names in the archive to the project's files; a list of what belongs, so that no local secret slips in."""
    function = project / "function"
    files = {name: function / name for name in FUNCTION_FILES} | {name: project / name for name in SHARED_FILES}
    if missing := sorted(str(path) for path in files.values() if not path.is_file()):
        raise PackagingError(f"The function's archive needs {', '.join(missing)}. Restore it from version control.")
    packages = {FUNCTION_PACKAGE: function / FUNCTION_PACKAGE} | {name: project / name for name in SHARED_PACKAGES}
    for package, folder in packages.items():
        found = {f"{package}/{name}": path for name, path in _tree(folder).items()}
        if not found:
            raise PackagingError(f"{folder} has no files. Restore it from version control.")
        files |= found
    return files


def _tree(directory: Path) -> dict[str, Path]:
    """Map the names (relative, with slashes) of all files below a folder to the files, without compiled Python."""
    files: dict[str, Path] = {}
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            path = Path(folder, name)
            if path.suffix != ".pyc":
                files[path.relative_to(directory).as_posix()] = path
    return files


def _content_hash(contents: dict[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(contents.items()):
        with path.open("rb") as file:
            digest.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _write_archive(contents: dict[str, Path], archive: Path) -> None:
    """Write the zip, complete or not at all.

    Entries are stored rather than compressed, because the bytes that deflate produces depend on the machine's zlib.
    """
    with tempfile.TemporaryDirectory(prefix="function-new.", dir=archive.parent) as folder:
        new = Path(folder, archive.name)
        with zipfile.ZipFile(new, "w", zipfile.ZIP_STORED) as output:
            for name, path in sorted(contents.items()):
                entry = zipfile.ZipInfo(name, ZIP_EPOCH)
                entry.create_system = 3
                entry.external_attr = 0o100644 << 16
                output.writestr(entry, path.read_bytes())
        os.replace(new, archive)


def _forget_old_archives(build: Path) -> None:
    """Delete all but the archives used last, since every edit of the function leaves one of some 20 MB."""
    archives = sorted(build.glob("function-*.zip"), key=lambda path: path.stat().st_mtime, reverse=True)
    for archive in archives[KEPT_ARCHIVES:]:
        archive.unlink()


def _installed_packages(build: Path, requirements: Path) -> Path:
    """Return the folder with the installed dependencies, from the cache where the same ones were installed before."""
    try:
        pins = locked(requirements, PYTHON_VERSION)
    except PinError as error:
        raise PackagingError(str(error)) from error
    key = hashlib.sha256("\0".join((*pins, PYTHON_VERSION, *PLATFORMS)).encode()).hexdigest()
    packages = build / f"function-packages-{key[:16]}"
    if packages.is_dir():
        return packages
    with tempfile.TemporaryDirectory(prefix="function-new.", dir=build) as folder:
        target = Path(folder, "site-packages")
        _pip_install(pins, target, requirements)
        _check_needs(target, requirements)
        for record in target.glob("*.dist-info/*"):
            if record.name in INSTALLATION_RECORDS:
                record.unlink()
        # Console scripts begin with the path of the Python that installed them.
        shutil.rmtree(target / "bin", ignore_errors=True)
        os.replace(target, packages)
    return packages


def _pip_install(pins: Sequence[str], target: Path, requirements: Path) -> None:
    """Install what is pinned and nothing else; pip would take the markers of what it needs for this Python's.

    ``pins`` are lines of a file of requirements, with hashes: what comes under a name is one of the files that it was.
    """
    platforms = [argument for platform in PLATFORMS for argument in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-compile", "--no-input"]
    command += ["--implementation", "cp", "--no-deps", "--only-binary=:all:", "--python-version", PYTHON_VERSION]
    # Older versions of pip compare what a package says of Python with the one that runs pip; it is compared afterwards.
    command += ["--ignore-requires-python", *platforms, "--progress-bar", "off", "--require-hashes"]
    lock = target.with_name("requirements.txt")
    lock.write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")
    command += ["--target", str(target), "--requirement", str(lock)]
    # A user's pip configuration may ask for --user, which cannot go with --target.
    environment = os.environ | {"PIP_USER": "0"}
    result = subprocess.run(command, capture_output=True, check=False, env=environment, text=True)  # noqa: S603
    if result.returncode == 0:
        return
    output = (result.stderr.strip() or result.stdout.strip()).splitlines()
    reason = "\n".join(f"    {line}" for line in output[-15:])
    if any("DO NOT MATCH THE HASHES" in line for line in output):
        fix = (
            "What the package index sends is not the file that the hash is of. If the version was changed, run 'make "
            "locks'; if not, do not install it."
        )
    elif any("No module named pip" in line for line in output):
        fix = f"Install pip for {sys.executable}: {sys.executable} -m ensurepip."
    else:
        fix = (
            "Check that the package index can be reached, and that each pinned version has a wheel for Python "
            f"{PYTHON_VERSION} on Linux x86-64."
        )
    raise PackagingError(f"pip could not install {requirements} (exit code {result.returncode}):\n{reason}\n{fix}")


def _check_needs(target: Path, requirements: Path) -> None:
    """See that what was installed needs nothing else: an import would fail in Azure, or find another version."""
    packages = [
        Package(
            name=each.metadata["Name"],
            requires=tuple(each.requires or ()),
            requires_python=next(iter(each.metadata.get_all("Requires-Python") or []), None),
            version=each.version,
        )
        for each in importlib.metadata.distributions(path=[str(target)])
    ]
    if problems := unmet(packages, PYTHON_VERSION):
        raise PackagingError(
            f"{requirements} is not all that the function needs on Python {PYTHON_VERSION}:\n"
            + "\n".join(f"    {problem}" for problem in problems)
            + "\nPin it there, for that Python."
        )
