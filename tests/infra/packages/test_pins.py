"""Whoever sets the project up has one of the promised Pythons, and everything pinned is there for each of them."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

import pytest
import yaml
from packaging import tags
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from infra.packages.function_package import PYTHON_VERSION
from infra.packages.pins import Package, PinError, locked, read_pins, taken, unmet

PROMISED = ("3.11", "3.12", "3.13", "3.14")
ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "pipeline_app" / "sample" / "requirements.txt"
FILES = [
    "function/requirements.txt",
    "pipeline_app/requirements.txt",
    "pipeline_app/sample/requirements.txt",
    "requirements.txt",
    "tests/requirements.txt",
]
LOCKS = [*FILES, "tests/function/real_worker/requirements.txt"]


def package(name: str, version: str = "1.0", *requires: str, python: str | None = None) -> Package:
    return Package(name=name, requires=requires, requires_python=python, version=version)


def test_a_pin_with_a_marker_counts_for_the_pythons_that_it_names(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text('# All.\na==1.0; python_version < "3.13"\nA==2.0; python_version >= "3.13"\nb==1  # Both.\n')
    pins = read_pins(file)
    assert {name: str(pin) for name, pin in taken(pins, "3.12").items()} == {"a": "a==1.0", "b": "b==1"}
    assert {name: str(pin) for name, pin in taken(pins, "3.14").items()} == {"a": "A==2.0", "b": "b==1"}


def test_two_pins_of_one_package_are_refused_where_both_count(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text('a==1.0\na==2.0; python_version >= "3.13"\n')
    taken(read_pins(file), "3.12")
    with pytest.raises(PinError, match=r"Python 3\.13 is given both a==1\.0 and a==2\.0"):
        taken(read_pins(file), "3.13")


@pytest.mark.parametrize("text", ["a", "a>=1", "a==1.*", "a==1,<2", "a @ https://example.com/a.whl", "-e ."])
def test_what_pins_no_version_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(f"b==1\n{text}\n")
    with pytest.raises(PinError, match=r"requirements\.txt:2: "):
        read_pins(file)


def test_a_pin_has_its_hashes_in_the_lines_that_it_goes_on_in(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(
        '# All.\na==1.0 ; python_version < "3.13" \\\n    --hash=sha256:02 \\\n    --hash=sha256:01\n'
        'A==2.0 ; python_version >= "3.13" --hash=sha256:03\nb==1 --hash=sha256:04  # Both.\n'
    )
    assert [str(pin.specifier) for pin in read_pins(file)] == ["==1.0", "==2.0", "==1"]
    assert locked(file, "3.12") == ["a==1.0 --hash=sha256:01 --hash=sha256:02", "b==1 --hash=sha256:04"]
    assert locked(file, "3.13") == ["A==2.0 --hash=sha256:03", "b==1 --hash=sha256:04"]


def test_a_pin_without_a_hash_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("a==1 \\\n    --hash=sha256:01\n\nb==1 \\\n# Nothing.\n")
    with pytest.raises(PinError, match=r"requirements\.txt:4: b==1 has no hash"):
        locked(file, "3.12")


def test_files_that_are_included_count(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "requirements.txt").write_text("-r ../requirements.txt\nb==1\n")
    (tmp_path / "requirements.txt").write_text("a==1\n")
    assert sorted(taken(read_pins(tmp_path / "sub" / "requirements.txt"), "3.11")) == ["a", "b"]


def test_a_need_counts_for_the_pythons_and_extras_that_it_names() -> None:
    old = package("old", "1.0", 'backport; python_version < "3.13"')
    assert unmet([old], "3.13") == []
    assert unmet([old], "3.12") == ["old==1.0 needs backport, which is not pinned"]
    plain = package("plain", "1.0", 'crypto; extra == "strong"', 'other; extra == "weak"')
    assert unmet([plain], "3.12") == []
    assert unmet([plain, package("user", "1.0", "plain[strong]>=1")], "3.12") == [
        "plain==1.0 needs crypto, which is not pinned"
    ]


def test_a_need_is_met_by_a_fitting_version_alone() -> None:
    packages = [package("a", "1.0", "B_c<2"), package("b-c", "2.0")]
    assert unmet(packages, "3.12") == ["a==1.0 needs B_c<2, which is pinned to 2.0"]
    assert unmet([package("a", "1.0", "b>1"), package("b", "2.0rc1")], "3.12") == []


def test_a_package_for_other_pythons_is_told() -> None:
    packages = [package("new", python=">=3.13"), package("old", python=">=3.9,<3.13")]
    assert unmet(packages, "3.12") == ["new==1.0 is for Python >=3.13, not for 3.12"]
    assert unmet(packages, "3.13") == ["old==1.0 is for Python >=3.9,<3.13, not for 3.13"]


@pytest.fixture(scope="module", params=PROMISED)
def packages(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Package]]:
    """Return a promised Python, and what the packages that are pinned for it say of themselves."""
    version = str(request.param)
    pins = taken(read_pins(ROOT / "tests" / "requirements.txt"), version)
    installed = {canonicalize_name(each.metadata["Name"]): each for each in importlib.metadata.distributions()}
    elsewhere = [
        pin
        for name, pin in pins.items()
        if name not in installed or not pin.specifier.contains(installed[name].version, prereleases=True)
    ]
    # What this Python does not have is fetched; its metadata alone is looked at.
    described = {each.name: each for each in fetched(elsewhere, version, tmp_path_factory.mktemp("wheels"))}
    for name in pins.keys() - described.keys():
        each = installed[name]
        described[name] = Package(
            name=name,
            requires=tuple(each.requires or ()),
            requires_python=next(iter(each.metadata.get_all("Requires-Python") or []), None),
            version=each.version,
        )
    return version, described


def fetched(pins: list[Requirement], version: str, folder: Path) -> Iterator[Package]:
    """Yield what wheels say that are fetched for a Python."""
    if not pins:
        return
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--quiet"]
    command += ["--dest", str(folder), "--only-binary=:all:", "--python-version", version, *map(str, pins)]
    subprocess.run(command, check=True, env=os.environ | {"PIP_USER": "0"})
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (each for each in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each))
            headers = HeaderParser().parsestr(archive.read(name).decode())
        yield Package(
            name=canonicalize_name(str(headers["Name"])),
            requires=tuple(headers.get_all("Requires-Dist") or ()),
            requires_python=headers["Requires-Python"],
            version=str(headers["Version"]),
        )


@pytest.mark.parametrize("file", FILES)
def test_everything_that_is_needed_is_pinned_and_fits(packages: tuple[str, dict[str, Package]], file: str) -> None:
    version, described = packages
    assert unmet([described[name] for name in taken(read_pins(ROOT / file), version)], version) == []


@pytest.mark.parametrize("version", PROMISED)
def test_every_pin_has_a_wheel_of_which_the_hash_is_written(version: str, tmp_path: Path) -> None:
    lock = ROOT / "tests" / "requirements.txt"
    assert len(taken(read_pins(lock), version)) > 90
    command = [sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-python-downloads", "--python", sys.executable, "--python-version", version, "--quiet"]
    command += ["--python-platform", "x86_64-manylinux_2_28", "--target", str(tmp_path / "none"), "--require-hashes"]
    result = subprocess.run(
        [*command, "--requirement", str(lock)], capture_output=True, check=False, cwd=tmp_path, text=True
    )
    assert result.returncode == 0, result.stderr


def hashed(file: Path) -> dict[str, list[str]]:
    """Return the requirements of a file whose lines may go on, each with its options."""
    lines = file.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    found: dict[str, list[str]] = {}
    for line in lines:
        words = shlex.split(line, comments=True)
        options = [word for word in words if word.startswith("--")]
        if words:
            found[line.partition(" --")[0].strip()] = options
    return found


@pytest.mark.parametrize("file", LOCKS)
def test_every_lock_has_the_hashes_of_each_package_at_the_version_that_is_written(file: str) -> None:
    requirements = hashed(ROOT / file)
    for requirement, options in requirements.items():
        assert options, f"{requirement} has no hash"
        assert all(re.fullmatch("--hash=sha256:[0-9a-f]{64}", each) for each in options), requirement
    written = (ROOT / file).with_suffix(".in")
    for version in PROMISED:
        found = taken(read_pins(ROOT / file), version)
        assert taken(read_pins(written), version).items() <= found.items()
        # What two locks have is the same package.
        tested = taken(read_pins(ROOT / "tests" / "requirements.txt"), version)
        assert {name: pin for name, pin in found.items() if name in tested}.items() <= tested.items()


def test_all_that_pip_installs_is_installed_by_its_hash() -> None:
    """Whatever installs packages for the program, the image, the function or the sample, and nothing else does."""
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    )
    installing: dict[str, int] = {}
    for name in files.stdout.splitlines():
        if name.startswith(("docs/", "tests/")) or name.endswith((".md", ".txt", ".in", ".svg")):
            continue
        # A command may go on in further lines, and is a list in a program.
        text = (ROOT / name).read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
        for line in text.splitlines():
            command = re.search(r"""(?<!-)\bpip"?,?( [^;|&#]*)? "?(download|install)\b"?[ ,]""", line)
            if command and not line.lstrip().startswith("#") and "could not" not in line:
                assert name.endswith(".py") or "--require-hashes" in line, f"{name}: {line.strip()}"
                installing[name] = installing.get(name, 0) + 1
    # What the function's archive installs is tried with a changed package in its own tests.
    assert installing == {
        "Makefile": 2,
        "infra/packages/function_package.py": 1,
        "pipeline_app/Dockerfile": 1,
        "pipeline_app/sample/install.sh": 2,
    }


