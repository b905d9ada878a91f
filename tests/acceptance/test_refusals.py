"""No stack that somebody could miss is taken for a throw-away one."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.acceptance.refusals import refusal
from infra.acceptance.settings import OWN, PROJECT, stack_config
from infra.settings.config import KEYS, check


@pytest.mark.parametrize("name", ["acceptance-1", "throwaway", "dev-acceptance", "production1"])
def test_a_name_of_its_own_is_allowed(name: str) -> None:
    assert refusal(name, PROJECT, ["dev", "acme/files/other"], {}) is None


@pytest.mark.parametrize(
    ("name", "existing", "environment", "words"),
    [
        ("", [], {}, "is no name"),
        ("acme/files/throwaway", [], {}, "is no name"),
        ("--yes", [], {}, "is no name"),
        ("dev", [], {}, "Pulumi.dev.yaml configures"),
        ("DEV", [], {}, "Pulumi.dev.yaml configures"),
        ("files-prod", [], {}, "has 'prod' in it"),
        ("Production", [], {}, "has 'production' in it"),
        ("throwaway", ["throwaway"], {}, "exists already"),
        ("throwaway", ["acme/files/Throwaway"], {}, "exists already"),
        ("eu", [], {"PULUMI_STACK": "acme/eu"}, "PULUMI_STACK names"),
    ],
)
def test_any_other_name_is_refused(name: str, existing: list[str], environment: dict[str, str], words: str) -> None:
    reason = refusal(name, PROJECT, existing, environment)
    assert reason is not None
    assert words in reason
    assert "Choose another name" in reason


def test_a_stack_that_another_file_configures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.eu.customer.yaml").touch()
    (tmp_path / "Pulumi.west.yaml").touch()
    assert "Pulumi.west.yaml" in (refusal("west", tmp_path, [], {}) or "")


def test_the_throw_away_stack_sets_what_lets_it_be_destroyed_and_what_the_program_knows() -> None:
    prefix = "file-processing-pipeline:"
    settings = stack_config({"azure-native:location": "northeurope", "slots": "2"})
    own = {key.removeprefix(prefix): value for key, value in settings.items() if key.startswith(prefix)}

    assert settings["azure-native:location"] == "northeurope"
    assert own == {key: value for key, value in OWN.items() if key in KEYS} | {"slots": "2"}
    assert check(own, PROJECT).sweep_schedule == OWN["sweepSchedule"]
    assert OWN["protectFiles"] == "false"


def test_the_region_is_that_of_the_development_stack_where_none_is_given() -> None:
    assert stack_config({})["azure-native:location"] == "westeurope"
