"""The stand-in for the docker provider has the manners of the real one that a deploy can stumble over."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NoReturn

import grpc  # type: ignore[import-untyped]
import pytest

from tests.engine.standin.cloud import VARIABLE, Cloud
from tests.engine.standin.docker import ENGINE_VARIABLE, IMAGE, NO_ENGINE, PUSH, TAG, Docker, Engine
from tests.engine.standin.names import secret_of
from tests.engine.standin.registries import TOKEN_USER, refresh_token_of
from tests.engine.standin.wire import UNKNOWN, Properties, decode, encode

SERVER: Final = "mine.azurecr.io"


class RefusedError(Exception):
    """A call that the provider ended with an error."""


class Context:
    """What a provider answers through when it refuses."""

    def set_trailing_metadata(self, _: object) -> None:
        """Take nothing of it."""

    def abort(self, _: grpc.StatusCode, text: str) -> NoReturn:
        raise RefusedError(text)


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """The provider on a machine with an engine, and one registry in the cloud."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cloud.json"))
    monkeypatch.setenv(ENGINE_VARIABLE, str(tmp_path / "engine.json"))
    with Cloud.of_environment().open() as content:
        content["resources"]["mine"] = {
            "inputs": {},
            "name": "mine",
            "outputs": {"loginServer": SERVER},
            "type": "azure-native:containerregistry:Registry",
        }
    Engine.of_environment().start()
    return Docker()


def image(password: str = secret_of("mine"), digest: str = "d", username: str = "mine") -> Properties:
    return {
        "build": {"context": ".", "contextDigest": digest, "dockerfile": "Dockerfile", "platform": "linux/amd64"},
        "imageName": f"{SERVER}/worker:1",
        "registry": {"password": password, "server": SERVER, "username": username},
    }


def push(password: str = secret_of("mine")) -> Properties:
    login = {"address": SERVER, "password": password, "username": "mine"}
    return {"authConfig": login, "keepRemotely": True, "name": f"{SERVER}/worker:1", "triggers": {}}


def create(provider: Docker, token: str, inputs: Properties) -> Properties:
    request = SimpleNamespace(preview=False, properties=encode(inputs), urn=f"urn:pulumi:s::p::{token}::name")
    return decode(provider.Create(request, Context()).properties)


def read(provider: Docker, outputs: Properties) -> Any:
    request = SimpleNamespace(
        id="id", inputs=encode({}), properties=encode(outputs), urn=f"urn:pulumi:s::p::{PUSH}::name"
    )
    return provider.Read(request, Context())


def test_without_an_engine_it_is_not_even_configured(docker: Docker) -> None:
    docker.engine.stop()

    with pytest.raises(RefusedError, match=NO_ENGINE):
        docker.Configure(SimpleNamespace(variables={}), Context())


def test_an_engine_knows_nothing_of_what_another_has_built(docker: Docker) -> None:
    create(docker, IMAGE, image())
    docker.engine.start()

    for token, inputs in (
        (PUSH, push()),
        (TAG, {"sourceImage": f"{SERVER}/worker:1", "targetImage": f"{SERVER}/worker:latest"}),
    ):
        with pytest.raises(RefusedError, match="No such image"):
            create(docker, token, inputs)


def test_one_engine_builds_the_same_again_and_another_something_else(docker: Docker) -> None:
    digests = [create(docker, IMAGE, image())["repoDigest"] for _ in range(2)]
    docker.engine.start()
    digests.append(create(docker, IMAGE, image())["repoDigest"])
    digests.append(create(docker, IMAGE, image(digest="other"))["repoDigest"])

    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_a_refresh_looks_a_push_up_and_loses_it_with_a_password_of_yesterday(docker: Docker) -> None:
    built = create(docker, IMAGE, image())["repoDigest"].rpartition("@")[2]
    outputs = create(docker, PUSH, push()) | {"sha256Digest": "sha256:of yesterday"}

    assert decode(read(docker, outputs).properties)["sha256Digest"] == built
    assert read(docker, outputs | push("yesterday")).id == ""
    with docker.cloud.open() as content:
        del content["images"][f"{SERVER}/worker:1"]
    assert read(docker, outputs).id == ""


def test_another_login_is_a_change_of_a_push_and_none_of_an_image(docker: Docker) -> None:
    """As ``diffUpdates`` of the provider has it: of a registry, only another server counts."""

    def changes(token: str, old: Properties, new: Properties) -> int:
        request = SimpleNamespace(
            news=encode(new),
            old_inputs=encode(old),
            olds=encode({"__inputs": old}),
            urn=f"urn:pulumi:s::p::{token}::name",
        )
        return int(docker.Diff(request, Context()).changes)

    same, other = 1, 2
    assert changes(PUSH, push(), push("new")) == other
    assert changes(PUSH, push(), push()) == same
    assert changes(IMAGE, image(), image("new")) == same
    assert changes(IMAGE, image(), image("new", username=TOKEN_USER)) == same
    assert changes(IMAGE, image(), image(UNKNOWN)) == same
    assert changes(IMAGE, image(), image() | {"registry": UNKNOWN}) == other
    moved = image() | {"registry": image("new")["registry"] | {"server": "other.azurecr.io"}}
    assert changes(IMAGE, image(), moved) == other


def test_a_token_pushes_while_it_lives_and_while_its_principal_may(docker: Docker) -> None:
    create(docker, IMAGE, image(refresh_token_of(SERVER), username=TOKEN_USER))
    for token in (refresh_token_of(SERVER, 0), refresh_token_of("other.azurecr.io"), secret_of("mine"), "a.b.c"):
        with pytest.raises(RefusedError, match="is not valid"):
            create(docker, IMAGE, image(token, username=TOKEN_USER))
    with docker.cloud.open() as content:
        content["registry_right"] = "pull"
    with pytest.raises(RefusedError, match="denied"):
        create(docker, IMAGE, image(refresh_token_of(SERVER), username=TOKEN_USER))


def test_a_helper_fails_before_the_build_and_a_password_after_it(docker: Docker) -> None:
    docker.engine.start(helper="desktop")
    with pytest.raises(RefusedError, match="error listing credentials"):
        create(docker, IMAGE, image())
    assert docker.engine.read()["images"] == {}
    docker.engine.start()
    with pytest.raises(RefusedError, match="unauthorized"):
        create(docker, IMAGE, image("wrong"))

    assert docker.engine.read()["images"].keys() == {f"{SERVER}/worker:1"}
    assert docker.cloud.read()["images"] == {}
