"""A key of the customer's own and purge protection come into a live stack in place, and the key goes out again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.deployment import Deployment, NewSite
from tests.engine.settings import changed
from tests.engine.standin.kinds import SUBSCRIPTION

KEY = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/keys/providers/Microsoft.KeyVault/vaults/our-keys/keys/pipeline"
ACCOUNT = "azure-native:storage:StorageAccount"


@pytest.fixture(scope="module")
def deployment(new_site: NewSite) -> Deployment:
    """A stack without either."""
    deployment = new_site("data-protection").deployment()
    deployment.configure(verifyDeploy="false")
    with deployment.site.cloud.open() as content:
        content["keys"].append(KEY)
        content["role_seconds"] = 0
    deployment.up()
    return deployment


def accounts(deployment: Deployment) -> dict[str, dict[str, Any]]:
    resources = deployment.site.cloud.read()["resources"]
    return {key: each["inputs"] for key, each in resources.items() if each["type"] == ACCOUNT}


def test_a_key_of_one_s_own_is_taken_up_and_given_up_in_place_once_it_may_be_used(deployment: Deployment) -> None:
    before = accounts(deployment)
    assert {each["encryption"]["keySource"] for each in before.values()} == {"Microsoft.Storage"}
    with deployment.site.cloud.open() as content:
        content["role_seconds"] = 3
    with changed(deployment, encryptionKeyId=KEY, roleWaitSeconds="4"):
        up = deployment.up()
        assert {name: up.changes[name] for name in ("artifacts", "files", "host")} == dict.fromkeys(
            ("artifacts", "files", "host"), "update"
        )
        # Nothing that holds something, and no running group, is made anew.
        assert "replace" not in up.changes.values()
        encrypted = accounts(deployment)
        assert encrypted.keys() == before.keys()
        assert {each["encryption"]["keyVaultProperties"]["keyName"] for each in encrypted.values()} == {"pipeline"}
        # Messages stay under the key that they were under when the account was made.
        assert all("queue" not in each["encryption"]["services"] for each in encrypted.values())
        assert deployment.preview().changes == {}
    deployment.up()
    assert accounts(deployment).keys() == before.keys()
    assert {each["encryption"]["keySource"] for each in accounts(deployment).values()} == {"Microsoft.Storage"}


def test_purge_protection_comes_in_place_and_is_not_taken_back(deployment: Deployment) -> None:
    with changed(deployment, vaultPurgeProtection="true"):
        assert deployment.up().changes == {"vault": "update"}
    # Azure takes no false, so nothing is said.
    assert deployment.up().changes == {"vault": "update"}
    assert deployment.preview().changes == {}
