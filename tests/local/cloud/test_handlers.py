"""What the handlers of single types of resources refuse as Azure does, and what they take."""

from __future__ import annotations

import re
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from pulumi.runtime.mocks import MockCallArgs

from infra.components.roles import Role
from infra.local.cloud.cloud import CloudError, LocalCloud, Scene
from infra.local.services.azurite import StorageAccount
from tests.local.cloud.declaring import declare
from tests.local.fakes import Recorder

ROLE = f"/subscriptions/sub/providers/Microsoft.Authorization/roleDefinitions/{Role.STORAGE_BLOB_DATA_READER.value}"


def test_a_role_that_a_principal_has_already_is_refused(cloud: LocalCloud) -> None:
    inputs = {"principalId": "p", "roleDefinitionId": ROLE, "scope": "/subscriptions/sub/resourceGroups/rg"}
    declare(cloud, "azure-native:authorization:RoleAssignment", "one", **inputs)
    with pytest.raises(CloudError, match="has at /subscriptions/sub/resourceGroups/rg already"):
        declare(cloud, "azure-native:authorization:RoleAssignment", "two", **inputs)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"roleDefinitionId": "/nobody-s"}, "'one' cannot be given: there is no role 'nobody-s'"),
        ({"condition": "True", "conditionVersion": "2.0"}, "'one' cannot be given: .* 'True' where an expression"),
        ({"condition": "SubOperationMatches{'Blob.List'}"}, "must have a condition and the version '2.0', or neither"),
        ({"conditionVersion": "2.0"}, "must have a condition and the version '2.0', or neither"),
    ],
    ids=["role", "condition", "no-version", "no-condition"],
)
def test_a_role_that_azure_would_not_give_is_refused(cloud: LocalCloud, inputs: dict[str, str], reason: str) -> None:
    given = {"principalId": "p", "roleDefinitionId": ROLE, "scope": "/subscriptions/sub/resourceGroups/rg"}
    with pytest.raises(CloudError, match=reason):
        declare(cloud, "azure-native:authorization:RoleAssignment", "one", **given | inputs)


def test_a_role_of_the_stack_can_be_given_and_its_name_is_taken_once(cloud: LocalCloud) -> None:
    scope = "/subscriptions/sub/resourceGroups/rg"
    definition = {"permissions": [{"actions": ["a/read"]}], "roleName": "Readers", "scope": scope}
    _, role = declare(cloud, "azure-native:authorization:RoleDefinition", "readers", **definition)
    given = {"principalId": "p", "roleDefinitionId": role["name"], "scope": scope}
    declare(cloud, "azure-native:authorization:RoleAssignment", "one", **given)
    with pytest.raises(CloudError, match="has the name 'Readers', which another role has already"):
        declare(cloud, "azure-native:authorization:RoleDefinition", "others", **definition)


def test_a_site_that_flex_consumption_would_refuse_is_refused_here(cloud: LocalCloud) -> None:
    scale = {"instanceMemoryMB": 2048, "maximumInstanceCount": 40}
    site = {
        "functionAppConfig": {"runtime": {"name": "python", "version": "3.13"}, "scaleAndConcurrency": scale},
        "resourceGroupName": "rg",
    }
    with pytest.raises(CloudError, match=r"51021.*Site\.SiteConfig\.NetFrameworkVersion"):
        declare(cloud, "azure-native:web:WebApp", "refused", **site, siteConfig={"netFrameworkVersion": "v4.6"})
    _, app = declare(cloud, "azure-native:web:WebApp", "taken", **site, siteConfig={"minTlsVersion": "1.2"})
    policy = {"allow": False, "resourceGroupName": "rg"}
    declare(cloud, "azure-native:web:WebAppScmAllowed", "policy", name=app["name"], **policy)
    with pytest.raises(CloudError, match="is no Function App of this stack"):
        declare(cloud, "azure-native:web:WebAppScmAllowed", "other", name="nobody", **policy)


def test_a_role_on_a_container_group_is_refused_since_it_ends_with_the_group(cloud: LocalCloud) -> None:
    scope = "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.ContainerInstance/containerGroups/worker-1"
    with pytest.raises(CloudError, match="every new image makes anew, and the role with it"):
        declare(
            cloud,
            "azure-native:authorization:RoleAssignment",
            "start",
            principalId="p",
            roleDefinitionId=ROLE,
            scope=scope,
        )


def test_a_second_topic_of_an_account_is_refused_and_nobody_else_makes_any(cloud: LocalCloud, scene: Scene) -> None:
    topic = "azure-native:eventgrid:SystemTopic"
    scene.machine.accounts["files"] = StorageAccount("files", "key", scene.machine.data.root, scene.machine.data.root)
    source = "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/files"
    declare(cloud, topic, "first", resourceGroupName="rg", source=source)
    with pytest.raises(CloudError, match="would be a second system topic of"):
        declare(cloud, topic, "second", resourceGroupName="rg", source=source)
    args = {"resourceGroupName": "rg", "systemTopicName": "files-0123"}
    with pytest.raises(CloudError, match="Leave it out with -c systemTopicName="):
        cloud.call(MockCallArgs(token="azure-native:eventgrid:getSystemTopic", args=args, provider=""))


RULE = {"name": "inputs", "definition": {"filters": {"prefixMatch": ["files/incoming/"]}}}


