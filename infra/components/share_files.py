"""The worker's config files on the application's share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.components.storage import ApplicationStorage
from infra.deployer.provider_token import provider_token
from infra.deployer.share_file import ShareFile


@dataclass(frozen=True, kw_only=True)
class ShareFilesArgs:
    """The files by path below the share of the application's storage.

    They change once ``image`` is there, right before the groups that take them. A group that runs until then runs
    nothing by others than those that it was made with, so an image that cannot be built must not leave it without.
    """

    files: Mapping[str, str]
    image: pulumi.Input[str]
    storage: ApplicationStorage


class ShareFiles(pulumi.ComponentResource):
    """Text files on the application's share, which go with it."""

    def __init__(self, name: str, args: ShareFilesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:ShareFiles", name, None, opts)

        def token_after(_image: str) -> pulumi.Output[str]:
            return provider_token(self, after=args.storage.share)

        token: pulumi.Output[str] = pulumi.Output.from_input(args.image).apply(token_after)
        for path, content in args.files.items():
            ShareFile(
                f"{name}-{path.replace('/', '-')}",
                account_id=args.storage.account_id,
                account_url=args.storage.file_endpoint,
                content=content,
                path=path,
                share_name=args.storage.share.name,
                token=token,
                opts=pulumi.ResourceOptions(parent=self, deleted_with=args.storage.share),
            )
        self.register_outputs({})
