"""The resource of the function's code: when it deploys, and what is kept of it."""

from __future__ import annotations

from pulumi.dynamic import Config, ConfigureRequest

from infra.deployer.one_deploy import OneDeployProvider
from tests.infra.azure import Azure
from tests.infra.deployer.deploying import PROPS


def test_only_a_new_package_or_a_new_app_deploys() -> None:
    provider = OneDeployProvider()
    old = {"app_id": "a", "blob_url": "u", "package_sha256": "1"}
    assert provider.diff("id", old, old | {"blob_url": "v"}).changes is False
    update = provider.diff("id", old, old | {"package_sha256": "2"})
    assert (update.changes, update.replaces) == (True, [])
    replace = provider.diff("id", old, old | {"app_id": "b"})
    assert (replace.changes, replace.replaces) == (True, ["app_id"])


def test_what_is_kept_of_a_deployment_is_what_was_declared_without_the_token(azure: Azure) -> None:
    azure.script()
    provider = OneDeployProvider()
    provider.configure(ConfigureRequest(Config({}, "project")))
    checked = provider.check({}, PROPS | {"token": azure.token})
    assert (checked.inputs, checked.failures) == (PROPS, [])
    assert provider.create(dict(PROPS)).outs == PROPS
