"""Pulumi.yaml and the development stack agree with the program on every key and default."""

from __future__ import annotations

from pathlib import Path

import yaml

from infra.settings.config import KEYS, StackConfig, check

PROJECT = Path(__file__).parents[3]


def test_pulumi_yaml_and_the_program_agree_on_every_key_and_default() -> None:
    declared = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    assert tuple(declared) == KEYS
    for name, field in StackConfig.model_fields.items():
        if field.is_required():
            continue
        entry = declared[str(field.alias)]
        assert set(entry) == {"default", "description", "type"}, name
        assert {bool: "boolean", int: "integer", str: "string"}[type(entry["default"])] == entry["type"]
        assert entry["description"].endswith(".")


def test_the_defaults_of_pulumi_yaml_are_those_of_the_program() -> None:
    declared = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    # The engine hands every value over as text.
    assert check({key: str(entry["default"]) for key, entry in declared.items()}, PROJECT) == check({}, PROJECT)


def test_the_development_stack_is_valid() -> None:
    settings = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text(encoding="utf-8"))["config"]
    assert settings.pop("azure-native:location")
    prefix = "file-processing-pipeline:"
    config = check({key.removeprefix(prefix): value for key, value in settings.items()}, PROJECT)
    assert config.share_files().keys() == {"config/export.json", "config/runtime.json"}


def test_the_project_can_start_a_new_one() -> None:
    project = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert project["name"] == "file-processing-pipeline"
    assert project["runtime"] == {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}
    assert project["template"]["config"]["azure-native:location"].keys() == {"default", "description"}
