"""Azure's settings on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.cloud.settings import SettingsError, localize, mount
from infra.local.services.azurite import StorageAccount


@pytest.fixture
def accounts(tmp_path: Path) -> dict[str, StorageAccount]:
    """Two accounts that are not started."""
    return {name: StorageAccount(name, "a2V5", tmp_path, tmp_path / "log") for name in ("files", "artifacts")}


def test_an_identity_connection_becomes_the_account_s_connection_of_that_identity(
    accounts: dict[str, StorageAccount],
) -> None:
    settings = {
        "APP__OTHER": "stays",
        "HOST__accountName": "artifacts",
        "HOST__clientId": "me",
        "STORE__blobServiceUri": accounts["files"].endpoint("blob"),
        "STORE__clientId": "me",
        "STORE__credential": "managedidentity",
        "STORE__queueServiceUri": accounts["files"].endpoint("queue"),
        "STORE_CONTAINER": "stays",
    }
    assert localize(settings, accounts, ["me"]) == {
        "APP__OTHER": "stays",
        "HOST": accounts["artifacts"].connection_of("me"),
        "STORE": accounts["files"].connection_of("me"),
        "STORE_CONTAINER": "stays",
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"STORE__clientId": "stranger"}, "STORE__clientId is 'stranger'"),
        ({"STORE__blobServiceUri": "https://elsewhere.example/"}, "leads to no storage account"),
        ({"STORE__accountName": "artifacts"}, "leads to several accounts"),
    ],
)
def test_a_connection_that_would_not_work_in_azure_is_refused(
    accounts: dict[str, StorageAccount], change: dict[str, str], reason: str
) -> None:
    settings = {"STORE__blobServiceUri": accounts["files"].endpoint("blob"), "STORE__clientId": "me"}
    with pytest.raises(SettingsError, match=reason):
        localize(settings | change, accounts, ["me"])


def test_only_paths_at_or_below_the_mount_lead_to_the_folder(tmp_path: Path) -> None:
    settings = {"at": "/mnt/files", "below": "/mnt/files/a b/c", "beside": "/mnt/filesystem", "other": "x/mnt/files"}
    assert mount(settings, {"/mnt/files": tmp_path}) == {
        "at": str(tmp_path),
        "below": f"{tmp_path}/a b/c",
        "beside": "/mnt/filesystem",
        "other": "x/mnt/files",
    }
