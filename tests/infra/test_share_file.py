"""A file on the share is put, replaced and removed whole, whatever is there already."""

from __future__ import annotations

import base64
import pickle
from pathlib import Path
from typing import Any, ClassVar

import pytest
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from pulumi.dynamic.dynamic import serialize_provider

from infra.share_file import ShareFileProvider

PROPS = {
    "account_key": "key",
    "account_url": "https://files.file.core.windows.net/",
    "content": "{}\n",
    "path": "config/deep/runtime.json",
    "share_name": "share",
}


class FakeShare:
    """A share in memory with the rules of Azure Files that matter here: no file without its folder."""

    shares: ClassVar[dict[str, dict[str, bytes | None]]] = {}

    def __init__(self, account_url: str, *, share_name: str, credential: str) -> None:
        assert (account_url, credential) == (PROPS["account_url"], PROPS["account_key"])
        self.share_name = share_name

    def __enter__(self) -> FakeShare:
        return self

    def __exit__(self, *_: object) -> None:
        """Close nothing."""

    @property
    def entries(self) -> dict[str, bytes | None]:
        if self.share_name not in self.shares:
            raise ResourceNotFoundError("ShareNotFound")
        return self.shares[self.share_name]

    def create_directory(self, name: str) -> None:
        self._parent_exists(name)
        if name in self.entries:
            raise ResourceExistsError("ResourceAlreadyExists")
        self.entries[name] = None

    def get_file_client(self, path: str) -> FakeFile:
        return FakeFile(self, path)

    def _parent_exists(self, name: str) -> None:
        parent = name.rpartition("/")[0]
        if parent and parent not in self.entries:
            raise ResourceNotFoundError("ParentNotFound")


class FakeFile:
    def __init__(self, share: FakeShare, path: str) -> None:
        self.share, self.path = share, path

    def upload_file(self, data: bytes) -> None:
        self.share._parent_exists(self.path)
        self.share.entries[self.path] = data

    def delete_file(self) -> None:
        if self.share.entries.pop(self.path, None) is None:
            raise ResourceNotFoundError("ResourceNotFound")

    def download_file(self) -> FakeFile:
        if self.path not in self.share.entries:
            raise ResourceNotFoundError("ResourceNotFound")
        return self

    def readall(self) -> bytes:
        data = self.share.entries[self.path]
        assert data is not None
        return data


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes | None]:
    monkeypatch.setattr("azure.storage.fileshare.ShareClient", FakeShare)
    FakeShare.shares = {"share": {}}
    return FakeShare.shares["share"]


def test_a_file_is_put_with_the_folders_above_it_even_twice(share: dict[str, Any]) -> None:
    for _ in range(2):
        created = ShareFileProvider().create(dict(PROPS))
    assert created.id == "share/config/deep/runtime.json"
    assert share == {"config": None, "config/deep": None, "config/deep/runtime.json": b"{}\n"}


def test_an_update_replaces_the_text_in_place(share: dict[str, Any]) -> None:
    ShareFileProvider().create(dict(PROPS))
    assert ShareFileProvider().update("id", PROPS, PROPS | {"content": "é"}).outs == PROPS | {"content": "é"}
    assert share["config/deep/runtime.json"] == "é".encode()


def test_removing_a_file_or_its_share_twice_is_no_error(share: dict[str, Any]) -> None:
    ShareFileProvider().create(dict(PROPS))
    ShareFileProvider().delete("id", dict(PROPS))
    assert "config/deep/runtime.json" not in share
    ShareFileProvider().delete("id", dict(PROPS))
    FakeShare.shares.clear()
    ShareFileProvider().delete("id", dict(PROPS))


def test_a_refresh_sees_a_change_and_an_absence(share: dict[str, Any]) -> None:
    ShareFileProvider().create(dict(PROPS))
    share["config/deep/runtime.json"] = b"edited by hand"
    found = ShareFileProvider().read("id", dict(PROPS))
    assert found.outs is not None
    assert (found.id, found.outs["content"]) == ("id", "edited by hand")
    del share["config/deep/runtime.json"]
    assert ShareFileProvider().read("id", dict(PROPS)).id == ""


@pytest.mark.parametrize(
    ("change", "changes", "replaces"),
    [
        ({}, False, []),
        ({"content": "new"}, True, []),
        ({"account_key": "rotated"}, True, []),
        ({"path": "other"}, True, ["path"]),
        ({"share_name": "other"}, True, ["share_name"]),
        ({"account_url": "other"}, True, ["account_url"]),
    ],
)
def test_only_a_move_replaces(change: dict[str, str], changes: bool, replaces: list[str]) -> None:
    diff = ShareFileProvider().diff("id", PROPS, PROPS | change)
    assert (diff.changes, diff.replaces) == (changes, replaces)


def test_what_is_stored_of_the_provider_is_its_name_and_nothing_of_this_machine() -> None:
    stored = base64.b64decode(serialize_provider(ShareFileProvider()))
    assert len(stored) < 100
    assert str(Path(__file__).parents[2]).encode() not in stored
    assert isinstance(pickle.loads(stored), ShareFileProvider)  # noqa: S301
