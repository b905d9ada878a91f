"""The worker's settings: their defaults, and what is wrong with a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_app.contract import ContractError
from pipeline_app.worker.settings import WorkerSettings

ENVIRONMENT = {
    "APP_ALIAS": "app",
    "APP_STORAGE_CONNECTION": "x",
    "APP_STORAGE_CONTAINER": "c",
    "APP_STORAGE_INPUT_PATH": "incoming",
    "APP_STORAGE_OUTPUT_PATH": "outgoing",
}


def test_settings_have_the_documented_defaults() -> None:
    settings = WorkerSettings.from_environment(ENVIRONMENT)
    assert (settings.health_port, settings.max_attempts, settings.slots) == (5000, 3, 1)
    assert (settings.runtime_config, settings.export_config, settings.log_file) == (None, None, None)
    assert str(settings.share) == "/mnt/azurefiles"


def test_configs_are_compared_where_the_stack_says_what_they_are_and_else_taken_as_they_are() -> None:
    files = {"APP_EXPORT_CONFIG_FILE": "/share/export.json", "APP_RUNTIME_CONFIG_FILE": "/share/runtime.json"}
    assert WorkerSettings.from_environment(ENVIRONMENT | files).config_sha256 == {}
    told = {"APP_EXPORT_CONFIG_SHA256": "", "APP_RUNTIME_CONFIG_SHA256": "AB" * 32}
    assert WorkerSettings.from_environment(ENVIRONMENT | files | told).config_sha256 == {
        Path("/share/runtime.json"): "ab" * 32
    }
    assert WorkerSettings.from_environment(ENVIRONMENT | told).config_sha256 == {}


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("APP_ALIAS", "", "APP_ALIAS is missing"),
        ("APP_STORAGE_CONTAINER", "", "APP_STORAGE_CONTAINER is missing"),
        ("APP_MAX_ATTEMPTS", "0", "APP_MAX_ATTEMPTS is '0'; it must be a number from 1 to 100"),
        ("APP_MAX_ATTEMPTS", "many", "APP_MAX_ATTEMPTS is 'many'"),
        ("APP_IDLE_SECONDS", "nan", "APP_IDLE_SECONDS is 'nan'"),
        ("APP_LIFETIME_SECONDS", "-1", "APP_LIFETIME_SECONDS is '-1'; it must be a number from 0"),
        ("APP_CLAIM_SECONDS", "604801", "from 1 to 604800"),
        ("APP_RUNTIME_CONFIG_SHA256", "abc", "APP_RUNTIME_CONFIG_SHA256 is 'abc'; it must be a SHA-256"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(name: str, value: str, complaint: str) -> None:
    with pytest.raises(ContractError, match=complaint):
        WorkerSettings.from_environment(ENVIRONMENT | {name: value})
