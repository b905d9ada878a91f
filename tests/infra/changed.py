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
    "alertBacklogEvents": "2000",
    "alertBacklogJobs": "2000",
    "alertEmails": "team@example.com",
    "alertFailedFiles": "20",
    "alertSilentMinutes": "0",
    "appAlias": "report",
    "appFile": "csvreport/cli.py",
    "appInstallerFile": "csvreport/cli.py",
    "appNetwork": "none",
    "appSetupArgs": "--fast",
    "appStorageAccountName": "otherfiles",
    "appWritablePaths": "/tmp",
    "artifactCache": ".other_cache",
    "artifactContainer": "other-artifacts",
    "artifactFolder": "releases",
    "artifactName": "application.zip",
    "artifactPath": "pipeline_app",
    "artifactSha256": "",
    "artifactStorageAccountName": "otherartifacts",
    "baseImage": "python:3.13-slim",
    "buildNumber": "7",
    "claimSeconds": "90",
    "containerCpu": "2",
    "containerGroupCount": "2",
    "containerGroupLogs": "false",
    "containerMemoryGib": "3",
    "containerOsType": "Linux",
    "customRoles": "false",
    "dataLogs": "all",
    "deadLetterRetentionDays": "30",
    "deletedBlobDays": "3",
    "deletedContainerDays": "14",
    "deletedShareDays": "0",
    "encryptionKeyId": (
        "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/keys"
        "/providers/Microsoft.KeyVault/vaults/our-keys/keys/pipeline"
    ),
    "exportConfigFile": "",
    "functionMemoryMb": "4096",
    "idleSeconds": "30",
    "imageReference": f"otherimages.azurecr.io/team/worker@sha256:{'0' * 64}",
    "imageRegistryId": (
        "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/images"
        "/providers/Microsoft.ContainerRegistry/registries/otherimages"
    ),
    "inputPath": "inbox",
    "inputRetentionDays": "30",
    "logDailyCapGb": "5",
    "logFile": "/mnt/azurefiles/app.log",
    "logRetentionDays": "60",
    "maxAttempts": "5",
    "maxOutputFiles": "500",
    "modelName": "report",
    "modelVersion": "2.0.0",
    "outputPath": "results",
    "packageRetentionDays": "30",
    "projVersion": "0.2.0",
    "protectFiles": "true",
    "registryName": "otherregistry",
    "registryNamespace": "team",
    "registrySku": "Standard",
    "requireConfinement": "true",
    "resultRetentionDays": "60",
    "roleWaitSeconds": "600",
    "runtimeConfigFile": "",
    "scratchGib": "2",
    "shareName": "other-share",
    "shareQuotaGib": "10",
    "slots": "2",
    "startRoleId": "33333333-2222-3333-4444-555555555555",
    "storageContainer": "other-files",
    "sweepGraceSeconds": "240",
    "sweepPauseSeconds": "600",
    "sweepSchedule": "0 */5 * * * *",
    "systemTopicName": "other-topic",
    "tags": '{"team": "files"}',
    "uploaderIds": "33333333-2222-3333-4444-555555555555",
    "uploaderType": "Group",
    "vaultName": "other-vault",
    "vaultPurgeProtection": "true",
    "vaultRetentionDays": "14",
    "vaultSecretsOfficerId": "11111111-2222-3333-4444-555555555555",
    "vaultSecretsOfficerType": "Group",
    "verifyDeploy": "false",
    "verifyFile": "pipeline_app/sample_inputs/customer-survey.csv",
    "verifySeconds": "600",
}
