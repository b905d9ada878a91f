"""README and docs say what is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.components.alert_rules import METRIC_RULES, log_alerts
from infra.components.roles import Role

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
FILES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
DOCUMENTS = {file.stem: file.read_text(encoding="utf-8") for file in FILES}


def test_every_setting_is_in_the_reference_with_its_default_and_description() -> None:
    keys: dict[str, Any] = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", README, re.MULTILINE))
    expected = {}
    for key, about in keys.items():
        text = str(about["default"]).lower() if isinstance(about["default"], bool) else about["default"]
        default = "" if text == "" else f"`{text}`"
        expected[key] = f"{default} | {about['description']}"
    assert {key: rows.get(key) for key in expected} == expected


def test_every_change_that_costs_what_is_held_is_told() -> None:
    table = (PROJECT / "docs" / "changes.md").read_text(encoding="utf-8")
    refused = set(re.findall(r"^\| `([\w:-]+)` \| .+? \| refused \|", table, re.MULTILINE))
    section = README.partition("### Changing a deployed stack")[2].partition("\n## ")[0]
    # Nothing that the vault holds is lost at once.
    assert refused | {"vaultName"} == set(re.findall(r"^\| [^`|]+(?:`\w+` )?\| `(\w+)` \|$", section, re.MULTILINE))


@pytest.mark.parametrize("role", Role, ids=lambda role: role.name)
def test_every_role_is_in_the_identity_table(role: Role) -> None:
    spoken = role.name.replace("_", " ").lower().replace("container instances", "azure container instances")
    assert spoken in DOCUMENTS["identities"].lower().replace("acrpull", "acr pull")


def test_every_alert_has_its_entry_in_the_runbook_and_no_other_has() -> None:
    entries = re.findall(r"^\| `alerts-([a-z-]+)` \| .{20,} \| .{20,} \|$", DOCUMENTS["operations"], re.MULTILINE)
    logs = log_alerts(backlog_events=1, backlog_jobs=1, failed_files=1, silent_minutes=30)
    assert entries == sorted([*METRIC_RULES, *logs])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_and_folder_it_names_exists(document: str) -> None:
    named = re.findall(r"`((?:docs|function|infra|pipeline_app|tests)/[\w./-]*)`", DOCUMENTS[document])
    assert [name for name in named if not (PROJECT / name).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_it_names_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b", DOCUMENTS[document])) <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_within_the_project_leads_to_a_file_and_a_heading(document: str) -> None:
    folder = PROJECT if document == "README" else PROJECT / "docs"
    broken = []
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", DOCUMENTS[document]):
        path, _, anchor = link.partition("#")
        file = (folder / path).resolve() if path else folder / f"{document}.md"
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(link)
    assert broken == []


def anchors(file: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_leads_to_every_document() -> None:
    linked = set(re.findall(r"\]\(docs/([\w-]+)\.md\)", README))
    assert linked == DOCUMENTS.keys() - {"README"}
