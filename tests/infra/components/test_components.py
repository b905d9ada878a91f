"""What each component declares, in detail."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.infra.recording import FROM_OUTPUT, SECRET, Run, environment_of, run_program, settings_of

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


def test_the_function_gets_exactly_these_settings(program: Run) -> None:
    group = f"{program.one('resources:ResourceGroup').id}/providers/Microsoft.ContainerInstance/containerGroups"
    assert settings_of(program.one("web:WebApp")) == {
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "ClientId=~client-of-function-identity;Authorization=AAD",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"{SECRET}-insights",
        "APP_CONTAINER_GROUP_IDS": f"{group}/worker-1,{group}/worker-2",
        "APP_STORAGE_CONNECTION__blobServiceUri": "~https://files.blob/",
        "APP_STORAGE_CONNECTION__clientId": "~client-of-function-identity",
        "APP_STORAGE_CONNECTION__credential": "managedidentity",
        "APP_STORAGE_CONNECTION__queueServiceUri": "~https://files.queue/",
        "APP_STORAGE_CONTAINER": "~pipeline-files",
        "APP_STORAGE_INPUT_PATH": "incoming",
        "APP_STORAGE_OUTPUT_PATH": "outgoing",
        "APP_SWEEP_GRACE_SECONDS": "120",
        "APP_SWEEP_PAUSE_SECONDS": "900",
        "APP_SWEEP_SCHEDULE": "0 * * * * *",
        "AZURE_CLIENT_ID": "~client-of-function-identity",
        "AZURE_RESOURCE_MANAGER_ENDPOINT": "https://management.azure.com",
        "AzureWebJobsStorage__blobServiceUri": "~https://host.blob/",
        "AzureWebJobsStorage__clientId": "~client-of-function-identity",
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__queueServiceUri": "~https://host.queue/",
        "PYTHON_THREADPOOL_THREAD_COUNT": "25",
    }


def test_the_function_app_is_flex_consumption_and_signs_in_by_its_identity(program: Run) -> None:
    identity = program.one("managedidentity:UserAssignedIdentity", "function-identity").id
    app, plan = program.one("web:WebApp"), program.one("web:AppServicePlan")
    assert plan.inputs["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert app.inputs["serverFarmId"] == plan.id
    assert app.inputs["identity"] == {"type": "UserAssigned", "userAssignedIdentities": [identity]}
    assert app.inputs["functionAppConfig"]["deployment"]["storage"] == {
        "authentication": {"type": "UserAssignedIdentity", "userAssignedIdentityResourceId": identity},
        "type": "blobContainer",
        "value": "~https://artifacts.blob/~function-packages",
    }
    assert app.inputs["functionAppConfig"]["runtime"] == {"name": "python", "version": "3.13"}
    assert app.inputs["httpsOnly"] is True


def test_the_code_is_deployed_after_the_roles_and_goes_with_the_app(program: Run) -> None:
    app, deploy = program.one("web:WebApp"), program.one("dynamic/web:OneDeploy")
    blob = program.one("storage:Blob", "function-package")
    assert {key: value for key, value in deploy.inputs.items() if key != "__provider"} == {
        "app_id": app.id,
        "blob_url": f"{FROM_OUTPUT}https://artifacts.blob/function-package",
        "functions": ["dispatch", "sweep"],
        "package_sha256": deploy.inputs["package_sha256"],
        "resource_manager": "https://management.azure.com",
        "storage_account_id": program.one("storage:StorageAccount", "artifacts").id,
        "token": f"{SECRET}-token",
    }
    assert blob.inputs["blobName"] == f"uploads/{deploy.inputs['package_sha256'][:16]}.zip"
    assert deploy.request.deletedWith.endswith("::function")
    assignments = program.all("authorization:RoleAssignment")
    roles = {each.name for each in assignments if each.name.startswith("function-identity-")}
    waited = {urn.rpartition("::")[2] for urn in app.request.dependencies}
    assert roles <= waited
    # What it starts is there when it runs, though it is told of the groups by what they are called.
    assert {"worker-1", "worker-2"} <= waited


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


def test_events_of_finished_uploads_below_the_input_path_reach_the_queue_and_stay(program: Run) -> None:
    account = program.one("storage:StorageAccount", "files").id
    topic = program.one("eventgrid:SystemTopic")
    assert (topic.inputs["source"], topic.inputs["topicType"]) == (account, "Microsoft.Storage.StorageAccounts")
    subscription = program.one("eventgrid:SystemTopicEventSubscription").inputs
    assert subscription["destination"] == {
        "endpointType": "StorageQueue",
        "queueMessageTimeToLiveInSeconds": -1,
        "queueName": "~events",
        "resourceId": account,
    }
    assert subscription["deadLetterDestination"] == {
        "blobContainerName": "~dead-letters",
        "endpointType": "StorageBlob",
        "resourceId": account,
    }
    assert subscription["eventDeliverySchema"] == "EventGridSchema"
    assert subscription["filter"] == {
        "advancedFilters": [
            {"key": "data.api", "operatorType": "StringIn", "values": ["CopyBlob", "PutBlob", "PutBlockList"]}
        ],
        "includedEventTypes": ["Microsoft.Storage.BlobCreated"],
        "isSubjectCaseSensitive": True,
        "subjectBeginsWith": "/blobServices/default/containers/~pipeline-files/blobs/incoming/",
    }
    assert subscription["retryPolicy"] == {"eventTimeToLiveInMinutes": 1440, "maxDeliveryAttempts": 30}


@pytest.mark.usefixtures("function_package")
def test_a_topic_that_somebody_else_made_gets_the_subscription(artifact_cache: Path) -> None:
    config = {"artifactCache": str(artifact_cache), "systemTopicName": "files0123-topic"}
    run = run_program(config)
    assert run.all("eventgrid:SystemTopic") == []
    subscription = run.one("eventgrid:SystemTopicEventSubscription").inputs
    assert subscription["systemTopicName"] == "files0123-topic"
    (asked,) = [each.args for each in run.invokes if each.token.endswith(":getSystemTopic")]
    assert asked == {"resourceGroupName": subscription["resourceGroupName"], "systemTopicName": "files0123-topic"}


@pytest.mark.usefixtures("function_package")
def test_a_topic_of_another_account_is_refused(artifact_cache: Path) -> None:
    run = Run(topic_source="/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/other")
    with pytest.raises(Exception, match=r"systemTopicName is 'files0123-topic', which is a topic of .*/other and not"):
        run_program({"artifactCache": str(artifact_cache), "systemTopicName": "files0123-topic"}, run)


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
