"""Links within the project lead to a file and a heading, in every document and in what the program prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

PROJECT: Final = Path(__file__).parents[1]
ROOMS: Final = (".github", "docs", "function", "infra", "pipeline_app", "tests")
DOCUMENTS: Final = [*PROJECT.glob("*.md"), *(file for room in ROOMS for file in PROJECT.glob(f"{room}/**/*.md"))]
PROGRAMS: Final = [file for room in ("function", "infra", "pipeline_app") for file in PROJECT.glob(f"{room}/**/*.py")]


def prose(file: Path) -> str:
    """Return a document without its blocks of code, in which a comment would look like a heading."""
    return re.sub(r"^( *)```.*?^\1```", "", file.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(file: Path) -> list[str]:
    """Return the anchors that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", prose(file), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


def broken(file: Path) -> list[str]:
    """Return the links of a document that lead nowhere within the project."""
    found = []
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", prose(file)):
        path, _, anchor = link.partition("#")
        target = file.parent / path if path else file
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(PROJECT)))
def test_every_link_within_the_project_leads_to_a_file_and_a_heading(document: Path) -> None:
    assert broken(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(PROJECT)))
def test_no_two_headings_of_a_document_share_an_anchor(document: Path) -> None:
    assert sorted(anchors(document)) == sorted(set(anchors(document)))


def test_a_link_to_nothing_is_found(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text(
        "# Here\n\n[a](#here) [b](#there) [c](gone.md) [d](https://example.com)\n\n```bash\n# There\n```\n"
    )
    assert broken(document) == ["#there", "gone.md"]


def test_every_document_that_a_program_names_is_there() -> None:
    named = {name for file in PROGRAMS for name in re.findall(r"(?<![\w/])docs/[\w-]+\.md", file.read_text("utf-8"))}
    assert named
    assert [name for name in sorted(named) if not (PROJECT / name).exists()] == []
