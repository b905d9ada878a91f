"""From nothing to a stack, and no change ever after."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.engine.deployment import ROOT, FirstDeploy

DELIVERY: Final = ROOT / "docs" / "delivery.md"


def test_the_first_preview_knows_nothing_of_azure_and_asks_it_nothing(first_deploy: FirstDeploy) -> None:
    assert first_deploy.preview_requests == []


def test_the_first_update_makes_what_the_first_preview_said(first_deploy: FirstDeploy) -> None:
    assert set(first_deploy.preview.changes.values()) == {"create"}
    assert first_deploy.up.changes == first_deploy.preview.changes
    assert first_deploy.up.summary == first_deploy.preview.summary


def test_the_first_update_outlasts_roles_that_are_not_in_force_yet(first_deploy: FirstDeploy) -> None:
    site = first_deploy.deployment.site

    assert first_deploy.refused == []
    assert [each for each in site.cloud.ids() if each.endswith("/extensions/onedeploy")]


def test_the_cloud_holds_just_what_the_state_does(first_deploy: FirstDeploy) -> None:
    state = {each["id"] for each in first_deploy.deployment.resources() if each["type"].startswith("azure-native:")}
    played = {"deployment", "file", "folder"}
    resources = first_deploy.deployment.site.cloud.read()["resources"]

    assert {key for key, each in resources.items() if each["type"] not in played} == state


def test_a_second_preview_and_update_change_nothing(first_deploy: FirstDeploy) -> None:
    cloud = first_deploy.deployment.site.cloud
    cloud.take_log()
    preview = first_deploy.deployment.preview()
    asked_by_preview = {operation for operation, _ in cloud.take_log()}
    up = first_deploy.deployment.up()

    assert set(preview.summary) == set(up.summary) == {"same"}
    # Both look at each config on the share, by the account's key, since anybody may have written over it.
    looked = {"file GET", "invoke", "listKeys"}
    assert asked_by_preview == looked
    # Whether anything is pushed is for the provider to say, so the sign-in that a push takes is always at hand.
    assert {operation for operation, _ in cloud.take_log()} == looked | {"exchange", "token"}
    assert cloud.read()["uploads"] == []


def test_a_preview_writes_nothing_to_the_state(first_deploy: FirstDeploy) -> None:
    """So whoever previews needs to read it alone."""
    folder = first_deploy.deployment.site.folder / ".pulumi"

    def content() -> dict[Path, tuple[int, bytes]]:
        return {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in folder.rglob("*") if file.is_file()}

    before = content()
    assert before
    folders = {each: each.stat().st_mtime_ns for each in folder.rglob("*") if each.is_dir()}
    first_deploy.deployment.preview()
    assert content() == before
    # Not even a lock was there for a while.
    assert {each: each.stat().st_mtime_ns for each in folder.rglob("*") if each.is_dir()} == folders


def test_a_preview_lists_what_the_preview_s_role_of_the_document_allows(first_deploy: FirstDeploy) -> None:
    cloud = first_deploy.deployment.site.cloud
    cloud.take_log()
    first_deploy.deployment.preview()
    listed = {subject.rpartition(":")[2] for _, subject in cloud.take_log() if ":list" in subject}
    allowed = re.findall(
        r"\"Microsoft\.\w+/\w+/(list\w+)/action", DELIVERY.read_text(encoding="utf-8").replace("\\", "")
    )
    # Both are called so: listKeys of storageAccounts, and listCredentials of registries.
    assert sorted(listed) == ["listRegistryCredentials", "listStorageAccountKeys"]
    assert sorted(allowed) == ["listCredentials", "listKeys"]


def test_a_refresh_finds_nothing_changed(first_deploy: FirstDeploy) -> None:
    assert set(first_deploy.deployment.refresh().summary) == {"same"}


def test_the_site_arrives_with_what_flex_consumption_takes_alone(first_deploy: FirstDeploy) -> None:
    resources = first_deploy.deployment.site.cloud.read()["resources"].values()
    (site,) = (each["inputs"] for each in resources if each["type"] == "azure-native:web:WebApp")

    assert sorted(each for each in site if not each.startswith("__")) == [
        "clientAffinityEnabled",
        "functionAppConfig",
        "httpsOnly",
        "hyperV",
        "identity",
        "isXenon",
        "kind",
        "location",
        "name",
        "resourceGroupName",
        "scmSiteAlsoStopped",
        "serverFarmId",
        "siteConfig",
        "tags",
    ]
    assert sorted(site["siteConfig"]) == ["appSettings", "minTlsVersion"]
    assert {tuple(sorted(each)) for each in site["siteConfig"]["appSettings"]} == {("name", "value")}
