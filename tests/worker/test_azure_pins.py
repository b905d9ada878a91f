"""What the worker needs of other packages, at start and in the image."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from infra.packages.pins import read_pins, taken

ROOT = Path(__file__).parents[2]
# What the worker imports itself, besides the standard library.
DIRECT = {"azure-core", "azure-identity", "certifi"}


def pins(folder: str = "pipeline_app") -> dict[NormalizedName, str]:
    found = taken(read_pins(ROOT / folder / "requirements.txt"), f"{sys.version_info[0]}.{sys.version_info[1]}")
    return {name: str(pin.specifier) for name, pin in found.items()}


def closure(names: set[str]) -> set[str]:
    """Return the packages and what they need in turn, as they are installed here."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        for requirement in map(Requirement, importlib.metadata.requires(name) or []):
            # No extra is asked for by any of them but PyJWT's, which brings what is here in any case.
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def test_the_image_has_exactly_what_the_worker_needs_pinned() -> None:
    assert set(pins()) == closure(DIRECT)


def test_the_pins_are_those_of_the_function_where_both_need_a_package() -> None:
    function = pins("function")
    assert {name: function[name] for name in pins()} == pins()


def test_the_worker_starts_without_the_identity_library_and_what_it_needs() -> None:
    program = (
        "import sys, pipeline_app.worker.__main__ as main\n"
        "from pipeline_app.contract import StorageConnection\n"
        "text = 'AccountName=a;AccountKey=a2V5;BlobEndpoint=http://h/a;QueueEndpoint=http://h/a'\n"
        "main.connect(StorageConnection(connection_string=text), 'c')\n"
        "print(*sorted({'azure', 'certifi', 'requests', 'urllib.request'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
