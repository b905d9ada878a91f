"""What the storage accounts delete by themselves, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.settings.config import ConfigError, check
from tests.infra.recording import PROJECT_FOLDER, Run, run_program

EVERYTHING = {
    "deadLetterRetentionDays": "90",
    "inputRetentionDays": "30",
    "packageRetentionDays": "60",
    "resultRetentionDays": "31",
}


@pytest.fixture
def everything(function_package: None, artifact_cache: Path) -> Run:
    """The program with every kind of blob kept for some days."""
    return run_program(EVERYTHING | {"artifactCache": str(artifact_cache)})


def rules(run: Run, name: str) -> dict[str, dict[str, Any]]:
    """Return the definitions of a policy's rules by their names."""
    policy = run.one("storage:ManagementPolicy", name).inputs
    assert policy["managementPolicyName"] == "default"
    return {each["name"]: each["definition"] for each in policy["policy"]["rules"]}


def test_without_a_setting_everything_stays_for_ever(program: Run) -> None:
    assert program.all("storage:ManagementPolicy") == []


def test_each_kind_of_blob_goes_its_days_after_its_last_change(everything: Run) -> None:
    days = {
        name: (definition["actions"]["baseBlob"]["delete"], definition["filters"]["prefixMatch"])
        for name, definition in rules(everything, "retention-files").items()
    }
    assert days == {
        "deadLetters": ({"daysAfterModificationGreaterThan": 90}, ["~dead-letters/"]),
        "inputs": ({"daysAfterModificationGreaterThan": 30}, ["~pipeline-files/incoming/"]),
        "results": ({"daysAfterModificationGreaterThan": 31}, ["~pipeline-files/outgoing/"]),
    }
    assert everything.one("storage:ManagementPolicy", "retention-files").inputs["accountName"] == "~files"


def test_a_blob_is_not_kept_by_its_snapshots_or_versions(everything: Run) -> None:
    for definition in rules(everything, "retention-files").values():
        after = definition["actions"]["baseBlob"]["delete"]["daysAfterModificationGreaterThan"]
        for kind in ("snapshot", "version"):
            assert definition["actions"][kind] == {"delete": {"daysAfterCreationGreaterThan": after}}
        assert definition["filters"]["blobTypes"] == ["appendBlob", "blockBlob"]


def test_what_the_app_runs_and_what_images_are_built_from_is_never_deleted(everything: Run) -> None:
    (packages,) = rules(everything, "retention-artifacts").values()
    (prefix,) = packages["filters"]["prefixMatch"]
    blob = everything.one("storage:Blob", "function-package").inputs
    # The stack's uploads go, which the app has copied; the copy lies beside them.
    assert f"{blob['containerName']}/{blob['blobName']}".startswith(prefix)
    assert not f"{blob['containerName']}/released-package.zip".startswith(prefix)
    artifact = everything.one("storage:Blob", "application").inputs
    assert not f"{artifact['containerName']}/{artifact['blobName']}".startswith(prefix)


def test_the_sweep_s_memory_is_never_deleted(everything: Run) -> None:
    prefixes = [
        prefix
        for definition in rules(everything, "retention-files").values()
        for prefix in definition["filters"]["prefixMatch"]
    ]
    assert not [prefix for prefix in prefixes if "~pipeline-state/sweep.json".startswith(prefix)]


@pytest.mark.usefixtures("function_package")
def test_a_policy_has_only_the_rules_that_are_wanted(artifact_cache: Path) -> None:
    run = run_program({"artifactCache": str(artifact_cache), "deadLetterRetentionDays": "7"})
    assert rules(run, "retention-files").keys() == {"deadLetters"}
    assert len(run.all("storage:ManagementPolicy")) == 1


@pytest.mark.parametrize(("inputs", "results"), [("0", "30"), ("30", "30"), ("31", "30"), ("0", "7"), ("7", "7")])
def test_a_receipt_that_would_go_before_its_input_is_refused(inputs: str, results: str) -> None:
    with pytest.raises(ConfigError, match=f"resultRetentionDays is {results}, but inputs are kept"):
        check({"inputRetentionDays": inputs, "resultRetentionDays": results}, PROJECT_FOLDER)


@pytest.mark.parametrize(("inputs", "results"), [("0", "0"), ("30", "0"), ("30", "31"), ("7", "8")])
def test_a_receipt_that_stays_longer_than_its_input_is_taken(inputs: str, results: str) -> None:
    config = check({"inputRetentionDays": inputs, "resultRetentionDays": results}, PROJECT_FOLDER)
    assert (config.input_retention_days, config.result_retention_days) == (int(inputs), int(results))


@pytest.mark.parametrize("key", sorted(EVERYTHING))
@pytest.mark.parametrize("days", ["-1", "1", "6", "100000"])
def test_days_that_are_too_few_or_too_many_are_refused(key: str, days: str) -> None:
    with pytest.raises(ConfigError, match=f"{key} is '{days}'. Allowed: 0 for ever, or 7 to 99999 days."):
        check({key: days}, PROJECT_FOLDER)
