"""README and docs say what is there."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.components.alert_rules import LINES, METRIC_RULES, log_alerts
from infra.components.roles import Role
from pipeline_app.contract import Receipt
from pipeline_app.worker.app_config import PLACEHOLDERS

PROJECT = Path(__file__).parents[1]
FILES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
DOCUMENTS = {file.stem: file.read_text(encoding="utf-8") for file in FILES}


def declared_settings() -> dict[str, str]:
    """Return the default and the description of each setting, as a row of a table has them."""
    keys: dict[str, Any] = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    declared = {}
    for key, about in keys.items():
        text = str(about["default"]).lower() if isinstance(about["default"], bool) else about["default"]
        default = "" if text == "" else f"`{text}`"
        declared[key] = f"{default} | {about['description']}"
    return declared


def rows_of_settings(document: str) -> dict[str, str]:
    """Return what the rows of a document say of settings."""
    return dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCUMENTS[document], re.MULTILINE))


def test_every_setting_is_in_the_reference_with_its_default_and_description_and_no_other_is() -> None:
    assert rows_of_settings("configuration") == declared_settings()


def test_the_readme_has_ten_settings_in_the_words_of_the_reference() -> None:
    rows = rows_of_settings("README")
    assert len(rows) == 10
    assert rows.items() <= declared_settings().items()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_setting_that_a_command_sets_is_there(document: str) -> None:
    set_here = set(re.findall(r"(?:config set|-c) ([A-Za-z]\w*)[ =]", DOCUMENTS[document]))
    assert set_here - {"KEY"} <= declared_settings().keys()


def test_the_readme_tells_every_placeholder_of_a_runtime_config() -> None:
    section = DOCUMENTS["README"].partition("**runtime config**")[2].partition("```json")[0]
    assert sorted(re.findall(r"`\{(\w+)\}`", section)) == sorted(PLACEHOLDERS)


def test_the_receipt_that_the_readme_shows_is_one_with_every_field_of_a_success() -> None:
    (example,) = re.findall(r"```json\n(\{\n.*?)```", DOCUMENTS["README"], re.DOTALL)
    assert list(json.loads(example)) == [field.name for field in fields(Receipt) if field.name != "warning"]
    assert Receipt.decode(example).status == "succeeded"


def test_every_change_that_costs_what_is_held_is_told() -> None:
    table = (PROJECT / "docs" / "changes.md").read_text(encoding="utf-8")
    refused = set(re.findall(r"^\| `([\w:-]+)` \| .+? \| refused \|", table, re.MULTILINE))
    section = DOCUMENTS["configuration"].partition("## Changing a deployed stack")[2]
    # Nothing that the vault holds is lost at once.
    assert refused | {"vaultName"} == set(re.findall(r"^\| [^`|]+(?:`\w+` )?\| `(\w+)` \|$", section, re.MULTILINE))


@pytest.mark.parametrize("role", Role, ids=lambda role: role.name)
def test_every_role_is_in_the_identity_table(role: Role) -> None:
    spoken = role.name.replace("_", " ").lower().replace("container instances", "azure container instances")
    assert spoken in DOCUMENTS["identities"].lower().replace("acrpull", "acr pull")


def test_every_alert_has_its_entry_in_the_runbook_and_no_other_has() -> None:
    entries = re.findall(r"^\| `alerts-([a-z-]+)` \| .{20,} \| .{20,} \|$", DOCUMENTS["operations"], re.MULTILINE)
    logs = {
        name
        for runner in LINES
        for name in log_alerts(backlog_events=1, backlog_jobs=1, failed_files=1, runner=runner, silent_minutes=30)
    }
    assert entries == sorted([*METRIC_RULES, *logs])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_and_folder_it_names_exists(document: str) -> None:
    named = re.findall(r"`((?:docs|function|infra|pipeline_app|tests)/[\w./-]*)`", DOCUMENTS[document])
    assert [name for name in named if not (PROJECT / name).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_it_names_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b", DOCUMENTS[document])) <= targets


def test_the_readme_leads_to_every_document() -> None:
    linked = set(re.findall(r"\]\(docs/([\w-]+)\.md(?:#[\w-]+)?\)", DOCUMENTS["README"]))
    assert linked == DOCUMENTS.keys() - {"README"}
