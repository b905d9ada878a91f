"""The Container Apps job: what Azure is asked to run and when, and what the function then may no longer do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.components.roles import Role
from infra.local.cloud.container_apps import environment_refusal, refusal
from tests.infra.recording import FROM_OUTPUT, SECRET, Run, environment_of, run_program, settings_of


def run_job(cache: Path, **settings: str) -> Run:
    return run_program({"artifactCache": str(cache), "runner": "containerAppsJob", **settings})


@pytest.fixture(scope="module")
def job_program(function_package: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the program with a job."""
    return run_job(
        tmp_path_factory.mktemp("cache"),
        exportConfigFile="pipeline_app/config/export.json",
        maxExecutions="50",
        queueLength="3",
        verifyDeploy="true",
    )


def refused(run: Run) -> str | None:
    """Return why Azure would refuse the job or its environment."""
    environment, job = run.one("app:ManagedEnvironment").inputs, run.one("app:Job").inputs
    profiles = {each["name"]: each["workloadProfileType"] for each in environment["workloadProfiles"]}
    (storage,) = (f"{FROM_OUTPUT}{each.name}" for each in run.all("app:ManagedEnvironmentsStorage"))
    return environment_refusal(environment) or refusal(job, profiles, {storage})


def test_the_job_drains_the_queue_as_many_times_as_its_length_asks_for_and_is_never_tried_again(
    job_program: Run,
) -> None:
    identity = job_program.one("managedidentity:UserAssignedIdentity", "worker-identity").id
    job = job_program.one("app:Job").inputs
    assert refused(job_program) is None
    assert job["configuration"] == {
        "eventTriggerConfig": {
            "parallelism": 1,
            "replicaCompletionCount": 1,
            "scale": {
                "maxExecutions": 50,
                "minExecutions": 0,
                "pollingInterval": 30,
                "rules": [
                    {
                        "identity": identity,
                        "metadata": {"accountName": "~files", "queueLength": "3", "queueName": "jobs"},
                        "name": "jobs",
                        "type": "azure-queue",
                    }
                ],
            },
        },
        "registries": [{"identity": identity, "server": "~registry.example"}],
        "replicaRetryLimit": 0,
        "replicaTimeout": 7200,
        "triggerType": "Event",
    }
    assert job["identity"] == {"type": "UserAssigned", "userAssignedIdentities": [identity]}
    assert job["jobName"] == "worker"
    assert job["workloadProfileName"] == "Consumption"


def test_an_execution_runs_what_a_container_group_runs(job_program: Run, program: Run, function_package: None) -> None:
    (container,) = job_program.one("app:Job").inputs["template"]["containers"]
    told = {each["name"]: each["value"] for each in container["env"]}
    of_group = environment_of(program.one("containerinstance:ContainerGroup", "worker-1"))
    assert told == of_group | {"APP_LIFETIME_SECONDS": "7170"}
    assert container["image"].endswith(f"@sha256:{'a' * 64}")
    assert container["resources"] == {"cpu": 1, "memory": "2Gi"}
    assert container["volumeMounts"] == [{"mountPath": "/mnt/azurefiles", "volumeName": "share"}]
    (probe,) = container["probes"]
    assert (probe["type"], probe["httpGet"]) == ("Liveness", {"path": "/healthz", "port": 5000, "scheme": "HTTP"})


def test_the_environment_has_the_share_and_sends_its_logs_without_a_key(job_program: Run) -> None:
    environment = job_program.one("app:ManagedEnvironment")
    assert environment.inputs["appLogsConfiguration"] == {"destination": "azure-monitor"}
    setting = job_program.one("monitor:DiagnosticSetting", "worker-logs").inputs
    assert setting == {
        "logs": [{"category": each, "enabled": True} for each in ("ContainerAppConsoleLogs", "ContainerAppSystemLogs")],
        "resourceUri": environment.id,
        "workspaceId": job_program.one("operationalinsights:Workspace").id,
    }
    share = job_program.one("app:ManagedEnvironmentsStorage").inputs
    assert share["properties"]["azureFile"] == {
        "accessMode": "ReadWrite",
        "accountKey": f"{SECRET}-account",
        "accountName": "~files",
        "shareName": "~share",
    }
    (volume,) = job_program.one("app:Job").inputs["template"]["volumes"]
    assert volume == {"name": "share", "storageName": "~worker-share", "storageType": "AzureFile"}


