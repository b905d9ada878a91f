"""A text file on a file share, as a resource whose content shows in the diff line by line."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pulumi
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

if TYPE_CHECKING:
    from azure.storage.fileshare import ShareClient

PLACE = ("account_url", "path", "share_name")


class ShareFileProvider(ResourceProvider):
    """Puts, reads and removes one file; the properties are those of :class:`ShareFile`.

    The class is importable and without state, so what Pulumi stores of it is its name and nothing of this machine.
    """

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Put the file up, over one of the same name, and make the folders above it."""
        _put(props)
        return CreateResult(id_="/".join((props["share_name"], props["path"])), outs=props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove the file; one that is gone already, with its share or not, is no error."""
        with _share(_props) as share:
            try:
                share.get_file_client(_props["path"]).delete_file()
            except ResourceNotFoundError:
                pulumi.log.debug(f"{_props['path']} was gone already.")

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Replace a file that moves, update one whose text differs; a new account key alone changes nothing on it."""
        replaces = [name for name in PLACE if _olds.get(name) != _news.get(name)]
        changes = bool(replaces) or any(_olds.get(name) != _news.get(name) for name in ("account_key", "content"))
        return DiffResult(changes=changes, replaces=replaces, delete_before_replace=False)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Return the file's present text, or nothing where the file or its share is gone."""
        with _share(props) as share:
            try:
                data = share.get_file_client(props["path"]).download_file().readall()
            except ResourceNotFoundError:
                return ReadResult(id_="", outs={})
        return ReadResult(id_=id_, outs=props | {"content": data.decode("utf-8", "replace")})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Put the new text in the file's place."""
        _put(_news)
        return UpdateResult(outs=_news)


class ShareFile(Resource, module="storage", name="ShareFile"):
    """A text file on a share."""

    content: pulumi.Output[str]
    path: pulumi.Output[str]
    share_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        account_key: pulumi.Input[str],
        account_url: pulumi.Input[str],
        content: str,
        path: str,
        share_name: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the file.

        Args:
            name: the resource's name in the stack.
            account_key: the storage account's key, which stays a secret.
            account_url: the account's file endpoint, such as ``https://account.file.core.windows.net/``.
            content: the whole text.
            path: below the share, with slashes; folders are made.
            share_name: the share.
            opts: the resource's options.
        """
        super().__init__(
            ShareFileProvider(),
            name,
            {
                "account_key": pulumi.Output.secret(account_key),
                "account_url": account_url,
                "content": content,
                "path": path,
                "share_name": share_name,
            },
            opts,
        )


def _put(props: dict[str, Any]) -> None:
    with _share(props) as share:
        for folder in reversed(PurePosixPath(props["path"]).parents):
            if folder.name:
                try:
                    share.create_directory(str(folder))
                except ResourceExistsError:
                    pulumi.log.debug(f"The folder {folder} was there already.")
        share.get_file_client(props["path"]).upload_file(props["content"].encode())


def _share(props: dict[str, Any]) -> ShareClient:
    # Only the provider needs it, not each run of the program.
    from azure.storage.fileshare import ShareClient

    return ShareClient(props["account_url"], share_name=props["share_name"], credential=props["account_key"])
