"""The vault's secret follows the registry without a right on the vault's data, which a deployer need not have."""

from __future__ import annotations

from tests.engine.deployment import NewSite


def test_another_registry_gets_its_secret_and_the_earlier_one_stays(new_site: NewSite) -> None:
    deployment = new_site("vault").deployment()
    deployment.configure(registryName="firstregistry")
    deployment.up()
    deployment.configure(registryName="secondregistry")
    deployment.up()
    resources = deployment.site.cloud.read()["resources"].values()

    assert sorted(each["name"] for each in resources if each["type"] == "azure-native:keyvault:Secret") == [
        "acr-firstregistry-firstregistry-password",
        "acr-secondregistry-secondregistry-password",
    ]
    deployment.destroy()
    assert deployment.site.cloud.read()["resources"] == {}
