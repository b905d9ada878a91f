"""A stack's configuration, as the Pulumi CLI would read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.cloud.program import ProgramError, read_stack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a stack."""
    (tmp_path / "Pulumi.yaml").write_text(
        "name: tiny\nruntime: python\nconfig:\n  idle: {type: integer, default: 15}\n  free: {type: string}\n"
    )
    (tmp_path / "Pulumi.dev.yaml").write_text(
        "config:\n  azure-native:location: westeurope\n  tiny:idle: 5\n  tiny:tags: {a: b}\n  tiny:on: true\n"
    )
    return tmp_path


def test_a_key_without_a_namespace_is_the_project_s_and_an_override_goes_first(folder: Path) -> None:
    stack = read_stack(folder, "dev", {"idle": "1", "azure-native:location": "local"})
    assert stack.config == {
        "azure-native:location": "local",
        "tiny:idle": "1",
        "tiny:on": "true",
        "tiny:tags": '{"a": "b"}',
    }


def test_defaults_of_the_project_hold_where_the_stack_says_nothing(folder: Path) -> None:
    (folder / "Pulumi.dev.yaml").write_text("")
    assert read_stack(folder, "dev", {}).config == {"tiny:idle": "15"}


def test_an_encrypted_value_must_be_given(folder: Path) -> None:
    (folder / "Pulumi.dev.yaml").write_text("config:\n  tiny:password: {secure: AAAB}\n")
    with pytest.raises(ProgramError, match=r"tiny:password .* -c tiny:password=VALUE"):
        read_stack(folder, "dev", {})
    assert read_stack(folder, "dev", {"password": "x"}).config["tiny:password"] == "x"


def test_a_missing_stack_is_told_with_its_file(folder: Path) -> None:
    with pytest.raises(ProgramError, match=r"Pulumi\.prod\.yaml.*--stack"):
        read_stack(folder, "prod", {})


@pytest.mark.parametrize("text", ["- a list", "a: b: c", "'text"])
def test_a_stack_file_that_is_no_mapping_is_told(folder: Path, text: str) -> None:
    (folder / "Pulumi.dev.yaml").write_text(text)
    with pytest.raises(ProgramError, match=r"Pulumi\.dev\.yaml"):
        read_stack(folder, "dev", {})
