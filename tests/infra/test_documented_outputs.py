"""What a document asks of a stack's outputs is exported."""

from __future__ import annotations

import re
from pathlib import Path

from tests.infra.recording import Run

PROJECT = Path(__file__).parents[2]


def test_every_output_that_a_document_asks_for_is_exported(program: Run) -> None:
    documents = [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")]
    asked = {
        name
        for document in documents
        for name in re.findall(r"pulumi stack output ([A-Za-z]\w*)", document.read_text(encoding="utf-8"))
    }
    assert "appStorageAccountName" in asked
    assert asked <= program.outputs.keys()
