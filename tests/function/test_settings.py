"""The Function App's settings are read, and a wrong one is named."""

from __future__ import annotations

import pytest

from pipeline_app.contract import ContractError, StorageConnection
from pipeline_function.settings import Settings, account_name, split_group_id
from tests.function.fakes import group_id, job_id

ENVIRONMENT = {
    "APP_CONTAINER_GROUP_IDS": group_id(),
    "APP_STORAGE_CONNECTION__blobServiceUri": "https://acct.blob.core.windows.net",
    "APP_STORAGE_CONNECTION__clientId": "worker",
    "APP_STORAGE_CONNECTION__credential": "managedidentity",
    "APP_STORAGE_CONNECTION__queueServiceUri": "https://acct.queue.core.windows.net",
    "APP_STORAGE_CONTAINER": "pipeline-files",
    "APP_STORAGE_INPUT_PATH": "incoming",
    "APP_STORAGE_OUTPUT_PATH": "outgoing",
    "AZURE_CLIENT_ID": "starter",
}


def test_the_settings_of_a_deployed_app_are_read() -> None:
    settings = Settings.from_environment(
        ENVIRONMENT | {"APP_CONTAINER_GROUP_IDS": f"{group_id('a')}, {group_id('b')},"}
    )
    assert settings.group_ids == (group_id("a"), group_id("b"))
    assert (settings.account, settings.client_id) == ("acct", "starter")
    assert settings.arm_endpoint == "https://management.azure.com"
    assert (settings.grace.total_seconds(), settings.pause.total_seconds()) == (120, 900)
    assert split_group_id(settings.group_ids[1]) == ("sub", "rg", "b")


def test_with_a_job_there_are_no_groups() -> None:
    settings = Settings.from_environment(
        ENVIRONMENT | {"APP_CONTAINER_GROUP_IDS": "", "APP_CONTAINER_APPS_JOB_ID": job_id()}
    )
    assert (settings.group_ids, settings.job_id) == ((), job_id())
    assert Settings.from_environment(ENVIRONMENT).job_id is None


def test_another_resource_manager_can_be_named() -> None:
    environment = ENVIRONMENT | {"AZURE_RESOURCE_MANAGER_ENDPOINT": "https://management.chinacloudapi.cn/"}
    assert Settings.from_environment(environment).arm_endpoint == "https://management.chinacloudapi.cn"


@pytest.mark.parametrize(
    ("connection", "account"),
    [
        (StorageConnection(connection_string="DefaultEndpointsProtocol=https;AccountName=one;AccountKey=a=="), "one"),
        (StorageConnection(connection_string="BlobEndpoint=http://127.0.0.1:1/two; accountname = two "), "two"),
        (StorageConnection(blob_service_uri="https://three.z12.blob.storage.azure.net/"), "three"),
    ],
)
def test_a_connection_tells_its_account(connection: StorageConnection, account: str) -> None:
    assert account_name(connection) == account


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"APP_CONTAINER_GROUP_IDS": ""}, "APP_CONTAINER_GROUP_IDS"),
        (
            {"APP_SWEEP_PAUSE_SECONDS": "-1"},
            "APP_SWEEP_PAUSE_SECONDS is '-1'; it must be a whole number from 0 to 86400",
        ),
        ({"APP_SWEEP_PAUSE_SECONDS": "86401"}, "APP_SWEEP_PAUSE_SECONDS is '86401'"),
        ({"APP_CONTAINER_GROUP_IDS": ", ,"}, "APP_CONTAINER_GROUP_IDS"),
        ({"APP_CONTAINER_GROUP_IDS": "group"}, "'group'"),
        ({"APP_CONTAINER_APPS_JOB_ID": job_id()}, "leave the other out"),
        ({"APP_CONTAINER_APPS_JOB_ID": "worker"}, "'worker', which is no resource id of a Container Apps job"),
        ({"APP_CONTAINER_GROUP_IDS": f"{group_id()}/start"}, "/start'"),
        ({"APP_STORAGE_CONNECTION": "UseDevelopmentStorage=true"}, "APP_STORAGE_CONNECTION does not name"),
        ({"APP_STORAGE_CONNECTION__blobServiceUri": "acct"}, "APP_STORAGE_CONNECTION__blobServiceUri does not name"),
        ({"APP_STORAGE_CONNECTION__queueServiceUri": ""}, "APP_STORAGE_CONNECTION__queueServiceUri"),
        ({"APP_STORAGE_CONTAINER": " "}, "APP_STORAGE_CONTAINER"),
        ({"AZURE_CLIENT_ID": ""}, "AZURE_CLIENT_ID"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, str], named: str) -> None:
    with pytest.raises(ContractError, match=named):
        Settings.from_environment(ENVIRONMENT | changes)
