"""The Function App on Flex Consumption, with its code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_azure_native import storage, web

from infra.components.connections import identity_connection, storage_settings
from infra.components.identities import WorkloadIdentity
from infra.components.monitoring import Monitoring
from infra.components.placement import Placement
from infra.components.storage import ApplicationStorage, ArtifactStorage, HostStorage
from infra.components.worker import Runner
from infra.deployer.one_deploy import OneDeploy
from infra.deployer.provider_token import provider_token
from infra.packages.function_package import PYTHON_VERSION, FunctionPackage
from infra.settings.clouds import RESOURCE_MANAGER
from pipeline_app.contract import StorageNames

HASH_LENGTH: Final = 16
MAXIMUM_INSTANCES: Final = 40
# The host hands as many events to a worker at a time as host.json says, and the sweep beside them; left to itself the
# worker has five threads on one core, and what waits for one is claimed in vain.
# Source: https://learn.microsoft.com/azure/azure-functions/functions-app-settings#python_threadpool_thread_count
WORKER_THREADS: Final = 25


@dataclass(frozen=True, kw_only=True)
class FunctionAppArgs:
    """The function's code, identity and surroundings.

    Attributes:
        functions: the names of the functions in its code.
        host: the account that its host keeps locks and timers in.
        memory_mb: memory of one of its instances in MB, of the sizes that Flex Consumption has.
        runner: what runs the workers that it sees to.
    """

    artifacts: ArtifactStorage
    functions: Sequence[str]
    host: HostStorage
    identity: WorkloadIdentity
    memory_mb: int
    monitoring: Monitoring
    names: StorageNames
    package: FunctionPackage
    placement: Placement
    runner: Runner
    storage: ApplicationStorage
    sweep_grace_seconds: int
    sweep_pause_seconds: int
    sweep_schedule: str


class FunctionApp(pulumi.ComponentResource):
    """A Flex Consumption plan, an app on it that signs in everywhere by its identity, and the package it runs."""

    app_id: pulumi.Output[str]
    app_name: pulumi.Output[str]
    package_sha256: str

    def __init__(self, name: str, args: FunctionAppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:FunctionApp", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        plan = web.AppServicePlan(
            f"{name}-plan",
            kind="functionapp",
            reserved=True,
            resource_group_name=args.placement.resource_group_name,
            sku=web.SkuDescriptionArgs(name="FC1", tier="FlexConsumption"),
            tags=args.placement.tags,
            opts=child,
        )
        # The name holds the content's hash, so the old package can stay until the new one is there; left to itself
        # the provider would delete the old one first, and a deploy that fails in between would leave none.
        blob = storage.Blob(
            f"{name}-package",
            account_name=args.artifacts.account_name,
            blob_name=f"uploads/{args.package.sha256[:HASH_LENGTH]}.zip",
            container_name=args.artifacts.package_container_name,
            content_type="application/zip",
            resource_group_name=args.placement.resource_group_name,
            source=pulumi.FileAsset(str(args.package.path)),
            opts=pulumi.ResourceOptions(delete_before_replace=False, parent=self),
        )
        app = web.WebApp(
            name,
            function_app_config=_function_app_config(args),
            https_only=True,
            identity=web.ManagedServiceIdentityArgs(
                type=web.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=[args.identity.identity_id]
            ),
            kind="functionapp,linux",
            resource_group_name=args.placement.resource_group_name,
            server_farm_id=plan.id,
            # Its class would add netFrameworkVersion unasked, and Azure refuses what belongs to other plans.
            # Source: https://github.com/pulumi/pulumi-azure-native/issues/4168
            site_config=web.SiteConfigArgsDict(
                app_settings=_app_settings(args),
                min_tls_version=web.SupportedTlsVersions.SUPPORTED_TLS_VERSIONS_1_2,
            ),
            tags=args.placement.tags,
            # The platform fetches the code with the identity, whose roles have to be there.
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[args.identity, *args.runner.components], replace_on_changes=["serverFarmId"]
            ),
        )
        # No password opens the app's deployment: the code comes through Resource Manager, which is asked with a token.
        # There is no such policy for FTP, which Flex Consumption does not have.
        web.WebAppScmAllowed(
            f"{name}-scm-passwords",
            allow=False,
            name=app.name,
            resource_group_name=args.placement.resource_group_name,
            opts=pulumi.ResourceOptions(deleted_with=app, parent=self),
        )
        OneDeploy(
            f"{name}-code",
            app_id=app.id,
            blob_url=blob.url,
            functions=args.functions,
            package_sha256=args.package.sha256,
            resource_manager=RESOURCE_MANAGER,
            storage_account_id=args.artifacts.account_id,
            token=provider_token(self, after=app),
            opts=pulumi.ResourceOptions(parent=self, deleted_with=app),
        )
        self.app_id = app.id
        self.app_name = app.name
        self.package_sha256 = args.package.sha256
        self.register_outputs({"app_id": self.app_id, "app_name": self.app_name})


def _app_settings(args: FunctionAppArgs) -> Sequence[web.NameValuePairArgsDict]:
    settings: dict[str, pulumi.Input[str]] = {
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": pulumi.Output.format(
            "ClientId={0};Authorization=AAD", args.identity.client_id
        ),
        "APPLICATIONINSIGHTS_CONNECTION_STRING": args.monitoring.connection_string,
        "APP_SWEEP_GRACE_SECONDS": str(args.sweep_grace_seconds),
        "APP_SWEEP_PAUSE_SECONDS": str(args.sweep_pause_seconds),
        "APP_SWEEP_SCHEDULE": args.sweep_schedule,
        "AZURE_CLIENT_ID": args.identity.client_id,
        "AZURE_RESOURCE_MANAGER_ENDPOINT": RESOURCE_MANAGER,
        "PYTHON_THREADPOOL_THREAD_COUNT": str(WORKER_THREADS),
    }
    settings |= args.runner.function_settings
    settings |= identity_connection(
        "AzureWebJobsStorage",
        args.identity.client_id,
        {"blob": args.host.blob_endpoint, "queue": args.host.queue_endpoint},
    )
    settings |= storage_settings(args.storage, args.names, args.identity)
    return [web.NameValuePairArgsDict(name=key, value=value) for key, value in sorted(settings.items())]


def _function_app_config(args: FunctionAppArgs) -> web.FunctionAppConfigArgs:
    return web.FunctionAppConfigArgs(
        deployment=web.FunctionsDeploymentArgs(
            storage=web.FunctionsDeploymentStorageArgs(
                authentication=web.FunctionsDeploymentStorageAuthenticationArgs(
                    type=web.AuthenticationType.USER_ASSIGNED_IDENTITY,
                    user_assigned_identity_resource_id=args.identity.identity_id,
                ),
                type=web.FunctionsDeploymentStorageType.BLOB_CONTAINER,
                value=pulumi.Output.concat(args.artifacts.blob_endpoint, args.artifacts.package_container_name),
            )
        ),
        runtime=web.FunctionsRuntimeArgs(name=web.RuntimeName.PYTHON, version=PYTHON_VERSION),
        scale_and_concurrency=web.FunctionsScaleAndConcurrencyArgs(
            instance_memory_mb=args.memory_mb, maximum_instance_count=MAXIMUM_INSTANCES
        ),
    )
