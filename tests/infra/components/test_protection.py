"""What holds something is protected, can be restored, and keeps its name in the program whatever else changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.infra.holding import HOLDERS, HOLDS_NOTHING
from tests.infra.recording import Run, run_program


@pytest.fixture(scope="module")
def unprotected(function_package: None, artifact_cache: Path) -> Run:
    """A run that gives everything free and keeps what was deleted for other times, in containers of other names."""
    return run_program(
        {
            "artifactCache": str(artifact_cache),
            "artifactContainer": "other-artifacts",
            "deletedBlobDays": "3",
            "deletedContainerDays": "0",
            "deletedShareDays": "30",
            "protectFiles": "false",
            "storageContainer": "other-files",
        }
    )


def test_what_holds_files_jobs_artifacts_or_images_is_protected_unless_the_stack_says_otherwise(
    program: Run, unprotected: Run
) -> None:
    holders = {each.name for kind in HOLDERS for each in program.all(kind)} - {HOLDS_NOTHING}
    assert {each.name for each in program.resources if each.request.protect} == holders
    assert len(holders) == 14
    assert [each.name for each in unprotected.resources if each.request.protect] == []


def test_what_was_deleted_can_be_restored_for_as_long_as_is_set(program: Run, unprotected: Run) -> None:
    for run, blobs, containers, shares in ((program, 0, 7, 7), (unprotected, 3, 0, 30)):
        policies = {
            (each.inputs["accountName"], key): policy
            for token in ("storage:BlobServiceProperties", "storage:FileServiceProperties")
            for each in run.all(token)
            for key, policy in each.inputs.items()
            if key.endswith("RetentionPolicy")
        }
        # The service takes no days where it keeps nothing.
        assert policies == {
            (account, key): {"days": days, "enabled": True} if days else {"enabled": False}
            for account, key, days in (
                ("~artifacts", "containerDeleteRetentionPolicy", containers),
                ("~artifacts", "deleteRetentionPolicy", blobs),
                ("~files", "containerDeleteRetentionPolicy", containers),
                ("~files", "deleteRetentionPolicy", blobs),
                ("~files", "shareDeleteRetentionPolicy", shares),
            )
        }


def test_a_container_of_another_name_is_still_the_same_resource(program: Run, unprotected: Run) -> None:
    """Another resource would be made beside it, and the end of the protected one be refused last of all."""
    titles = [sorted(each.name for each in run.all("storage:BlobContainer")) for run in (program, unprotected)]
    assert titles[0] == titles[1]
    # Stacks from before have the name in the title.
    former = {
        each.name: (each.inputs["containerName"], [alias.spec.name for alias in each.request.aliases])
        for each in unprotected.all("storage:BlobContainer")
    }
    for title, account, name in (
        ("artifacts-shared-artifacts", "artifacts", "other-artifacts"),
        ("files-pipeline-files", "files", "other-files"),
    ):
        assert former[title][0] == name
        assert f"{account}-{name}" in former[title][1]


def test_no_resource_has_the_stacks_name_in_its_own(program: Run) -> None:
    """Whatever has it would be another one after a rename, and be replaced."""
    assert [each.name for each in program.resources if re.search(r"\bdev\b", each.name)] == []
    group = program.one("resources:ResourceGroup")
    assert group.name == "file-processing-pipeline"
    assert [each.spec.name for each in group.request.aliases if each.spec.name] == ["file-processing-pipeline-dev"]
    assert group.inputs["tags"] == {"pulumi-stack": "dev", "team": "files"}
