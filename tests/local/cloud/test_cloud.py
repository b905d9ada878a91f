"""The local cloud: what it refuses, what it names, and what the program gets back."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs

from infra.components.roles import Role
from infra.local.cloud.cloud import CloudError, Declared, LocalCloud, Properties, Scene
from infra.local.cloud.handlers import INVOKES, RESOURCES
from infra.local.cloud.machine import Machine, Options
from infra.local.commands.run import PROJECT
from infra.local.data.folder import DataFolder
from infra.local.services.azurite import StorageAccount
from tests.local.fakes import Recorder

CONTAINER = "azure-native:storage:BlobContainer"
GROUP = "azure-native:resources:ResourceGroup"
ROLE = f"/subscriptions/sub/providers/Microsoft.Authorization/roleDefinitions/{Role.STORAGE_BLOB_DATA_READER.value}"
SECRET = {rpc._special_sig_key: rpc._special_secret_sig, "value": "hush"}
VAULT = "azure-native:keyvault:Vault"


@pytest.fixture
def scene(tmp_path: Path, watcher: Recorder) -> Iterator[Scene]:
    """A scene on a machine without any process."""
    data = DataFolder(tmp_path / "data")
    machine = Machine(Options(containers=False, project=PROJECT), data, watcher)
    yield Scene(location="westeurope", machine=machine, subscription="sub", tenant="tenant")
    machine.close()
    data.release()


@pytest.fixture
def cloud(scene: Scene) -> LocalCloud:
    """The cloud with all its handlers and a resource group ``rg``."""
    made = LocalCloud(scene, RESOURCES, INVOKES)
    declare(made, GROUP, "rg", resourceGroupName="rg")
    return made


def declare(cloud: LocalCloud, token: str, name: str, /, **inputs: Any) -> tuple[str | None, Properties]:
    return cloud.new_resource(MockResourceArgs(typ=token, name=name, inputs=inputs, custom=True))


def vault(cloud: LocalCloud, name: str, **inputs: Any) -> tuple[str | None, Properties]:
    return declare(cloud, VAULT, name, resourceGroupName="rg", properties={}, **inputs)


def test_an_unknown_resource_type_is_an_error_that_names_it(cloud: LocalCloud) -> None:
    with pytest.raises(CloudError, match=r"'pet' of type azure-native:zoo:Panda"):
        declare(cloud, "azure-native:zoo:Panda", "pet")


def test_an_unknown_function_is_an_error_that_names_it(cloud: LocalCloud) -> None:
    with pytest.raises(CloudError, match="azure-native:zoo:getPanda"):
        cloud.call(MockCallArgs(token="azure-native:zoo:getPanda", args={}, provider=""))


def test_a_component_needs_no_handler(cloud: LocalCloud) -> None:
    args = MockResourceArgs(typ="file-processing:infra:Vault", name="vault", inputs={}, custom=False)
    assert cloud.new_resource(args) == ("vault", {})


def test_two_resources_of_one_azure_name_are_refused_as_azure_does(cloud: LocalCloud) -> None:
    vault(cloud, "one", vaultName="the-vault")
    with pytest.raises(CloudError, match="another resource is already"):
        vault(cloud, "two", vaultName="The-Vault")


def test_a_resource_whose_parent_is_not_there_is_refused(cloud: LocalCloud) -> None:
    with pytest.raises(CloudError, match="storageAccounts/nobody, which was not made before it"):
        declare(cloud, CONTAINER, "c", resourceGroupName="rg", accountName="nobody", containerName="c")
    with pytest.raises(CloudError, match="resourceGroups/elsewhere"):
        declare(cloud, VAULT, "v", resourceGroupName="elsewhere", properties={})


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


def test_ids_and_chosen_names_look_like_those_of_azure(cloud: LocalCloud, scene: Scene) -> None:
    identifier, properties = vault(cloud, "a-vault-with-a-rather-long-name")
    name = properties["name"]
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,22}[a-z0-9]", name)
    assert identifier == f"/subscriptions/sub/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/{name}"
    assert properties["properties"]["vaultUri"] == f"https://{name}.vault.azure.net/"
    _, registry = declare(cloud, "azure-native:containerregistry:Registry", "my-Registry", resourceGroupName="rg")
    assert re.fullmatch(r"myregistry[0-9a-f]{8}", registry["name"])
    again = LocalCloud(scene, RESOURCES, INVOKES)
    declare(again, GROUP, "rg", resourceGroupName="rg")
    assert vault(again, "a-vault-with-a-rather-long-name")[1]["name"] == name


def test_handlers_see_plain_values_and_the_program_gets_secrets_back_as_secrets(scene: Scene) -> None:
    seen: list[Declared] = []

    def handler(_scene: Scene, declared: Declared) -> Properties:
        seen.append(declared)
        return {}

    cloud = LocalCloud(scene, {"a:b:C": handler}, {})
    _, properties = declare(cloud, "a:b:C", "x", password=SECRET, count=3.0, share=0.5, nested=[{"key": SECRET}])
    assert seen[0].inputs == {"password": "hush", "count": 3, "share": 0.5, "nested": [{"key": "hush"}]}
    assert isinstance(seen[0].inputs["count"], int)
    assert properties["password"] == SECRET


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


HARNESS = """
import json, sys
from pathlib import Path
from infra.local.cloud.cloud import StrictMonitor
from infra.local.cloud.program import read_stack, run_program
from pulumi.runtime import Mocks

