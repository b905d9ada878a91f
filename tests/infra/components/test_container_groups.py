"""The container groups: their worker's environment, where its logs go, and when it begins and is made anew."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.infra.recording import FROM_OUTPUT, SECRET, Run, environment_of, run_program

PROJECT = Path(__file__).parents[3]


def sha256_of(step: str) -> str:
    return hashlib.sha256((PROJECT / f"pipeline_app/config/{step}.json").read_bytes()).hexdigest()


def test_the_worker_gets_exactly_this_environment(program: Run) -> None:
    image = f"{FROM_OUTPUT}registry.example/worker@sha256:{'a' * 64}"
    assert environment_of(program.one("containerinstance:ContainerGroup", "worker-1")) == {
        "APP_ALIAS": "csvreport",
        "APP_CLAIM_SECONDS": "60",
        "APP_EXPORT_CONFIG_FILE": "/mnt/azurefiles/config/export.json",
        "APP_EXPORT_CONFIG_SHA256": sha256_of("export"),
        "APP_IDLE_SECONDS": "15",
        "APP_IMAGE": image,
        "APP_LOG_FILE": "/mnt/azurefiles/logs/app.log",
        "APP_MAX_ATTEMPTS": "3",
        "APP_MAX_OUTPUT_FILES": "10000",
        "APP_NETWORK": "no-metadata",
        "APP_RUNTIME_CONFIG_FILE": "/mnt/azurefiles/config/runtime.json",
        "APP_RUNTIME_CONFIG_SHA256": sha256_of("runtime"),
        "APP_SHARE_DIRECTORY": "/mnt/azurefiles",
        "APP_SLOTS": "1",
        "APP_STORAGE_CONNECTION__blobServiceUri": "~https://files.blob/",
        "APP_STORAGE_CONNECTION__clientId": "~client-of-worker-identity",
        "APP_STORAGE_CONNECTION__credential": "managedidentity",
        "APP_STORAGE_CONNECTION__queueServiceUri": "~https://files.queue/",
        "APP_STORAGE_CONTAINER": "~pipeline-files",
        "APP_STORAGE_INPUT_PATH": "incoming",
        "APP_STORAGE_OUTPUT_PATH": "outgoing",
    }


def test_a_container_group_is_what_az_container_create_made(program: Run) -> None:
    identity = program.one("managedidentity:UserAssignedIdentity", "worker-identity").id
    group = program.one("containerinstance:ContainerGroup", "worker-2")
    container = group.inputs["containers"][0]
    assert group.inputs["containerGroupName"] == "worker-2"
    assert group.inputs["osType"] == "Linux"
    assert group.inputs["restartPolicy"] == "Never"
    assert group.inputs["identity"] == {"type": "UserAssigned", "userAssignedIdentities": [identity]}
    assert group.inputs["imageRegistryCredentials"] == [{"identity": identity, "server": "~registry.example"}]
    assert group.inputs["volumes"] == [
        {
            "azureFile": {
                "shareName": "~share",
                "storageAccountKey": f"{SECRET}-account",
                "storageAccountName": "~files",
            },
            "name": "share",
        }
    ]
    assert "diagnostics" not in group.inputs
    assert container["image"].endswith(f"@sha256:{'a' * 64}")
    assert container["resources"] == {"requests": {"cpu": 1, "memoryInGB": 2}}
    assert container["volumeMounts"] == [{"mountPath": "/mnt/azurefiles", "name": "share"}]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": 5000, "scheme": "http"}
    assert container["ports"] == [{"port": 5000, "protocol": "TCP"}]
    assert "ipAddress" not in group.inputs


def test_a_container_group_that_cannot_be_updated_is_replaced_after_its_end(program: Run) -> None:
    request = program.one("containerinstance:ContainerGroup", "worker-1").request
    assert request.deleteBeforeReplace
    declared = {*program.one("containerinstance:ContainerGroup", "worker-1").inputs}
    named = {"containerGroupName", "resourceGroupName"}
    assert declared - named - set(request.replaceOnChanges) == {"tags"}
    # Azure takes tags in no update of a group, and nobody's work is to end for one.
    assert list(request.ignoreChanges) == ["tags"]


def test_a_container_group_uses_nothing_that_only_a_preview_of_the_api_has(program: Run) -> None:
    """The SDK has container groups in a preview version alone, so that they could move to a stable one at any time."""
    stable = {
        "": "containers identity imageRegistryCredentials osType restartPolicy tags volumes",
        "containers": "environmentVariables image livenessProbe name ports resources volumeMounts",
        "identity": "type userAssignedIdentities",
        "imageRegistryCredentials": "identity server",
        "volumes": "azureFile name",
    }
    inputs = program.one("containerinstance:ContainerGroup", "worker-1").inputs
    for key, allowed in stable.items():
        values = inputs[key] if key else {k: v for k, v in inputs.items() if not k.endswith("GroupName")}
        for each in values if isinstance(values, list) else [values]:
            assert set(each) <= set(allowed.split()), key


def test_a_container_group_s_logs_go_to_the_stack_s_workspace_without_a_key(program: Run) -> None:
    workspace = program.one("operationalinsights:Workspace").id
    for name in ("worker-1", "worker-2"):
        setting = program.one("monitor:DiagnosticSetting", f"{name}-logs")
        assert setting.inputs == {
            "logAnalyticsDestinationType": "Dedicated",
            "logs": [{"category": each, "enabled": True} for each in ("ContainerEvent", "ContainerInstanceLog")],
            "resourceUri": program.one("containerinstance:ContainerGroup", name).id,
            "workspaceId": workspace,
        }
        # Left behind, it would be there again on the next group of that name.
        assert not setting.request.deletedWith
        assert not setting.request.retainOnDelete
    assert [each.token for each in program.invokes if "SharedKeys" in each.token] == []


@pytest.mark.usefixtures("function_package")
def test_a_subscription_without_such_logs_can_do_without(artifact_cache: Path) -> None:
    run = run_program({"artifactCache": str(artifact_cache), "containerGroupLogs": "false"})
    assert [each for each in run.all("monitor:DiagnosticSetting") if each.name.startswith("worker-")] == []
    assert run.all("containerinstance:ContainerGroup")


def test_a_worker_starts_only_when_it_may_pull_and_its_config_is_there(program: Run) -> None:
    waited = {
        urn.rpartition("::")[2]
        for urn in program.one("containerinstance:ContainerGroup", "worker-1").request.dependencies
    }
    assert {
        "worker-config-config-export.json",
        "worker-config-config-runtime.json",
        "worker-identity-files",
        "worker-identity-jobs",
        "worker-identity-pull-image",
    } <= waited
