"""The local cloud: what it refuses, what it names, and what the program gets back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs

from infra.local.cloud.cloud import CloudError, Declared, LocalCloud, Properties, Scene
from infra.local.cloud.handlers import INVOKES, RESOURCES
from tests.local.cloud.declaring import GROUP, declare

CONTAINER = "azure-native:storage:BlobContainer"
SECRET = {rpc._special_sig_key: rpc._special_secret_sig, "value": "hush"}
VAULT = "azure-native:keyvault:Vault"


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