PLATFORMS = {
    "linux arm64": [f"manylinux_2_{minor}_aarch64" for minor in range(17, 29)],
    "linux x86-64": [f"manylinux_2_{minor}_x86_64" for minor in range(17, 29)],
    "macos arm64": list(tags.mac_platforms((14, 0), "arm64")),
    "macos x86-64": list(tags.mac_platforms((14, 0), "x86_64")),
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Return, for each library of the sample, the hashes of its wheels on the index by their file names."""
    file = tmp_path_factory.mktemp("lock") / "pylock.toml"
    command = [sys.executable, "-m", "uv", "pip", "compile", "--format", "pylock.toml", "--no-python-downloads"]
    command += ["--output-file", str(file), "--python", sys.executable, "--python-version", PROMISED[0], "--quiet"]
    subprocess.run([*command, "--universal", str(SAMPLE.with_suffix(".in"))], check=True, cwd=file.parent)
    return {
        each["name"]: {wheel["url"].rpartition("/")[2]: wheel["hashes"]["sha256"] for wheel in each["wheels"]}
        for each in tomllib.loads(file.read_text(encoding="utf-8"))["packages"]
    }


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("version", PROMISED)
def test_the_sample_has_the_hash_of_a_wheel_wherever_it_may_run(
    index: dict[str, dict[str, str]], version: str, platform: str
) -> None:
    digits = version.replace(".", "")
    python = (3, int(version.partition(".")[2]))
    fitting = {
        *tags.cpython_tags(python, [f"cp{digits}"], PLATFORMS[platform]),
        *tags.compatible_tags(python, f"cp{digits}", PLATFORMS[platform]),
    }
    for requirement, options in hashed(SAMPLE).items():
        wheels = index[canonicalize_name(Requirement(requirement).name)]
        hashes = {name: digest for name, digest in wheels.items() if parse_wheel_filename(name)[3] & fitting}
        assert hashes, requirement
        assert {f"--hash=sha256:{digest}" for digest in hashes.values()} <= set(options), requirement


def test_the_promise_is_the_same_wherever_it_is_made() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    assert tuple(workflow["jobs"]["test"]["strategy"]["matrix"]["python"]) == PROMISED
    first, last = PROMISED[0], PROMISED[-1]
    assert f"Python {first} to {last}" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"install Python {first} to {last}" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert " ".join(PROMISED) in (ROOT / ".ci" / "interpreters").read_text(encoding="utf-8")
    assert PYTHON_VERSION in PROMISED


def test_the_base_image_is_pinned_to_its_content() -> None:
    dockerfile = (ROOT / "pipeline_app" / "Dockerfile").read_text(encoding="utf-8")
    (base,) = re.findall(r"^ARG BASE_IMAGE=(\S+)$", dockerfile, re.MULTILINE)
    assert re.fullmatch(r"[a-z./-]+:[\w.-]+@sha256:[0-9a-f]{64}", base), base
