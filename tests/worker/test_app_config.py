"""The app's configs: a command line without a shell, and errors that name what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_app.worker.app_config import AppConfigError, StepConfig, load, parse

VALUES = {"input": "/in/a b.csv", "output": "/out", "share": "/mnt/azurefiles"}


def test_default_arguments_are_input_and_output() -> None:
    assert StepConfig().command("app", VALUES) == ["app", "/in/a b.csv", "/out"]


def test_placeholders_are_filled_in_place_and_only_once() -> None:
    step = parse('{"args": ["--in={input}", "{output}/{share}", "{\\"json\\": 1}", "{}"]}', "c")
    values = VALUES | {"input": "/in/{output}"}
    assert step.command("app", values) == ["app", "--in=/in/{output}", "/out//mnt/azurefiles", '{"json": 1}', "{}"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_an_input_name_is_always_one_argument(name: str) -> None:
    assert StepConfig().command("app", VALUES | {"input": name}) == ["app", name, "/out"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is a JSON list"),
        ('{"arg": []}', "unknown key 'arg'"),
        ('{"args": "x"}', "'args' of c is 'x'"),
        ('{"args": [1]}', "must be a list of strings"),
        ('{"args": ["{file}"]}', "unknown placeholder '{file}'"),
        ('{"args": ["a\\u0000b"]}', "NUL"),
        ('{"env": []}', "'env' of c is"),
        ('{"env": {"A": 1}}', "sets 'A' to 1"),
        ('{"env": {"A=B": "1"}}', "'A=B'"),
        ('{"timeout_seconds": 0}', "'timeout_seconds' of c is 0"),
        ('{"timeout_seconds": true}', "is True"),
        ('{"timeout_seconds": NaN}', "is nan"),
        ('{"timeout_seconds": 1e9}', "604800"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(text: str, complaint: str) -> None:
    with pytest.raises(AppConfigError, match=complaint):
        parse(text, "c")


def test_both_configs_count_in_the_hash(tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    one.write_text(json.dumps({"args": ["1"]}))
    other.write_text(json.dumps({"args": ["2"]}))
    hashes = {load(*files).sha256 for files in [(one, other), (other, one), (one, None), (None, one), (None, None)]}
    assert len(hashes) == 5


def test_a_config_missing_from_the_share_is_an_error_that_says_how_to_put_it_there(tmp_path: Path) -> None:
    with pytest.raises(AppConfigError, match=r"nowhere.json cannot be read: No such file or directory.*pulumi up"):
        load(tmp_path / "nowhere.json", None)
