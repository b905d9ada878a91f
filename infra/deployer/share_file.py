"""A text file on a file share, as a resource whose content shows in the diff line by line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import pulumi
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from infra.deployer.signed_in import SignedInProvider
from infra.settings.clouds import RESOURCE_MANAGER

if TYPE_CHECKING:
    from azure.storage.fileshare import ShareClient

PLACE: Final = ("account_url", "path", "share_name")

# A preview asks once and does not wait: what it cannot see it says.
LOOK_SECONDS: Final = 10

# A container that has the file open for a moment keeps it from being replaced.
OPEN_SECONDS: Final = 60.0


class ShareFileProvider(SignedInProvider):
    """Puts, reads and removes one file; the properties are those of :class:`ShareFile`.

    The account's key is asked for at each call and never kept, so that its rotation neither shows nor breaks anything.
    """

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Put the file up, over one of the same name, and make the folders above it."""
        with self._share(props) as share:
            _put(share, props)
        return CreateResult(id_="/".join((props["share_name"], props["path"])), outs=props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove the file; one that is gone already, with its share or account or not, is no error."""
        try:
            with self._share(_props) as share:
                share.get_file_client(_props["path"]).delete_file()
        except ResourceNotFoundError:
            pulumi.log.debug(f"{_props['path']} was gone already.")

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Replace a file that moves, update one whose text differs, also where somebody wrote over it on the share."""
        replaces = [name for name in PLACE if _olds.get(name) != _news.get(name)]
        changes = bool(replaces) or any(_olds.get(name) != _news.get(name) for name in ("account_id", "content"))
        return DiffResult(changes=changes or self._altered(_news), replaces=replaces, delete_before_replace=False)

    def _altered(self, props: dict[str, Any]) -> bool:
        """Tell whether the file on the share is another than the stack put there, and say so.

        Whoever previews may have no right to look; then it is as if nothing had happened there, and said.
        """
        from azure.core.exceptions import AzureError

        from infra.deployer.resource_manager import RefusedError

        path, repair = props["path"], "It is put back, as the stack has it."
        try:
            with self._share(props, look=True) as share:
                data = share.get_file_client(path).download_file().readall()
        except ResourceNotFoundError as error:
            if getattr(error, "error_code", None) not in ("ParentNotFound", "ResourceNotFound"):
                pulumi.log.warn(f"{path} cannot be there: its share or account is gone. Run 'pulumi refresh' first.")
                return False
            pulumi.log.warn(f"{path} is not on the share any more: somebody has removed it. {repair}")
            return True
        except (AzureError, RefusedError) as error:
            reason = str(error).splitlines()[0]
            pulumi.log.warn(f"{path} on the share could not be compared with what the stack put there: {reason}")
            return False
        if data == props["content"].encode():
            return False
        found = hashlib.sha256(data).hexdigest()
        pulumi.log.warn(
            f"{path} on the share is not what the stack put there: somebody, such as an application, has changed it "
            f"(its {len(data)} bytes have the SHA-256 {found}). {repair}"
        )
        return True

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Return the file's present text, or nothing where the file, its share or its account is gone."""
        try:
            with self._share(props) as share:
                data = share.get_file_client(props["path"]).download_file().readall()
        except ResourceNotFoundError:
            return ReadResult(id_="", outs={})
        return ReadResult(id_=id_, outs=props | {"content": data.decode("utf-8", "replace")})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Put the new text in the file's place."""
        with self._share(_news) as share:
            _put(share, _news)
        return UpdateResult(outs=_news)

    @contextmanager
    def _share(self, props: dict[str, Any], *, look: bool = False) -> Iterator[ShareClient]:
        # Only the provider needs them, not each run of the program.
        from azure.storage.fileshare import ShareClient

        from infra.deployer.resource_manager import PassingError, connected, patiently

        with connected(self.sign_in, RESOURCE_MANAGER) as manager:
            try:
                ask = manager.account_key
                key = ask(props["account_id"]) if look else patiently(lambda: ask(props["account_id"]))
            except PassingError as error:
                if error.status == 404:
                    raise ResourceNotFoundError(str(error)) from error
                raise
        options: dict[str, Any] = {"connection_timeout": LOOK_SECONDS, "retry_total": 0} if look else {}
        with ShareClient(props["account_url"], share_name=props["share_name"], credential=key, **options) as share:
            yield share


class ShareFile(Resource, module="storage", name="ShareFile"):
    """A text file on a share."""

    content: pulumi.Output[str]
    path: pulumi.Output[str]
    share_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        account_id: pulumi.Input[str],
        account_url: pulumi.Input[str],
        content: str,
        path: str,
        share_name: pulumi.Input[str],
        token: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the file.

        Args:
            name: the resource's name in the stack.
            account_id: ARM id of the storage account, whose key is asked for when it is used.
            account_url: the account's file endpoint, such as ``https://account.file.core.windows.net/``.
            content: the whole text.
            path: below the share, with slashes; folders are made.
            share_name: the share.
            token: of the provider for Azure Resource Manager; not kept.
            opts: the resource's options.
        """
        super().__init__(
            ShareFileProvider(),
            name,
            {
                "account_id": account_id,
                "account_url": account_url,
                "content": content,
                "path": path,
                "share_name": share_name,
                "token": pulumi.Output.secret(token),
            },
            opts,
        )


def _put(share: ShareClient, props: dict[str, Any]) -> None:
    """Write the file aside and move it into its place: an upload makes a file of zeros first and then fills it.

    Source: https://learn.microsoft.com/rest/api/storageservices/create-file and .../rename-file
    """
    path = PurePosixPath(props["path"])
    for folder in reversed(path.parents):
        if folder.name:
            try:
                share.create_directory(str(folder))
            except ResourceExistsError:
                pulumi.log.debug(f"The folder {folder} was there already.")
    # A name that is always the same leaves nothing behind for long: the next upload writes over it.
    aside = share.get_file_client(str(path.with_name(f".{path.name}.new")))
    aside.upload_file(props["content"].encode())
    Retrying(
        reraise=True,
        retry=retry_if_exception(lambda error: getattr(error, "error_code", None) == "SharingViolation"),
        stop=stop_after_delay(OPEN_SECONDS),
        wait=wait_fixed(2),
    )(aside.rename_file, str(path), overwrite=True)
