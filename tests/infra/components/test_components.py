"""What storage, vault, image, artifact and telemetry are declared with, in detail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.infra.recording import SECRET, Run, run_program


def test_storage_accounts_take_no_anonymous_plain_or_old_connection(program: Run) -> None:
    accounts = program.all("storage:StorageAccount")
    assert [each.name for each in accounts] == ["artifacts", "files", "host"]
    # The share is mounted, and blobs are put up, by an account's key; the host's has neither.
    assert [each.name for each in accounts if not each.inputs["allowSharedKeyAccess"]] == ["host"]
    for each in accounts:
        assert each.inputs["allowBlobPublicAccess"] is False
        assert each.inputs["enableHttpsTrafficOnly"] is True
        assert each.inputs["kind"] == "StorageV2"
        assert each.inputs["minimumTlsVersion"] == "TLS1_2"
    for each in program.all("storage:BlobContainer"):
        assert each.inputs["publicAccess"] == "None"


def test_the_accounts_hold_the_containers_queues_and_share_of_the_contract(program: Run) -> None:
    containers = {
        (each.inputs["accountName"], each.inputs["containerName"]) for each in program.all("storage:BlobContainer")
    }
    assert containers == {
        ("~artifacts", "function-packages"),
        ("~artifacts", "shared-artifacts"),
        ("~files", "dead-letters"),
        ("~files", "pipeline-files"),
        ("~files", "pipeline-state"),
    }
    queues = {(each.inputs["accountName"], each.inputs["queueName"]) for each in program.all("storage:Queue")}
    assert queues == {("~files", name) for name in ("events", "events-poison", "jobs", "jobs-poison")}
    share = program.one("storage:FileShare").inputs
    assert (share["accountName"], share["shareName"], share["shareQuota"]) == ("~files", "share", 5)


def test_the_config_files_show_in_plain_and_go_with_the_share(program: Run) -> None:
    files = {each.inputs["path"]: each for each in program.all("dynamic/storage:ShareFile")}
    assert files.keys() == {"config/export.json", "config/runtime.json"}
    for each in files.values():
        assert isinstance(each.raw["content"], str)
        assert json.loads(each.raw["content"])["args"]
        assert each.inputs["account_id"] == program.one("storage:StorageAccount", "files").id
        assert each.inputs["account_url"] == "~https://files.file/"
        assert each.request.deletedWith.endswith("::files-share")
        # What is stored of the provider names a class and no path of this machine, so it differs nowhere.
        assert isinstance(each.raw["__provider"], str)


def test_the_vault_authorizes_by_roles_and_holds_the_registrys_password(program: Run) -> None:
    vault, secret = program.one("keyvault:Vault"), program.one("keyvault:Secret")
    expected = {
        "enableRbacAuthorization": True,
        "enableSoftDelete": True,
        "sku": {"family": "A", "name": "standard"},
        "softDeleteRetentionInDays": 7,
        "tenantId": "~tenant",
    }
    assert vault.inputs["properties"] | expected == vault.inputs["properties"]
    assert secret.inputs["secretName"] == "acr-~registry-~admin-password"
    assert secret.inputs["properties"] == {"value": f"{SECRET}-registry"}
    assert secret.request.deletedWith.endswith("::vault")
    assert secret.request.retainOnDelete


def test_the_image_is_built_for_linux_from_the_build_args_and_pushed_under_its_version(program: Run) -> None:
    image = program.one("docker:index/image:Image").inputs
    version = image["build"]["args"]["RELEASE_VERSION"]
    assert image["build"] == {
        "args": {
            "APP_ALIAS": "csvreport",
            "APP_FILE": "csvreport",
            "APP_INSTALLER_FILE": "install.sh",
            "APP_RELEASE": image["build"]["args"]["APP_RELEASE"],
            "APP_SETUP_ARGS": "",
            "RELEASE_VERSION": version,
            "SOURCE_DATE_EPOCH": "315532800",
        },
        "builderVersion": "BuilderBuildKit",
        "context": f".build/image-{version.removeprefix('0.1.0.dev')}",
        "dockerfile": "pipeline_app/Dockerfile",
        "platform": "linux/amd64",
    }
    assert image["buildOnPreview"] is False
    assert image["imageName"] == f"~registry.example/file-processing/csvreport_v1.0.0:{version}"
    assert version.startswith("0.1.0.dev")
    assert image["registry"]["server"] == "~registry.example"


def test_latest_is_pointed_to_each_new_digest_without_a_password_or_an_engine(program: Run) -> None:
    tag = program.one("dynamic/containerregistry:ImageTag")
    version = program.one("docker:index/image:Image").inputs["build"]["args"]["RELEASE_VERSION"]
    assert {key: value for key, value in tag.inputs.items() if not key.startswith("__")} == {
        "content": f"{version.removeprefix('0.1.0.dev')}/{version}",
        "login_server": "~registry.example",
        "reference": f"~registry.example/worker@sha256:{'a' * 64}",
        "registry_id": program.one("containerregistry:Registry").id,
        "registry_token": tag.inputs["registry_token"],
        "repository": "file-processing/csvreport_v1.0.0",
        "tag_names": ["latest", version],
        "token": tag.inputs["token"],
    }
    assert not program.all("docker:index/tag:Tag")
    assert not program.all("docker:index/registryImage:RegistryImage")


def test_neither_the_end_of_the_stack_nor_an_image_from_elsewhere_needs_an_engine(program: Run) -> None:
    """The provider refuses each call where no engine answers, but it is not called for what is only forgotten."""
    assert all(each.request.retainOnDelete for each in program.resources if each.token.startswith("docker:"))


def test_the_artifact_is_published_under_the_hash_of_its_content(program: Run) -> None:
    blob = program.one("storage:Blob", "application").inputs
    assert (blob["accountName"], blob["containerName"]) == ("~artifacts", "~shared-artifacts")
    assert blob["blobName"] == f"applications/sample-{blob['metadata']['sha256'][:16]}.zip"


def test_telemetry_is_taken_from_roles_only(program: Run) -> None:
    insights = program.one("applicationinsights:Component").inputs
    assert insights["disableLocalAuth"] is True
    assert insights["workspaceResourceId"] == program.one("operationalinsights:Workspace").id
    assert program.one("operationalinsights:Workspace").inputs["retentionInDays"] == 30


@pytest.mark.usefixtures("function_package")
@pytest.mark.parametrize(("cap", "quota"), [("", -1), ("0.5", 0.5)])
def test_the_workspace_takes_any_amount_of_logs_or_the_configured_one(
    artifact_cache: Path, cap: str, quota: float
) -> None:
    run = run_program({"artifactCache": str(artifact_cache), "logDailyCapGb": cap})
    assert run.one("operationalinsights:Workspace").inputs["workspaceCapping"] == {"dailyQuotaGb": quota}
