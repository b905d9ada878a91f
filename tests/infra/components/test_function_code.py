"""The function's settings and identity, and when its code is deployed."""

from __future__ import annotations

from tests.infra.recording import FROM_OUTPUT, SECRET, Run, settings_of


def test_the_function_gets_exactly_these_settings(program: Run) -> None:
    group = f"{program.one('resources:ResourceGroup').id}/providers/Microsoft.ContainerInstance/containerGroups"
    assert settings_of(program.one("web:WebApp")) == {
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "ClientId=~client-of-function-identity;Authorization=AAD",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"{SECRET}-insights",
        "APP_CONTAINER_GROUP_IDS": f"{group}/worker-1,{group}/worker-2",
        "APP_STORAGE_CONNECTION__blobServiceUri": "~https://files.blob/",
        "APP_STORAGE_CONNECTION__clientId": "~client-of-function-identity",
        "APP_STORAGE_CONNECTION__credential": "managedidentity",
        "APP_STORAGE_CONNECTION__queueServiceUri": "~https://files.queue/",
        "APP_STORAGE_CONTAINER": "~pipeline-files",
        "APP_STORAGE_INPUT_PATH": "incoming",
        "APP_STORAGE_OUTPUT_PATH": "outgoing",
        "APP_SWEEP_GRACE_SECONDS": "120",
        "APP_SWEEP_PAUSE_SECONDS": "900",
        "APP_SWEEP_SCHEDULE": "0 * * * * *",
        "AZURE_CLIENT_ID": "~client-of-function-identity",
        "AZURE_RESOURCE_MANAGER_ENDPOINT": "https://management.azure.com",
        "AzureWebJobsStorage__blobServiceUri": "~https://host.blob/",
        "AzureWebJobsStorage__clientId": "~client-of-function-identity",
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__queueServiceUri": "~https://host.queue/",
        "PYTHON_THREADPOOL_THREAD_COUNT": "25",
    }


def test_the_function_app_is_flex_consumption_and_signs_in_by_its_identity(program: Run) -> None:
    identity = program.one("managedidentity:UserAssignedIdentity", "function-identity").id
    app, plan = program.one("web:WebApp"), program.one("web:AppServicePlan")
    assert plan.inputs["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert app.inputs["serverFarmId"] == plan.id
    assert app.inputs["identity"] == {"type": "UserAssigned", "userAssignedIdentities": [identity]}
    assert app.inputs["functionAppConfig"]["deployment"]["storage"] == {
        "authentication": {"type": "UserAssignedIdentity", "userAssignedIdentityResourceId": identity},
        "type": "blobContainer",
        "value": "~https://artifacts.blob/~function-packages",
    }
    assert app.inputs["functionAppConfig"]["runtime"] == {"name": "python", "version": "3.13"}
    assert app.inputs["httpsOnly"] is True


def test_the_code_is_deployed_after_the_roles_and_goes_with_the_app(program: Run) -> None:
    app, deploy = program.one("web:WebApp"), program.one("dynamic/web:OneDeploy")
    blob = program.one("storage:Blob", "function-package")
    assert {key: value for key, value in deploy.inputs.items() if key != "__provider"} == {
        "app_id": app.id,
        "blob_url": f"{FROM_OUTPUT}https://artifacts.blob/function-package",
        "functions": ["dispatch", "sweep"],
        "package_sha256": deploy.inputs["package_sha256"],
        "resource_manager": "https://management.azure.com",
        "storage_account_id": program.one("storage:StorageAccount", "artifacts").id,
        "token": f"{SECRET}-token",
    }
    assert blob.inputs["blobName"] == f"uploads/{deploy.inputs['package_sha256'][:16]}.zip"
    assert deploy.request.deletedWith.endswith("::function")
    assignments = program.all("authorization:RoleAssignment")
    roles = {each.name for each in assignments if each.name.startswith("function-identity-")}
    waited = {urn.rpartition("::")[2] for urn in app.request.dependencies}
    assert roles <= waited
    # What it starts is there when it runs, though it is told of the groups by what they are called.
    assert {"worker-1", "worker-2"} <= waited
