"""Tags of an image that is in a registry already, as a resource: set through the registry's API, without any engine."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import CheckResult, ConfigureRequest, CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra.deployer.credentials import DeployerSignIn
from infra.deployer.signed_in import SignedInProvider, new_sign_in, take_token

if TYPE_CHECKING:
    from infra.deployer.registry_client import Repository

PLACE = ("login_server", "registry_id", "repository")


class ImageTagProvider(SignedInProvider):
    """Points tags to an image; the properties are those of :class:`ImageTag`.

    Two outputs are kept besides: ``built``, the reference that the image was built as, and ``tagged``, the digest that
    each tag points to. No token is kept: the deployer signs in to the registry when it is used. Tags stay where they
    are when the resource goes, since they go with the registry, and since deleting one could take the image along.
    """

    registry_sign_in: DeployerSignIn

    def configure(self, req: ConfigureRequest) -> None:
        """Remember how to sign in to the registry, too."""
        super().configure(req)
        self.registry_sign_in = new_sign_in(req)

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Take both tokens aside."""
        take_token(self.registry_sign_in, news, "registry_token")
        return super().check(_olds, news)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Point the tags to the image as it was built."""
        outputs = self._tagged(props, props["reference"])
        return CreateResult(id_=f"{props['login_server']}/{props['repository']}:{props['tag_names'][0]}", outs=outputs)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Point tags anew where another image was built, other tags are wanted, or a tag points somewhere else."""
        replaces = [name for name in PLACE if _olds.get(name) != _news.get(name)]
        moved = any(digest != _digest(_olds["reference"]) for digest in _olds.get("tagged", {}).values())
        built = _olds.get("built") != _news.get("reference")
        changes = moved or built or any(_olds.get(name) != _news.get(name) for name in ("content", "tag_names"))
        return DiffResult(changes=changes or bool(replaces), replaces=replaces, delete_before_replace=False)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Return where the tags point now, or nothing where the registry or a tag is gone."""
        with self._repository(props) as repository:
            found = {tag: repository.digest(tag) for tag in props["tag_names"]} if repository is not None else {}
        if not found or None in found.values():
            return ReadResult(id_="", outs={})
        return ReadResult(id_=id_, outs=props | {"tagged": found})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Point the tags to the new image, or to the old one where the new one was built of the same content.

        Two builds of the same content differ in their dates, and an image that differs in nothing else is not worth
        new container groups.
        """
        reference = _news["reference"]
        if _olds["content"] == _news["content"] and _olds["reference"] != reference:
            with self._repository(_news) as repository:
                if repository is not None and repository.digest(_digest(_olds["reference"])) is not None:
                    reference = _olds["reference"]
        return UpdateResult(outs=self._tagged(_news, reference))

    def _repository(self, props: dict[str, Any]) -> AbstractContextManager[Repository | None]:
        # Only the provider needs what speaks to Azure, not each run of the program.
        from infra.deployer.registry_client import deployers_repository

        return deployers_repository(
            self.sign_in,
            self.registry_sign_in,
            login_server=props["login_server"],
            name=props["repository"],
            registry_id=props["registry_id"],
        )

    def _tagged(self, props: dict[str, Any], reference: str) -> dict[str, Any]:
        with self._repository(props) as repository:
            if repository is None:
                raise RuntimeError(
                    f"There is no registry {props['registry_id']}. Run 'pulumi refresh', then 'pulumi up'."
                )
            repository.tag(_digest(reference), props["tag_names"])
        tagged = dict.fromkeys(props["tag_names"], _digest(reference))
        return props | {"built": props["reference"], "reference": reference, "tagged": tagged}


class ImageTag(Resource, module="containerregistry", name="ImageTag"):
    """Tags of one image in a registry; the output ``reference`` is the image by digest that is to be deployed."""

    reference: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        content: str,
        login_server: pulumi.Input[str],
        reference: pulumi.Input[str],
        registry_id: pulumi.Input[str],
        registry_token: pulumi.Input[str],
        repository: str,
        tag_names: Sequence[str],
        token: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the tags.

        Args:
            name: the resource's name in the stack.
            content: a text that stands for all that the image was built from.
            login_server: the registry's host.
            reference: the image as it was built, by digest.
            registry_id: ARM id of the registry.
            registry_token: of the provider for registries; not kept.
            repository: the image's path in the registry.
            tag_names: at least one.
            token: of the provider for Azure Resource Manager; not kept.
            opts: the resource's options.
        """
        super().__init__(
            ImageTagProvider(),
            name,
            {
                "content": content,
                "login_server": login_server,
                "reference": reference,
                "registry_id": registry_id,
                "registry_token": pulumi.Output.secret(registry_token),
                "repository": repository,
                "tag_names": list(tag_names),
                "token": pulumi.Output.secret(token),
            },
            opts,
        )


def _digest(reference: str) -> str:
    return reference.rpartition("@")[2]
