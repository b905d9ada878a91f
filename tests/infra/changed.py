"""Another valid value for each setting of the development stack, to see what its change does."""

from __future__ import annotations

from typing import Final

LOCATION: Final = "azure-native:location"

# By key, in the order of the reference.
CHANGED: Final = {
    "actionGroupId": (
        "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/operations"
        "/providers/Microsoft.Insights/actionGroups/on-call"
    ),
    "alertBacklogJobs": "2000",
    "alertEmails": "team@example.com",
    "alertFailedFiles": "20",
    "appAlias": "report",
    "appFile": "csvreport/cli.py",
    "appInstallerFile": "",
    "appSetupArgs": "--fast",
    "appStorageAccountName": "otherfiles",
    "artifactCache": ".other_cache",
    "artifactContainer": "other-artifacts",
    "artifactFolder": "releases",
    "artifactName": "application.zip",
    "artifactPath": "pipeline_app/sample/csvreport",
    "artifactSha256": "",
    "artifactStorageAccountName": "otherartifacts",
    "baseImage": "python:3.13-slim",
    "buildNumber": "7",
    "claimSeconds": "90",
    "containerCpu": "2",
    "containerGroupCount": "2",
    "containerMemoryGib": "3",
    "containerOsType": "Linux",
    "deletedBlobDays": "3",
    "deletedContainerDays": "14",
    "deletedShareDays": "0",
    "exportConfigFile": "",
    "idleSeconds": "30",
    "imageReference": f"registry.example/team/worker@sha256:{'0' * 64}",
    "inputPath": "inbox",
    "logFile": "/mnt/azurefiles/app.log",
    "logRetentionDays": "60",
    "maxAttempts": "5",
    "maxOutputFiles": "500",
    "modelName": "report",
    "modelVersion": "2.0.0",
    "outputPath": "results",
    "projVersion": "0.2.0",
    "protectFiles": "true",
    "registryName": "otherregistry",
    "registryNamespace": "team",
    "registrySku": "Standard",
    "runtimeConfigFile": "",
    "scratchGib": "2",
    "shareName": "other-share",
    "shareQuotaGib": "10",
    "slots": "2",
    "storageContainer": "other-files",
    "sweepGraceSeconds": "240",
    "sweepSchedule": "0 */5 * * * *",
    "tags": '{"team": "files"}',
    "vaultName": "other-vault",
    "vaultRetentionDays": "14",
    "vaultSecretsOfficerId": "11111111-2222-3333-4444-555555555555",
    "vaultSecretsOfficerType": "Group",
}