@pytest.mark.parametrize(
    ("name", "rules", "reason"),
    [
        ("mine", [RULE], "must be called default"),
        ("default", [], "have 1 to 100 rules"),
        ("default", [RULE] * 101, "have 1 to 100 rules"),
        ("default", [RULE | {"name": "no-hyphen"}], "'no-hyphen' .* has no plain name"),
        ("default", [{"name": "all", "definition": {"filters": {"prefixMatch": []}}}], "or no prefix"),
        ("default", [{"name": "x", "definition": {"filters": {"prefixMatch": ["other/a"]}}}], "no container"),
        ("default", [RULE], None),
    ],
)
def test_a_lifecycle_policy_that_azure_would_refuse_is_refused(
    cloud: LocalCloud, scene: Scene, name: str, rules: list[dict[str, Any]], reason: str | None
) -> None:
    class Account:
        """An account with one container."""

        def blobs(self) -> Any:
            service = MagicMock()
            container = MagicMock()
            container.name = "files"
            service.__enter__.return_value.list_containers.return_value = [container]
            return service

    account = "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/account"
    scene.machine.accounts["account"] = cast(Any, Account())
    cloud._made.add(account.lower())
    inputs = {
        "accountName": "account",
        "managementPolicyName": name,
        "policy": {"rules": rules},
        "resourceGroupName": "rg",
    }
    if reason is None:
        made, _ = declare(cloud, "azure-native:storage:ManagementPolicy", "retention", **inputs)
        assert made == f"{account}/managementPolicies/default"
        return
    with pytest.raises(CloudError, match=reason):
        declare(cloud, "azure-native:storage:ManagementPolicy", "retention", **inputs)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"resourceUri": "/subscriptions/sub/none"}, "which is no container group of this stack"),
        ({"logs": [{"category": "Audit", "enabled": True}], "resourceUri": "/worker"}, "Audit"),
    ],
)
def test_logs_that_azure_does_not_have_are_refused(
    cloud: LocalCloud, scene: Scene, inputs: dict[str, Any], reason: str
) -> None:
    scene.machine.groups["/worker"] = cast(Any, None)
    try:
        with pytest.raises(CloudError, match=reason):
            declare(cloud, "azure-native:monitor:DiagnosticSetting", "logs", **inputs)
        logs = [{"category": "ContainerEvent", "enabled": True}]
        made, _ = declare(cloud, "azure-native:monitor:DiagnosticSetting", "logs", logs=logs, resourceUri="/Worker")
        assert made == "/Worker/providers/Microsoft.Insights/diagnosticSettings/logs"
    finally:
        del scene.machine.groups["/worker"]


def test_alerts_are_named_and_have_no_effect(cloud: LocalCloud, watcher: Recorder) -> None:
    group, _ = declare(cloud, "azure-native:monitor:ActionGroup", "mail", location="global", resourceGroupName="rg")
    rule, properties = declare(cloud, "azure-native:monitor:ScheduledQueryRule", "backlog", resourceGroupName="rg")
    metric, _ = declare(cloud, "azure-native:monitor:MetricAlert", "drops", location="global", resourceGroupName="rg")
    prefix = "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.Insights"
    for identifier, kind in ((group, "actionGroups/mail"), (rule, "scheduledQueryRules/backlog")):
        assert re.fullmatch(f"{prefix}/{kind}[0-9a-f]{{8}}", str(identifier))
    assert re.fullmatch(f"{prefix}/metricAlerts/drops[0-9a-f]{{8}}", str(metric))
    assert properties["location"] == "westeurope"
    assert watcher.warnings == []


def test_an_image_that_was_not_built_here_needs_an_engine(cloud: LocalCloud) -> None:
    container = {"name": "w", "image": "registry.example/image@sha256:00", "volumeMounts": []}
    with pytest.raises(CloudError, match="--containers"):
        declare(
            cloud,
            "azure-native:containerinstance:ContainerGroup",
            "worker",
            containers=[container],
            resourceGroupName="rg",
            restartPolicy="Never",
        )


@pytest.mark.parametrize(
    ("served", "ports", "probed"), [(None, [5000], 5001), (None, [], 5000), ("5001", [5000, 5001], 5000)]
)
def test_a_liveness_probe_of_a_port_that_is_not_served_is_refused_since_azure_would_end_the_container(
    cloud: LocalCloud, served: str | None, ports: list[int], probed: int
) -> None:
    probe = {
        "failureThreshold": 3,
        "httpGet": {"path": "/healthz", "port": probed, "scheme": "HTTP"},
        "initialDelaySeconds": 15,
        "periodSeconds": 20,
        "timeoutSeconds": 5,
    }
    container = {
        "environmentVariables": [{"name": "APP_HEALTH_PORT", "value": served}] if served else [],
        "image": "registry.example/image@sha256:00",
        "livenessProbe": probe,
        "name": "w",
        "ports": [{"port": port} for port in ports],
        "volumeMounts": [],
    }
    with pytest.raises(CloudError, match=f"liveness probe for port {probed}"):
        declare(
            cloud,
            "azure-native:containerinstance:ContainerGroup",
            "worker",
            containers=[container],
            resourceGroupName="rg",
            restartPolicy="Never",
        )
