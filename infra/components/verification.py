"""The last step of a deploy: what a canary proves, and whenever any of it changed, another one goes through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.components.events import UploadEvents
from infra.components.function_app import FunctionApp
from infra.components.storage import ApplicationStorage
from infra.components.worker import Runner
from infra.deployer.provider_token import provider_token
from infra.settings.verify_file import CanaryFile
from infra.verification.resource import Canary
from pipeline_app.contract import StorageNames


@dataclass(frozen=True, kw_only=True)
class DeployVerificationArgs:
    """What is put through and what it proves.

    Attributes:
        app: the function, with its code.
        file: the user's file, which has to succeed; None is a built-in one that has to be tried.
        image: the image that has to process the file, by digest.
        names: container and paths.
        proves: what else is verified, by name; a change of any value verifies anew.
        runner: what runs the workers.
        seconds: how long the receipt may take.
        storage: the application storage account, whose key is asked for when it is used.
        uploads: the events of uploads.
    """

    app: FunctionApp
    file: CanaryFile | None
    image: pulumi.Input[str]
    names: StorageNames
    proves: Mapping[str, pulumi.Input[str]]
    runner: Runner
    seconds: int
    storage: ApplicationStorage
    uploads: UploadEvents


class DeployVerification(pulumi.ComponentResource):
    """A canary that goes through the pipeline once all else is there, whenever anything of it changed."""

    outcome: pulumi.Output[str]

    def __init__(self, name: str, args: DeployVerificationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:DeployVerification", name, None, opts)
        token: pulumi.Output[str] = pulumi.Output.secret(provider_token(self, after=args.uploads))
        properties: dict[str, Any] = {
            "account_id": args.storage.account_id,
            "blob_endpoint": args.storage.blob_endpoint,
            "container": args.names.container,
            "file": args.file.path if args.file else "",
            "file_sha256": args.file.sha256 if args.file else "",
            "group_ids": list(args.runner.group_ids),
            "image": args.image,
            "input_path": args.names.input_path,
            "output_path": args.names.output_path,
            "proves": dict(args.proves),
            "queue_endpoint": args.storage.queue_endpoint,
            "seconds": args.seconds,
            "token": token,
        }
        if args.runner.job_id is not None:
            properties["job_id"] = args.runner.job_id
        after = [args.app, *args.runner.components, args.uploads]
        canary = Canary(f"{name}-canary", properties, pulumi.ResourceOptions(depends_on=after, parent=self))
        self.outcome = canary.outcome
        self.register_outputs({"outcome": self.outcome})
