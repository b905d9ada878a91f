"""Pinned requirements: which of them a Python takes, and whether they are all that its packages need.

Whoever installs for another Python than the one that runs cannot leave this to pip: it takes the tags and
``Requires-Python`` of ``--python-version``, but environment markers of the interpreter that runs it
(https://pip.pypa.io/en/stable/cli/pip_install/#cmdoption-python-version says so).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

# How a requirement in a file says which files it may be: by their SHA-256.
HASH: Final = "--hash="


class PinError(Exception):
    """A requirement is not pinned, or something that is needed is not among the pins; the text says which."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """What a package's metadata says: its requirements as written there, and ``requires_python`` where it has one."""

    name: str
    requires: tuple[str, ...]
    requires_python: str | None
    version: str


def marker_environment(python_version: str) -> dict[str, str]:
    """Return what environment markers see on CPython of a version such as ``3.13`` on Linux x86-64."""
    return {
        "extra": "",
        "implementation_name": "cpython",
        "implementation_version": f"{python_version}.0",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python_version}.0",
        "python_version": python_version,
        "sys_platform": "linux",
    }


def read_pins(requirements: Path) -> list[Requirement]:
    """Read a file of pinned requirements, of which each may have an environment marker, and hashes.

    Lines that include another file (``-r``) are followed.

    Raises:
        PinError: a line is no requirement, or does not pin one version.
    """
    return [pin for pin, _, _ in _read(requirements)]


def locked(requirements: Path, python_version: str) -> list[str]:
    """Return what a Python takes of a file of pinned requirements, as lines of such a file: each with its hashes.

    Raises:
        PinError: a line is no requirement, does not pin one version, or has no hash.
    """
    read = list(_read(requirements))
    chosen = taken([pin for pin, _, _ in read], python_version)
    lines = []
    for name, pin in sorted(chosen.items()):
        found = [(place, hashes) for each, place, hashes in read if _is(each, name, pin)]
        hashes = sorted({each for _, given in found for each in given})
        if not hashes:
            raise PinError(
                f"{found[0][0]}: {pin} has no hash, so anything could come under that name. Write it with the hashes "
                "of its files, as 'make locks' does."
            )
        lines.append(" ".join((str(pin), *hashes)))
    return lines


def _is(pin: Requirement, name: NormalizedName, chosen: Requirement) -> bool:
    return canonicalize_name(pin.name) == name and pin.specifier == chosen.specifier


def _read(requirements: Path) -> Iterator[tuple[Requirement, str, Sequence[str]]]:
    """Yield each pin with its place in a file, and its hashes as they are written."""
    for number, line in _lines(requirements):
        if line.startswith("-r "):
            yield from _read(requirements.parent / line.removeprefix("-r ").strip())
            continue
        words = line.split()
        hashes = [word for word in words if word.startswith(HASH)]
        text = " ".join(word for word in words if not word.startswith(HASH))
        place = f"{requirements}:{number}"
        yield _pin(text, place), place, hashes


def _lines(requirements: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, each with its number and with those that it goes on in."""
    whole, first = "", 0
    for number, line in enumerate(requirements.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.partition("#")[0].strip()
        first = first or number
        goes_on = text.endswith("\\")
        whole = f"{whole} {text[:-1] if goes_on else text}".strip()
        if goes_on:
            continue
        if whole:
            yield first, whole
        whole, first = "", 0


def taken(pins: Iterable[Requirement], python_version: str) -> dict[NormalizedName, Requirement]:
    """Return by name the pins that a Python takes, without their markers.

    Raises:
        PinError: a package is pinned to two versions.
    """
    environment = marker_environment(python_version)
    found: dict[NormalizedName, Requirement] = {}
    for pin in pins:
        if pin.marker is not None and not pin.marker.evaluate(environment):
            continue
        bare = Requirement(f"{pin.name}{pin.specifier}")
        name = canonicalize_name(pin.name)
        if found.setdefault(name, bare) != bare:
            raise PinError(f"Python {python_version} is given both {found[name]} and {bare}. Leave one of them out.")
    return found


def unmet(packages: Iterable[Package], python_version: str) -> list[str]:
    """Return a sentence for each need of the packages that none of them meets, and for each that is for other Pythons.

    Requirements of extras count where a package asks for the extra.
    """
    found: Mapping[NormalizedName, Package] = {canonicalize_name(each.name): each for each in packages}
    environment = marker_environment(python_version)
    problems: set[str] = set()
    waiting = [(name, "") for name in found]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        package = found[name]
        title = f"{package.name}=={package.version}"
        if not _matches(package.requires_python, f"{python_version}.0"):
            problems.add(f"{title} is for Python {package.requires_python}, not for {python_version}")
        for needed in map(Requirement, package.requires):
            if needed.marker is not None and not needed.marker.evaluate(environment | {"extra": extra}):
                continue
            other = found.get(canonicalize_name(needed.name))
            if other is None or not needed.specifier.contains(other.version, prereleases=True):
                there = "is not pinned" if other is None else f"is pinned to {other.version}"
                problems.add(f"{title} needs {needed.name}{needed.specifier}, which {there}")
                continue
            for each in needed.extras:
                step = (canonicalize_name(needed.name), each)
                if step not in seen:
                    seen.add(step)
                    waiting.append(step)
    return sorted(problems)


def _matches(specifier: str | None, version: str) -> bool:
    return specifier is None or SpecifierSet(specifier).contains(version)


def _pin(text: str, place: str) -> Requirement:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise PinError(f"{place}: {text!r} is no requirement: {str(error).splitlines()[0]}.") from error
    specifiers = list(requirement.specifier)
    if len(specifiers) != 1 or specifiers[0].operator != "==" or specifiers[0].version.endswith(".*"):
        raise PinError(f"{place}: {text!r} is not pinned, so two builds could differ. Write it as name==version.")
    return requirement
