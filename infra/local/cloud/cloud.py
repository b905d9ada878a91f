"""The cloud that the program meets on this machine: each resource type has a handler that really makes it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs

from infra.local.cloud.machine import Machine
from infra.local.cloud.naming import PATHS, name_resource

PROVIDER: Final = "pulumi:providers:"

Properties = dict[str, Any]


class CloudError(RuntimeError):
    """The program declares what this cloud cannot make, or what Azure would refuse; the text names it."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A resource as declared: ``inputs`` without secret wrappers and with whole numbers as integers.

    ``id`` and ``name`` are those of Azure, ``title`` is the logical name in the program.
    """

    id: str
    inputs: Properties
    name: str
    title: str
    token: str


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What handlers work with: the machine, and the ids that stand for the account with Azure."""

    location: str
    machine: Machine
    subscription: str
    tenant: str


ResourceHandler = Callable[[Scene, Declared], Properties]
InvokeHandler = Callable[[Scene, Properties], Properties]


class LocalCloud(pulumi.runtime.Mocks):
    """Makes each declared resource with the handler of its type."""

    def __init__(
        self, scene: Scene, resources: Mapping[str, ResourceHandler], invokes: Mapping[str, InvokeHandler]
    ) -> None:
        self._invokes = invokes
        self._lock = threading.Lock()
        self._made: set[str] = set()
        self._resources = resources
        self._scene = scene
        self._taken: set[str] = set()

    def call(self, args: MockCallArgs) -> tuple[Properties, list[tuple[str, str]] | None]:
        """Answer a function call of a provider.

        Raises:
            CloudError: the function is not known here.
        """
        handler = self._invokes.get(args.token)
        if handler is None:
            raise CloudError(
                f"The program calls {args.token}, which the local run does not know. Add it to its handlers."
            )
        return handler(self._scene, plain(args.args)), []

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, Properties]:
        """Make a resource; return its id and properties.

        Raises:
            CloudError: the type is not known here, the name is taken, or a resource that it lives in is missing.
        """
        if not args.custom or args.typ.startswith(PROVIDER):
            return args.name, dict(args.inputs)
        handler = self._resources.get(args.typ)
        if handler is None:
            raise CloudError(
                f"The program declares {args.name!r} of type {args.typ}, which the local run does not know. "
                "Add a handler that makes it, or leave the resource out."
            )
        start = time.monotonic()
        declared = self._declare(args)
        properties = handler(self._scene, declared)
        resource_id = str(properties.pop("id", declared.id))
        with self._lock:
            self._made.add(resource_id.lower())
        self._scene.machine.watcher.made(args.typ, declared.name, time.monotonic() - start)
        return resource_id, {**args.inputs, "name": declared.name, **properties}

    def _declare(self, args: MockResourceArgs) -> Declared:
        inputs = plain(args.inputs)
        if args.typ not in PATHS:
            name = str(inputs.get("resourceGroupName") or args.name)
            return Declared(
                id=f"local/{args.typ}/{args.name}", inputs=inputs, name=name, title=args.name, token=args.typ
            )
        suffix = self._scene.machine.data.suffix(f"{args.typ} {args.name}")
        try:
            named = name_resource(args.typ, args.name, inputs, self._scene.subscription, suffix)
        except KeyError as error:
            raise CloudError(f"{args.name!r} of type {args.typ} lacks the property {error}.") from error
        with self._lock:
            if named.id.lower() in self._taken:
                raise CloudError(
                    f"{args.name!r} would be {named.id}, which another resource is already. Give it another name."
                )
            self._taken.add(named.id.lower())
            missing = [parent for parent in named.parents if parent.lower() not in self._made]
        if missing:
            raise CloudError(
                f"{args.name!r} lives in {missing[0]}, which was not made before it. Take that name from an output."
            )
        return Declared(id=named.id, inputs=inputs, name=named.name, title=args.name, token=args.typ)


class StrictMonitor(MockMonitor):
    """The mock engine, which also refuses two resources of one type, name and parent as the real engine does."""

    def __init__(self, mocks: pulumi.runtime.Mocks) -> None:
        super().__init__(mocks)
        self._urn_lock = threading.Lock()
        self._urns: set[str] = set()

    def RegisterResource(self, request: Any) -> Any:
        """Register a resource.

        Raises:
            CloudError: there is one of the same URN.
        """
        urn = self.make_urn(request.parent, request.type, request.name)
        with self._urn_lock:
            if urn in self._urns:
                raise CloudError(f"Two resources have the URN {urn}. Give one of them another name.")
            self._urns.add(urn)
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


def plain(value: Any) -> Any:
    """Return a property value without secret wrappers, and with integers for the floats that stand for them."""
    if rpc.is_rpc_secret(value):
        return plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
