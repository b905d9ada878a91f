"""The last step of a deploy, as a resource: a canary goes through the whole pipeline whenever the pipeline changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from infra.clouds import RESOURCE_MANAGER
from infra.container import WorkerGroup
from infra.events import UploadEvents
from infra.function_app import FunctionApp
from infra.provider_token import provider_token
from infra.signed_in import SignedInProvider
from infra.storage import ApplicationStorage
from infra.verification.file import CanaryFile
from pipeline_app.contract import StorageNames


@dataclass(frozen=True, kw_only=True)
class DeployVerificationArgs:
    """What is put through and what it proves.

    Attributes:
        app: the function, with its code.
        file: the user's file, which has to succeed; None is a built-in one that has to be tried.
        groups: the container groups.
        image: the image that has to process the file, by digest.
        names: container and paths.
        proves: what else is verified, by name; a change of any value verifies anew.
        seconds: how long the receipt may take.
        storage: the application storage account, whose key is asked for when it is used.
        uploads: the events of uploads.
    """

    app: FunctionApp
    file: CanaryFile | None
    groups: Sequence[WorkerGroup]
    image: pulumi.Input[str]
    names: StorageNames
    proves: Mapping[str, pulumi.Input[str]]
    seconds: int
    storage: ApplicationStorage
    uploads: UploadEvents


class CanaryProvider(SignedInProvider):
    """Puts a canary through; the properties are those of :class:`Canary`."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Put a canary through the pipeline that was deployed."""
        return CreateResult(id_="canary", outs=self._verified(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Verify anew where anything of the pipeline changed; what came of it and how long it may take are no part."""
        changes = any(_olds.get(key) != value for key, value in _news.items() if key not in ("outcome", "seconds"))
        return DiffResult(changes=changes)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Put a canary through the pipeline that was changed."""
        return UpdateResult(outs=self._verified(_news))

    def _verified(self, props: dict[str, Any]) -> dict[str, Any]:
        # Only the provider needs what speaks to Azure, not each run of the program.
        from infra.resource_manager import connected
        from infra.verification.azure import verify

        with connected(self.sign_in, RESOURCE_MANAGER) as manager:
            return props | {"outcome": verify(props, manager)}


class Canary(Resource, module="verification", name="Canary"):
    """A file that came through the pipeline; ``outcome`` says in a sentence what came of it."""

    outcome: pulumi.Output[str]

    def __init__(self, name: str, properties: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        """Declare it.

        Args:
            name: the resource's name in the stack.
            properties: those that :func:`infra.verification.azure.verify` reads, what is proved, and the token.
            opts: the resource's options.
        """
        super().__init__(CanaryProvider(), name, {**properties, "outcome": None}, opts)


class DeployVerification(pulumi.ComponentResource):
    """A canary that goes through the pipeline once all else is there, whenever anything of it changed."""

    outcome: pulumi.Output[str]

    def __init__(self, name: str, args: DeployVerificationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:DeployVerification", name, None, opts)
        token: pulumi.Output[str] = pulumi.Output.secret(provider_token(self, after=args.uploads))
        properties = {
            "account_id": args.storage.account_id,
            "blob_endpoint": args.storage.blob_endpoint,
            "container": args.names.container,
            "file": args.file.path if args.file else "",
            "file_sha256": args.file.sha256 if args.file else "",
            "group_ids": [group.group_id for group in args.groups],
            "image": args.image,
            "input_path": args.names.input_path,
            "output_path": args.names.output_path,
            "proves": dict(args.proves),
            "queue_endpoint": args.storage.queue_endpoint,
            "seconds": args.seconds,
            "token": token,
        }
        after = [args.app, *args.groups, args.uploads]
        canary = Canary(f"{name}-canary", properties, pulumi.ResourceOptions(depends_on=after, parent=self))
        self.outcome = canary.outcome
        self.register_outputs({"outcome": self.outcome})
