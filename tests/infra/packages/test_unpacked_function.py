"""The function's archive is complete without the repository, for the Python of the Function App."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.packages import function_package as packaging
from infra.packages.function_package import function_archive

ROOT = Path(__file__).parents[3]


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
