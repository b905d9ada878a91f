"""Tags are pointed to an image through the registry's API, from any machine and from wherever a run broke off."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from pulumi.dynamic import Config, ConfigureRequest

from infra.deployer import registry_client
from infra.deployer.image_tag import ImageTagProvider
from infra.deployer.registry_client import Repository
from infra.deployer.registry_sign_in import Client, RegistryError, RegistrySignIn
from tests.engine.standin.kinds import TENANT
from tests.engine.standin.registries import AUDIENCE
from tests.engine.standin.sign_in import token_of
from tests.infra.azure import DEPLOYER, GROUP, Azure
from tests.infra.registry import ENTRA_TOKEN, Registry, running_registry

IMAGES = f"{GROUP}/Microsoft.ContainerRegistry/registries/images"
KINDS = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
)
NAME = "file-processing/csvreport_v1.0.0"
# Neither sorted nor compact: a registry that was given other bytes would answer with another digest.
MANIFEST = b'{\n  "schemaVersion": 2,\n "config": {},   "a": 1\n}\n'
TOKEN = "invented"


def new_client() -> Client:
    """Return what sends requests, without trying them again."""
    client: Client = PipelineClient(base_url="http://127.0.0.1", policies=[])
    return client


@pytest.fixture
def registry() -> Iterator[Registry]:
    with running_registry() as registry:
        yield registry


@pytest.fixture
def provider(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> ImageTagProvider:
    """A provider whose registry is the one on this machine; one of another id is not there."""

    @contextmanager
    def deployers_repository(
        credential: TokenCredential,
        registry_credential: TokenCredential,
        *,
        login_server: str,
        name: str,
        registry_id: str,
    ) -> Iterator[Repository | None]:
        assert credential.get_token().token == TOKEN
        if registry_id != "/registries/here":
            yield None
            return
        with new_client() as client:
            yield Repository(RegistrySignIn(client, login_server, registry_credential.get_token().token), name)

    monkeypatch.setattr(registry_client, "deployers_repository", deployers_repository)
    provider = ImageTagProvider()
    provider.configure(ConfigureRequest(Config({}, "project")))
    # The tokens go no further than this, so that nothing that is kept has them.
    assert provider.check({}, {"registry_token": ENTRA_TOKEN, "token": TOKEN}).inputs == {}
    return provider


def properties(registry: Registry, digest: str, content: str = "content", version: str = "1") -> dict[str, Any]:
    return {
        "content": content,
        "login_server": registry.server,
        "reference": f"{registry.server}/{NAME}@{digest}",
        "registry_id": "/registries/here",
        "repository": NAME,
        "tag_names": ["latest", version],
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_manifest_of_any_kind_is_put_byte_by_byte(kind: str, registry: Registry) -> None:
    digest = registry.push(MANIFEST, kind)
    with new_client() as client:
        repository = Repository(RegistrySignIn(client, registry.server, ENTRA_TOKEN), NAME)
        repository.tag(digest, ["latest"])
        assert repository.digest("latest") == digest
    assert registry.tags == {"latest": digest}
    assert registry.manifests == {digest: (kind, MANIFEST)}


def test_no_token_is_in_what_is_kept(provider: ImageTagProvider, registry: Registry) -> None:
    made = provider.create(properties(registry, registry.push(MANIFEST)))

    assert "SECRET" not in str(made.outs)
    assert TOKEN not in str(made.outs)
    assert not provider.serialize_as_secret_always


def test_an_image_that_is_gone_is_named(provider: ImageTagProvider, registry: Registry) -> None:
    with pytest.raises(RegistryError, match=f"{NAME}@sha256:0+ is not in the registry"):
        provider.create(properties(registry, f"sha256:{'0' * 64}"))


@pytest.mark.parametrize("request_number", range(3))
@pytest.mark.parametrize("when", ["after", "before"])
def test_wherever_it_breaks_off_another_run_ends_what_was_begun(
    provider: ImageTagProvider, registry: Registry, request_number: int, when: Literal["after", "before"]
) -> None:
    """The manifest is read and then put under each of two tags."""
    digest = registry.push(MANIFEST)
    registry.breaks = [*[None] * request_number, when]
    with pytest.raises(RegistryError, match="broken off"):
        provider.create(properties(registry, digest))
    made = provider.create(properties(registry, digest))

    assert registry.tags == {"1": digest, "latest": digest}
    assert made.outs is not None
    assert made.outs["tagged"] == registry.tags


def test_what_is_tagged_already_is_no_change(provider: ImageTagProvider, registry: Registry) -> None:
    inputs = properties(registry, registry.push(MANIFEST))
    outputs = provider.create(inputs).outs
    assert outputs is not None
    read = provider.read("id", outputs)

    assert read.outs == outputs
    assert not provider.diff("id", outputs, inputs).changes
    assert registry.requests[-2:] == [("HEAD", "latest"), ("HEAD", "1")]


def test_a_tag_that_somebody_pointed_elsewhere_is_pointed_back(provider: ImageTagProvider, registry: Registry) -> None:
    digest, other = registry.push(MANIFEST), registry.push(b"{}")
    inputs = properties(registry, digest)
    outputs = provider.create(inputs).outs
    registry.tags["latest"] = other
    found = provider.read("id", outputs).outs  # type: ignore[arg-type]
    assert found is not None

    assert provider.diff("id", found, inputs).changes
    assert provider.update("id", found, inputs).outs == outputs
    assert registry.tags["latest"] == digest


@pytest.mark.parametrize("gone", ["registry", "tag"])
def test_what_is_gone_is_made_again(gone: str, provider: ImageTagProvider, registry: Registry) -> None:
    outputs = provider.create(properties(registry, registry.push(MANIFEST))).outs
    assert outputs is not None
    if gone == "tag":
        del registry.tags["latest"]
    else:
        outputs["registry_id"] = "/registries/gone"

    assert provider.read("id", outputs).id == ""


def test_another_build_of_the_same_content_leaves_what_is_deployed(
    provider: ImageTagProvider, registry: Registry
) -> None:
    first, second = registry.push(MANIFEST), registry.push(b"{}")
    outputs = provider.create(properties(registry, first)).outs
    inputs = properties(registry, second)
    assert outputs is not None
    assert provider.diff("id", outputs, inputs).changes
    # The build has pushed what it built under its version.
    registry.tags["1"] = second
    updated = provider.update("id", outputs, inputs).outs
    assert updated is not None

    assert updated["reference"] == outputs["reference"]
    assert registry.tags == {"1": first, "latest": first}
    assert not provider.diff("id", updated, inputs).changes


def test_other_content_and_what_is_no_longer_there_are_deployed_anew(
    provider: ImageTagProvider, registry: Registry
) -> None:
    first, second, third = (registry.push(manifest) for manifest in (MANIFEST, b"{}", b"[]"))
    outputs = provider.create(properties(registry, first)).outs
    other = provider.update("id", outputs, properties(registry, second, "other", "2")).outs  # type: ignore[arg-type]
    assert other is not None
    assert other["reference"].endswith(second)
    assert registry.tags == {"1": first, "2": second, "latest": second}

    del registry.manifests[second]
    again = provider.update("id", other, properties(registry, third, "other", "2")).outs
    assert again is not None
    assert again["reference"].endswith(third)
    assert registry.tags["latest"] == third


def test_it_is_made_anew_only_where_its_place_changes(provider: ImageTagProvider, registry: Registry) -> None:
    inputs = properties(registry, registry.push(MANIFEST))
    outputs = provider.create(inputs).outs
    assert outputs is not None

    for name in ("login_server", "registry_id", "repository"):
        assert provider.diff("id", outputs, inputs | {name: "other"}).replaces == [name]


def configured(azure: Azure) -> ImageTagProvider:
    """A provider as the engine makes it in an update, with the token that came with the inputs."""
    provider = ImageTagProvider()
    provider.configure(ConfigureRequest(Config({}, "project")))
    tokens = {"registry_token": token_of(DEPLOYER, AUDIENCE), "token": azure.token}
    assert provider.check({}, tokens).inputs == {}
    return provider


def in_azure(azure: Azure) -> dict[str, Any]:
    """Have an image in a registry of Azure; return the properties of its tags."""
    digest = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
    server = "images.azurecr.io"
    with azure.cloud.open() as content:
        content["images"][f"{server}/{NAME}@{digest}"] = digest
        content["manifests"][digest] = MANIFEST.decode()
        content["resources"][IMAGES] = {
            "inputs": {},
            "name": "images",
            "outputs": {"loginServer": server},
            "type": "azure-native:containerregistry:Registry",
        }
    return {
        "content": "content",
        "login_server": server,
        "reference": f"{server}/{NAME}@{digest}",
        "registry_id": IMAGES,
        "repository": NAME,
        "tag_names": ["latest"],
    }


def test_the_registry_is_signed_in_to_as_the_provider_and_a_refusal_that_passes_is_outlasted(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)
    inputs = in_azure(azure)
    azure.proxy.statuses = [403, 429, 503]
    outputs = configured(azure).create(dict(inputs)).outs
    assert outputs is not None

    assert azure.proxy.statuses == []
    assert azure.cloud.read()["images"][f"images.azurecr.io/{NAME}:latest"] == inputs["reference"].rpartition("@")[2]
    with azure.cloud.open() as content:
        del content["resources"][IMAGES]
    assert configured(azure).read("id", outputs).id == ""


def test_without_a_token_at_hand_it_signs_in_for_resource_manager_and_for_registries(azure: Azure) -> None:
    """A refresh runs without the program, so that nobody hands a token over."""
    inputs = in_azure(azure)
    outputs = configured(azure).create(dict(inputs)).outs
    assert outputs is not None
    settings = {"clientId": DEPLOYER.client, "clientSecret": "invented", "tenantId": TENANT}
    config = {f"azure-native:{key}": value for key, value in settings.items()}
    provider = ImageTagProvider()
    provider.configure(ConfigureRequest(Config(config, "project")))
    azure.cloud.take_log()

    assert provider.read("id", outputs).outs == outputs
    assert [operation for operation, _ in azure.cloud.take_log()].count("sign-in") == 2


def test_whoever_is_not_the_providers_principal_tags_nothing(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.deployer.resource_manager.PASSING_SECONDS", 0)
    inputs = in_azure(azure)
    with azure.cloud.open() as content:
        content["principal"] = ["oidc", DEPLOYER.client]
    with pytest.raises(RuntimeError, match="does not have authorization"):
        configured(azure).create(dict(inputs))

    assert f"images.azurecr.io/{NAME}:latest" not in azure.cloud.read()["images"]


def test_a_deleted_resource_leaves_the_tags(provider: ImageTagProvider, registry: Registry) -> None:
    outputs = provider.create(properties(registry, registry.push(MANIFEST))).outs
    assert outputs is not None
    tags = dict(registry.tags)
    asked = len(registry.requests)
    provider.delete("id", outputs)

    assert (registry.tags, len(registry.requests)) == (tags, asked)
