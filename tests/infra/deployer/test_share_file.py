"""A file on the share is put, replaced and removed whole, whatever is there already, by the account's present key."""

from __future__ import annotations

import base64
import hashlib
import pickle
from pathlib import Path
from typing import Any

import pytest
from pulumi.dynamic import Config, ConfigureRequest
from pulumi.dynamic.dynamic import serialize_provider

from infra.deployer.share_file import ShareFileProvider
from tests.engine.standin.kinds import TENANT
from tests.infra.azure import DEPLOYER, FILES, SHARE, Azure

NAME = "config/deep/runtime.json"
PROPS = {
    "account_id": FILES,
    "account_url": "https://files.file.core.windows.net/",
    "content": '{"args": []}\n',
    "path": NAME,
    "share_name": "share",
}
SETTINGS = {
    "azure-native:clientId": DEPLOYER.client,
    "azure-native:clientSecret": "invented",
    "azure-native:tenantId": TENANT,
}


@pytest.fixture
def provider(azure: Azure) -> ShareFileProvider:
    """A provider as the engine makes it in an update, with the token that came with the inputs."""
    provider = configured()
    assert provider.check({}, PROPS | {"token": azure.token}).inputs == PROPS
    return provider


def configured() -> ShareFileProvider:
    """A provider as the engine makes it for a refresh or a deletion, which nobody hands a token to."""
    provider = ShareFileProvider()
    provider.configure(ConfigureRequest(Config(SETTINGS, "project")))
    return provider


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the engine is told to warn of."""
    lines: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", lines.append)
    return lines


def files(azure: Azure) -> dict[str, str]:
    """Return the files on the share and their texts."""
    resources = azure.cloud.read()["resources"].values()
    return {each["name"]: each["text"] for each in resources if each["type"] == "file"}


def shown(azure: Azure) -> list[str]:
    """Return what whoever reads the file may have seen, in turn."""
    return [text for path, text in azure.cloud.read()["shown"] if path == NAME]


def test_a_file_is_put_with_the_folders_above_it_even_twice(azure: Azure, provider: ShareFileProvider) -> None:
    for _ in range(2):
        created = provider.create(dict(PROPS))
    assert created.id == f"share/{NAME}"
    assert files(azure) == {NAME: PROPS["content"]}


def test_no_reader_ever_sees_a_part_or_zeros(azure: Azure, provider: ShareFileProvider) -> None:
    """An upload makes a file of zeros and then fills it, which a worker that starts in between would read."""
    texts = [PROPS["content"], "longer" * 1000, "é", ""]
    provider.create(dict(PROPS))
    for text in texts[1:]:
        assert provider.update("id", PROPS, PROPS | {"content": text}).outs == PROPS | {"content": text}
    assert shown(azure) == texts
    assert files(azure) == {NAME: ""}


def test_what_an_interrupted_upload_left_is_written_over(azure: Azure, provider: ShareFileProvider) -> None:
    provider.create(dict(PROPS))
    with azure.cloud.open() as content:
        key = f"{SHARE}/files/config/deep/.runtime.json.new"
        content["resources"][key] = {"inputs": {}, "name": "x", "outputs": {}, "text": "half\0\0", "type": "file"}
    provider.update("id", PROPS, PROPS | {"content": "whole"})
    assert files(azure) == {NAME: "whole"}


def test_a_file_that_a_container_has_open_is_replaced_when_it_is_closed(
    azure: Azure, provider: ShareFileProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)
    provider.create(dict(PROPS))
    with azure.cloud.open() as content:
        content["sharing_violations"] = 3
    provider.update("id", PROPS, PROPS | {"content": "new"})
    assert files(azure) == {NAME: "new"}


def test_removing_a_file_its_share_or_its_account_twice_is_no_error(azure: Azure, provider: ShareFileProvider) -> None:
    provider.create(dict(PROPS))
    for gone in (None, SHARE, FILES):
        if gone:
            with azure.cloud.open() as content:
                del content["resources"][gone]
        provider.delete("id", dict(PROPS))
        assert files(azure) == {}
        assert provider.read("id", dict(PROPS)).id == ""


def test_a_refresh_sees_a_change_and_an_absence(azure: Azure, provider: ShareFileProvider) -> None:
    provider.create(dict(PROPS))
    with azure.cloud.open() as content:
        content["resources"][f"{SHARE}/files/{NAME}"]["text"] = "edited by hand"
    found = configured().read("id", dict(PROPS))
    assert found.outs is not None
    assert (found.id, found.outs["content"]) == ("id", "edited by hand")
    with azure.cloud.open() as content:
        del content["resources"][f"{SHARE}/files/{NAME}"]
    assert configured().read("id", dict(PROPS)).id == ""


def test_a_rotated_key_breaks_neither_a_refresh_an_update_nor_a_deletion(
    azure: Azure, provider: ShareFileProvider
) -> None:
    made = provider.create(dict(PROPS)).outs
    assert made is not None
    with azure.cloud.open() as content:
        content["rotations"]["files"] = 1
    assert configured().read("id", dict(made)).outs == made
    assert provider.update("id", made, made | {"content": "new"}).outs == made | {"content": "new"}
    configured().delete("id", dict(made))
    assert files(azure) == {}


def test_neither_a_key_nor_a_token_is_kept(azure: Azure, provider: ShareFileProvider) -> None:
    kept = [provider.create(dict(PROPS)).outs, provider.update("id", PROPS, dict(PROPS)).outs, dict(PROPS)]
    kept.append(provider.read("id", dict(PROPS)).outs)
    assert kept == [PROPS] * 4


def test_a_refusal_to_list_the_keys_that_passes_is_outlasted(
    azure: Azure, provider: ShareFileProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)
    azure.proxy.statuses = [403, 429, 503]
    provider.create(dict(PROPS))
    assert files(azure) == {NAME: PROPS["content"]}


def test_whoever_is_not_the_providers_principal_writes_nothing(
    azure: Azure, provider: ShareFileProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.deployer.resource_manager.PASSING_SECONDS", 0)
    with azure.cloud.open() as content:
        content["principal"] = ["oidc", DEPLOYER.client]
    with pytest.raises(RuntimeError, match="does not have authorization"):
        provider.create(dict(PROPS))
    assert files(azure) == {}


def test_a_file_that_somebody_wrote_over_or_removed_differs_and_is_put_back(
    azure: Azure, provider: ShareFileProvider, said: list[str]
) -> None:
    provider.create(dict(PROPS))
    assert provider.diff("id", PROPS, dict(PROPS)).changes is False
    assert said == []
    with azure.cloud.open() as content:
        content["resources"][f"{SHARE}/files/{NAME}"]["text"] = "an application's"
    found = provider.diff("id", PROPS, dict(PROPS))
    assert (found.changes, found.replaces) == (True, [])
    with azure.cloud.open() as content:
        del content["resources"][f"{SHARE}/files/{NAME}"]
    assert provider.diff("id", PROPS, dict(PROPS)).changes is True
    provider.update("id", PROPS, dict(PROPS))
    assert files(azure) == {NAME: PROPS["content"]}
    assert provider.diff("id", PROPS, dict(PROPS)).changes is False
    written_over, removed = said
    assert written_over.startswith(f"{NAME} on the share is not what the stack put there: somebody")
    assert hashlib.sha256(b"an application's").hexdigest() in written_over
    assert removed.startswith(f"{NAME} is not on the share any more")


def test_whoever_may_not_look_at_the_share_has_a_preview_that_says_so_at_once(
    azure: Azure, provider: ShareFileProvider, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: pytest.fail("it waited"))
    provider.create(dict(PROPS))
    azure.proxy.statuses = [403]
    assert provider.diff("id", PROPS, dict(PROPS)).changes is False
    (line,) = said
    assert line.startswith(f"{NAME} on the share could not be compared with what the stack put there: POST ")
    assert "answered 403" in line


@pytest.mark.parametrize("gone", [SHARE, FILES])
def test_a_file_whose_share_or_account_is_gone_is_a_matter_of_a_refresh(
    azure: Azure, provider: ShareFileProvider, said: list[str], gone: str
) -> None:
    provider.create(dict(PROPS))
    with azure.cloud.open() as content:
        del content["resources"][gone]
    assert provider.diff("id", PROPS, dict(PROPS)).changes is False
    (line,) = said
    assert "Run 'pulumi refresh' first." in line


@pytest.mark.parametrize(
    ("change", "changes", "replaces"),
    [
        ({}, False, []),
        ({"content": "new"}, True, []),
        ({"account_id": "moved"}, True, []),
        ({"path": "other"}, True, ["path"]),
        ({"share_name": "other"}, True, ["share_name"]),
        ({"account_url": "other"}, True, ["account_url"]),
    ],
)
def test_only_a_move_replaces(
    azure: Azure, provider: ShareFileProvider, change: dict[str, str], changes: bool, replaces: list[str]
) -> None:
    provider.create(dict(PROPS))
    diff = provider.diff("id", PROPS, PROPS | change)
    assert (diff.changes, diff.replaces) == (changes, replaces)


def test_what_is_stored_of_the_provider_is_its_name_and_nothing_of_this_machine(provider: ShareFileProvider) -> None:
    for each in (ShareFileProvider(), ShareFileProvider()):
        stored = base64.b64decode(serialize_provider(each))
        assert len(stored) < 100
        assert str(Path(__file__).parents[3]).encode() not in stored
        loaded: Any = pickle.loads(stored)  # noqa: S301
        assert isinstance(loaded, ShareFileProvider)