class Echo(Mocks):
    def call(self, args):
        return {}, []
    def new_resource(self, args):
        if args.name == "broken":
            raise RuntimeError("the handler says no")
        return args.name, args.inputs

folder = Path(sys.argv[1])
stack = read_stack(folder, "dev", dict(pair.split("=", 1) for pair in sys.argv[2:]))
print(json.dumps(run_program(folder, stack, StrictMonitor(Echo()))))
"""
PROGRAM = """
import os, pulumi, helper
from pathlib import Path
config = pulumi.Config()
class Thing(pulumi.CustomResource):
    value: pulumi.Output[str]
    def __init__(self, name, value, opts=None):
        super().__init__("a:b:Thing", name, {"value": value}, opts)
"""


def run(folder: Path, body: str, *overrides: str) -> subprocess.CompletedProcess[str]:
    (folder / "Pulumi.yaml").write_text("name: tiny\nruntime: python\nconfig:\n  size: {type: integer, default: 3}\n")
    (folder / "Pulumi.dev.yaml").write_text("config:\n  tiny:colour: green\n  tiny:list: [1, 2]\n")
    (folder / "helper.py").touch()
    (folder / "__main__.py").write_text(PROGRAM + body)
    return subprocess.run(
        [sys.executable, "-c", HARNESS, str(folder), *overrides],
        capture_output=True,
        check=False,
        cwd=PROJECT,
        text=True,
        timeout=60,
    )


def test_a_program_runs_in_its_folder_with_its_config_and_its_outputs_come_back(tmp_path: Path) -> None:
    body = """
thing = Thing("one", config.require("colour"))
pulumi.export("colour", thing.value)
pulumi.export("here", str(Path.cwd()))
pulumi.export("hidden", pulumi.Output.secret("hush"))
pulumi.export("list", config.require_object("list"))
pulumi.export("shape", config.get("shape"))
pulumi.export("size", config.require_int("size"))
pulumi.export("stack", f"{pulumi.get_project()}/{pulumi.get_stack()}")
"""
    result = run(tmp_path, body, "shape=round", "tiny:size=4")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {
        "colour": "green",
        "here": str(tmp_path),
        "hidden": "[secret]",
        "list": [1, 2],
        "shape": "round",
        "size": 4,
        "stack": "tiny/dev",
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('Thing("same", "1"); Thing("same", "2")', "Two resources have the URN"),
        ('pulumi.export("x", Thing("after", Thing("broken", "1").value).value)', "the handler says no"),
        ('raise ValueError("the program says no")', "the program says no"),
    ],
)
def test_what_goes_wrong_in_a_program_or_a_handler_is_raised(tmp_path: Path, body: str, reason: str) -> None:
    result = run(tmp_path, body)
    assert result.returncode == 1
    assert reason in result.stderr
    assert result.stdout == ""
