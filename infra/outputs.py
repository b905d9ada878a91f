"""What a person needs after an update: where to upload, what runs where, and where to look."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import authorization

from infra.components.conditions import uploader_condition
from infra.components.function_app import FunctionApp
from infra.components.roles import Role
from infra.components.stack_roles import StackRoles
from infra.components.vault import Vault
from infra.components.worker import Runner
from infra.platform import Platform
from infra.settings.clouds import PORTAL


def export_outputs(
    platform: Platform,
    app: FunctionApp,
    image: pulumi.Output[str],
    roles: StackRoles,
    runner: Runner,
    vault: Vault,
) -> None:
    """Export the stack's outputs; none of them is a secret."""
    cfg, files, placement = platform.config, platform.accounts.files, platform.placement
    uploader = roles.process_files
    client = authorization.get_client_config_output()
    outputs: dict[str, pulumi.Input[object]] = {
        "appStorageAccountName": files.account_name,
        "appStorageContainer": files.container_name,
        "artifactStorageAccountName": platform.accounts.artifacts.account_name,
        "functionAppName": app.app_name,
        "imageDigest": image.apply(lambda reference: reference.rpartition("@")[2]),
        "imageReference": image,
        "inputPath": cfg.input_path,
        "logFile": cfg.log_file,
        "outputPath": cfg.output_path,
        "portalUrl": pulumi.Output.format(
            "{0}/#@{1}/resource{2}", PORTAL, client.tenant_id, placement.resource_group_id
        ),
        "registryLoginServer": platform.registry.login_server,
        "resourceGroupName": placement.resource_group_name,
        "shareName": files.share.name,
        "uploadCommand": pulumi.Output.format(
            "az storage blob upload --auth-mode login "
            "--account-name {0} --container-name {1} --name {2}/FILE --file FILE",
            files.account_name,
            files.container_name,
            cfg.input_path,
        ),
        # Whoever uploads gets this role at this scope under this condition, see docs/identities.md.
        "uploadCondition": uploader_condition(cfg.input_path),
        "uploadRoleId": uploader.value if isinstance(uploader, Role) else uploader,
        "uploadScope": files.container_id,
        "uploadUrl": pulumi.Output.format("{0}{1}/{2}/", files.blob_endpoint, files.container_name, cfg.input_path),
        "vaultUri": vault.vault_uri,
    }
    for name, value in sorted((outputs | dict(runner.outputs)).items()):
        pulumi.export(name, value)