def test_nothing_runs_before_its_roles_its_config_and_its_share_are_there(job_program: Run) -> None:
    needed = {urn.rpartition("::")[2] for urn in job_program.one("app:Job").request.dependencies}
    assert needed >= {"image-pull-role", "worker-config-config-runtime.json", "worker-identity-jobs", "worker-share"}


def test_the_function_starts_nothing_and_may_not(job_program: Run) -> None:
    assert job_program.all("containerinstance:ContainerGroup") == []
    settings = settings_of(job_program.one("web:WebApp"))
    group = job_program.one("resources:ResourceGroup").id
    assert settings["APP_CONTAINER_APPS_JOB_ID"] == f"{group}/providers/Microsoft.App/jobs/worker"
    assert "APP_CONTAINER_GROUP_IDS" not in settings
    definitions = {each.name: each.inputs["permissions"][0] for each in job_program.all("authorization:RoleDefinition")}
    assert "roles-run-groups" not in definitions
    assert definitions["roles-look-at-executions"]["actions"] == [
        "Microsoft.App/jobs/read",
        "Microsoft.App/jobs/executions/read",
    ]
    given = {each.name for each in job_program.all("authorization:RoleAssignment")}
    assert "function-identity-look-at-executions" in given
    assert "function-identity-start-workers" not in given


@pytest.mark.usefixtures("function_package")
def test_without_own_roles_it_may_still_only_read(artifact_cache: Path) -> None:
    run = run_job(artifact_cache, customRoles="false")
    given = run.one("authorization:RoleAssignment", "function-identity-look-at-executions").inputs
    assert given["roleDefinitionId"].endswith(f"/{Role.CONTAINER_APPS_JOBS_READER.value}")


def test_alerts_and_outputs_and_the_canary_speak_of_the_job(job_program: Run) -> None:
    names = {each.name for each in job_program.all("monitor:ScheduledQueryRule")}
    assert "alerts-stuck-scaler" in names
    assert "alerts-unstartable-group" not in names
    failed = job_program.one("monitor:ScheduledQueryRule", "alerts-failed-files").inputs
    assert "ContainerAppConsoleLogs" in failed["criteria"]["allOf"][0]["query"]
    assert job_program.outputs["containerAppsJobName"] == "~worker-job"
    assert job_program.outputs["containerGroupNames"] == []
    canary = job_program.one("dynamic/verification:Canary").inputs
    assert canary["job_id"].endswith("/Microsoft.App/jobs/worker")
    assert canary["group_ids"] == []


@pytest.mark.usefixtures("function_package")
@pytest.mark.parametrize(
    ("settings", "profiles", "resources"),
    [
        (
            {"workloadProfile": "D8", "containerCpu": "2", "containerMemoryGib": "12", "maxExecutions": "10"},
            {"workloadProfileType": "D8", "maximumCount": 5, "minimumCount": 0},
            {"cpu": 2, "memory": "12Gi"},
        ),
        (
            {"workloadProfile": "Consumption-GPU-NC8as-T4", "containerCpu": "8", "containerMemoryGib": "56"},
            {"workloadProfileType": "Consumption-GPU-NC8as-T4"},
            {"cpu": 8, "gpu": 1, "memory": "56Gi"},
        ),
    ],
)
def test_a_profile_has_nodes_for_all_executions_or_is_billed_by_what_they_use(
    artifact_cache: Path, settings: Mapping[str, str], profiles: dict[str, Any], resources: dict[str, Any]
) -> None:
    run = run_job(artifact_cache, **settings)
    consumption = {"name": "Consumption", "workloadProfileType": "Consumption"}
    environment = run.one("app:ManagedEnvironment")
    assert environment.inputs["workloadProfiles"] == [consumption, {"name": "workers", **profiles}]
    assert "workloadProfiles" in environment.request.replaceOnChanges
    job = run.one("app:Job").inputs
    assert job["workloadProfileName"] == "workers"
    assert job["template"]["containers"][0]["resources"] == resources
    assert refused(run) is None


@pytest.mark.usefixtures("function_package")
def test_a_preview_says_what_the_runner_does_worse_than_asked_for(
    artifact_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", lambda text, *_: said.append(text))
    run_job(artifact_cache, slots="4", containerCpu="4", containerMemoryGib="8")
    assert [text for text in said if text.startswith("queueLength is 2 and slots is 4")]
