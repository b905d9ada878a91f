"""The stand-ins refuse what the real services refuse; otherwise the tests beside this one would prove little."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.engine.standin import service
from tests.engine.standin.cloud import Cloud, CloudError
from tests.engine.standin.context import context_digest
from tests.engine.standin.kinds import KINDS, SUBSCRIPTION
from tests.engine.standin.schema import preview_outputs, problems, read_schema
from tests.engine.standin.wire import UNKNOWN, Properties, difference

ACCOUNT = "azure-native:storage:StorageAccount"
CONTAINER = "azure-native:storage:BlobContainer"
CONTAINER_GROUP = "azure-native:containerinstance:ContainerGroup"
GROUP = "azure-native:resources:ResourceGroup"
# What may be logged of a resource depends on its type, which stands in its id.
WORKER = "/containerGroups/worker"
LOGS = {"logs": [{"category": "ContainerEvent"}], "resourceUri": WORKER, "workspaceId": "/workspace"}
PLAN = "azure-native:web:AppServicePlan"
SCM = "azure-native:web:WebAppScmAllowed"
SETTING = "azure-native:monitor:DiagnosticSetting"
SITE = "azure-native:web:WebApp"
TOPIC = "azure-native:eventgrid:SystemTopic"
VAULT = "azure-native:keyvault:Vault"


@pytest.fixture
def content(tmp_path: Path) -> dict[str, Any]:
    """A cloud with two resource groups; in the first are a storage account, a topic, and a group that sends logs."""
    content = Cloud(tmp_path / "cloud.json").read()
    content["resources"][WORKER] = {"inputs": {}, "name": "worker", "outputs": {}, "type": CONTAINER_GROUP}
    for token, inputs in (
        (GROUP, {"resourceGroupName": "one"}),
        (GROUP, {"resourceGroupName": "two"}),
        (ACCOUNT, {"accountName": "files", "resourceGroupName": "one"}),
        (TOPIC, {"resourceGroupName": "one", "source": "/files", "systemTopicName": "first"}),
        (SETTING, LOGS | {"name": "first"}),
    ):
        put(content, token, inputs)
    return content


def put(content: dict[str, Any], token: str, inputs: Properties) -> None:
    """Make a resource as the provider does."""
    resource_id = KINDS[token].resource_id(inputs)
    service.check_new(content, token, resource_id, inputs)
    name = inputs[KINDS[token].name_parameter]
    content["resources"][resource_id] = {"inputs": inputs, "name": name, "outputs": {}, "type": token}


@pytest.mark.parametrize(
    ("token", "inputs", "code"),
    [
        (ACCOUNT, {"accountName": "more", "resourceGroupName": "none"}, "ParentResourceNotFound"),
        (ACCOUNT, {"accountName": "files", "resourceGroupName": "one"}, "already existing"),
        (ACCOUNT, {"accountName": "files", "resourceGroupName": "two"}, "NameNotAvailable"),
        (ACCOUNT, {"accountName": "with-hyphen", "resourceGroupName": "one"}, "InvalidResourceName"),
        (
            CONTAINER,
            {"accountName": "none", "containerName": "container", "resourceGroupName": "one"},
            "ParentResourceNotFound",
        ),
        (SETTING, LOGS | {"name": "again"}, "Conflict: Data sink '/workspace' is already used"),
        (SETTING, LOGS | {"logs": [{"category": "Audit"}], "name": "other"}, "Category 'Audit' is not supported"),
        (SETTING, LOGS | {"name": "other", "resourceUri": "/containerGroups/none"}, "ParentResourceNotFound"),
        (TOPIC, {"resourceGroupName": "one", "source": "/FILES", "systemTopicName": "second"}, "Only one system topic"),
        (VAULT, {"resourceGroupName": "one", "vaultName": "held"}, "already exists in deleted state"),
        (
            VAULT,
            {
                "properties": {"reference": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/none"},
                "resourceGroupName": "one",
                "vaultName": "vault",
            },
            "LinkedInvalidPropertyId",
        ),
        (SCM, {"allow": False, "name": "none", "resourceGroupName": "one"}, "ResourceNotFound"),
    ],
)
def test_what_cannot_be_made_is_refused(content: dict[str, Any], token: str, inputs: Properties, code: str) -> None:
    content["vaults"].append("held")

    with pytest.raises(CloudError, match=code):
        put(content, token, inputs)


@pytest.mark.parametrize(
    ("tier", "config", "refused"),
    [
        ("FlexConsumption", {"minTlsVersion": "1.2"}, False),
        ("FlexConsumption", {"netFrameworkVersion": "v4.6"}, True),
        ("Standard", {"netFrameworkVersion": "v4.6"}, False),
    ],
)
def test_a_site_of_flex_consumption_takes_nothing_of_other_plans(
    content: dict[str, Any], tier: str, config: Properties, refused: bool
) -> None:
    put(content, PLAN, {"name": "plan", "resourceGroupName": "one", "sku": {"name": "x", "tier": tier}})
    scale = {"instanceMemoryMB": 2048, "maximumInstanceCount": 40}
    site = {
        "functionAppConfig": {"runtime": {"name": "python", "version": "3.13"}, "scaleAndConcurrency": scale},
        "name": "site",
        "resourceGroupName": "one",
        "serverFarmId": KINDS[PLAN].resource_id({"name": "plan", "resourceGroupName": "one"}),
        "siteConfig": config,
    }
    if not refused:
        put(content, SITE, site)
        return

    with pytest.raises(CloudError, match=r"51021.*Site\.SiteConfig\.NetFrameworkVersion"):
        put(content, SITE, site)


@pytest.mark.parametrize(
    ("new", "refused"),
    [
        ({"containers": [{"image": "old", "resources": {"cpu": 1}}], "osType": "Linux"}, False),
        ({"containers": [{"image": "new", "resources": {"cpu": 1}}], "osType": "Linux"}, True),
        ({"containers": [{"image": "old", "resources": {"cpu": 2}}], "osType": "Linux"}, True),
        ({"containers": [{"image": "old", "resources": {"cpu": 1}}], "osType": "Windows"}, True),
        ({"containers": [{"image": "old", "resources": {"cpu": 1}}], "osType": "Linux", "tags": {"a": "b"}}, True),
    ],
)
def test_a_container_group_takes_nothing_new_in_place(new: Properties, refused: bool) -> None:
    old = {"containers": [{"image": "old", "resources": {"cpu": 1}}], "osType": "Linux"}
    if not refused:
        service.check_update(CONTAINER_GROUP, old, new)
        return

    with pytest.raises(CloudError, match="InvalidContainerGroupUpdate"):
        service.check_update(CONTAINER_GROUP, old, new)


@pytest.mark.parametrize(
    ("token", "path"), sorted((token, path) for token, kind in KINDS.items() for path in kind.fixed)
)
def test_what_is_fixed_cannot_be_changed(token: str, path: str) -> None:
    old: Any = "old"
    new: Any = "new"
    for key in reversed(path.split(".")):
        name, index, _ = key.partition("[]")
        old, new = ({name: [value] if index else value} for value in (old, new))

    with pytest.raises(CloudError, match=re.escape(path)):
        service.check_update(token, old, new)


def test_the_services_of_an_account_are_there_with_it(content: dict[str, Any]) -> None:
    services = {"accountName": "files", "blobServicesName": "default", "resourceGroupName": "one"}
    for _ in range(2):
        put(content, "azure-native:storage:BlobServiceProperties", services)


def test_properties_that_the_sdk_does_not_know_are_problems() -> None:
    schema = read_schema([VAULT])[VAULT]["inputs"]
    inputs = {"properties": {"sku": {"family": "A", "tier": "x"}, "tenantId": UNKNOWN}, "resourceGroupName": "one"}

    assert problems(schema, inputs) == [
        "unknown property 'properties.sku.tier'",
        "missing required property 'properties.sku.name'",
    ]


def test_before_a_resource_is_made_only_its_inputs_are_known() -> None:
    outputs = preview_outputs(
        {"location": None, "name": None, "properties": ["uri", "sku"]}, {"properties": {"sku": 1}}
    )

    assert outputs == {"location": UNKNOWN, "name": UNKNOWN, "properties": {"sku": 1, "uri": UNKNOWN}}


def test_differences_are_named_by_their_path() -> None:
    old = {"a": [{"b": 1}, {"b": 2}], "c": 1}

    assert list(difference(old, {"a": [{"b": 1}, {"b": 3}], "d": 1})) == ["a[1].b", "c", "d"]


def test_a_context_is_known_by_its_names_modes_and_contents_and_by_nothing_that_is_ignored(tmp_path: Path) -> None:
    def file(name: str, text: str) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    def digest() -> str:
        return context_digest(tmp_path, tmp_path / "Dockerfile")

    file(".dockerignore", "**\n!src/**/*.py\n**/__pycache__\n")
    file("Dockerfile", "FROM scratch")
    file("src/deep/code.py", "1")
    digests = [digest()]
    file("notes.txt", "1")
    file("src/deep/__pycache__/code.py", "1")
    assert digest() == digests[0]
    file("src/deep/code.py", "2")
    digests.append(digest())
    (tmp_path / "src/deep/code.py").chmod(0o755)
    digests.append(digest())
    (tmp_path / "src/deep/code.py").rename(tmp_path / "src/deep/other.py")
    digests.append(digest())
    file("Dockerfile", "FROM other")
    digests.append(digest())

    assert len(set(digests)) == 5
