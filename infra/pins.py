"""Pinned requirements: which of them a Python takes, and whether they are all that its packages need.

Whoever installs for another Python than the one that runs cannot leave this to pip: it takes the tags and
``Requires-Python`` of ``--python-version``, but environment markers of the interpreter that runs it
(https://pip.pypa.io/en/stable/cli/pip_install/#cmdoption-python-version says so).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name


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
    """Read a file of pinned requirements, of which each may have an environment marker.

    Lines that include another file (``-r``) are followed.

    Raises:
        PinError: a line is no requirement, or does not pin one version.
    """
    pins: list[Requirement] = []
    for number, line in enumerate(requirements.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            pins += read_pins(requirements.parent / text.removeprefix("-r ").strip())
        elif text:
            pins.append(_pin(text, f"{requirements}:{number}"))
    return pins


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
