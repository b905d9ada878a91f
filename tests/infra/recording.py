"""Running the whole program under Pulumi's mocks, and keeping what it registers.

Every id and name that the mocks give out begins with a mark, so that a value made by hand cannot pass for one that
came from a resource; every secret contains a word that must appear nowhere in plain.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import runpy
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pulumi
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, set_mocks
from pulumi.runtime.settings import SETTINGS, get_root_resource
from pulumi.runtime.stack import Stack, run_pulumi_func

FROM_OUTPUT = "~"
PROJECT_FOLDER = Path(__file__).parents[2]
PROJECT_NAME = "file-processing-pipeline"
SECRET = "SECRET"
SECRET_MARK = "1b47061264138c4ac30d75fd1eb44270"
SIGNATURE = "4dabf18193072939515e22adb298388d"
SUBSCRIPTION = f"{FROM_OUTPUT}subscription"
UPLOADER = "22222222-2222-3333-4444-555555555555"

# The property that a resource's own name is given in, by type.
NAME_PROPERTIES = {
    "azure-native:containerinstance:ContainerGroup": "containerGroupName",
    "azure-native:containerregistry:Registry": "registryName",
    "azure-native:keyvault:Secret": "secretName",
    "azure-native:keyvault:Vault": "vaultName",
    "azure-native:storage:Blob": "blobName",
    "azure-native:storage:BlobContainer": "containerName",
    "azure-native:storage:FileShare": "shareName",
    "azure-native:storage:Queue": "queueName",
    "azure-native:storage:StorageAccount": "accountName",
}


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A resource as registered: ``inputs`` in plain, ``raw`` with secrets as they travel to the engine."""

    inputs: dict[str, Any]
    name: str
    raw: dict[str, Any]
    request: Any
    token: str

    @property
    def id(self) -> str:
        """The id that the mocks gave it."""
        return f"{FROM_OUTPUT}{self.token}/{self.name}"


@dataclass(kw_only=True)
class Run:
    """What a program did; ``sign_ins`` are those to registries to push, as (server, repository, token)."""

    invokes: list[MockCallArgs] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    resources: list[Registered] = field(default_factory=list)
    secret_outputs: set[str] = field(default_factory=set)
    sign_ins: list[tuple[str, str, str]] = field(default_factory=list)
    topic_source: str = f"{FROM_OUTPUT}azure-native:storage:StorageAccount/files"

    def all(self, token: str) -> list[Registered]:
        """Return the resources of a type, by name; ``token`` is the type's last part, such as ``storage:Queue``."""
        return sorted(
            (each for each in self.resources if each.token.endswith(f":{token}") or each.token == token),
            key=lambda each: each.name,
        )

    def one(self, token: str, name: str | None = None) -> Registered:
        """Return the only resource of a type, or the one of that name."""
        found = [each for each in self.all(token) if name is None or each.name == name]
        assert len(found) == 1, f"{token} {name}: {[each.name for each in found]}"
        return found[0]


class RecordingMocks(pulumi.runtime.Mocks):
    """Answers as Azure would, as far as the program looks at it."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        self.run.invokes.append(args)
        answers: dict[str, dict[str, Any]] = {
            "azure-native:authorization:getClientConfig": {
                "clientId": f"{FROM_OUTPUT}client",
                "objectId": f"{FROM_OUTPUT}object",
                "subscriptionId": SUBSCRIPTION,
                "tenantId": f"{FROM_OUTPUT}tenant",
            },
            "azure-native:authorization:getClientToken": {"token": f"{SECRET}-token"},
            "azure-native:containerregistry:listRegistryCredentials": {
                "passwords": [{"name": "password", "value": f"{SECRET}-registry"}],
                "username": f"{FROM_OUTPUT}admin",
            },
            "azure-native:eventgrid:getSystemTopic": {
                "id": f"{FROM_OUTPUT}topic-of-somebody",
                "name": args.args.get("systemTopicName"),
                "source": self.run.topic_source,
            },
            "azure-native:storage:listStorageAccountKeys": {
                "keys": [{"keyName": "key1", "permissions": "FULL", "value": f"{SECRET}-account"}]
            },
        }
        return answers[args.token], []

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        given = args.inputs.get(NAME_PROPERTIES.get(args.typ, "name")) or args.name
        outputs = args.inputs | {"name": f"{FROM_OUTPUT}{given}"}
        if "identity" in outputs:
            outputs["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {}}
        if args.typ == "azure-native:storage:StorageAccount":
            outputs["primaryEndpoints"] = {
                service: f"{FROM_OUTPUT}https://{args.name}.{service}/"
                for service in ("blob", "file", "queue", "table")
            }
        extra: dict[str, dict[str, Any]] = {
            "azure-native:applicationinsights:Component": {"connectionString": f"{SECRET}-insights"},
            "azure-native:containerregistry:Registry": {"loginServer": f"{FROM_OUTPUT}registry.example"},
            "azure-native:keyvault:Vault": {
                "properties": dict(args.inputs.get("properties", {})) | {"vaultUri": f"{FROM_OUTPUT}https://vault/"}
            },
            "azure-native:managedidentity:UserAssignedIdentity": {
                "clientId": f"{FROM_OUTPUT}client-of-{args.name}",
                "principalId": f"{FROM_OUTPUT}principal-of-{args.name}",
            },
            "azure-native:operationalinsights:Workspace": {"customerId": f"{FROM_OUTPUT}customer"},
            "azure-native:storage:Blob": {"url": f"{FROM_OUTPUT}https://artifacts.blob/{args.name}"},
            "docker:index/image:Image": {"repoDigest": f"{FROM_OUTPUT}registry.example/worker@sha256:{'a' * 64}"},
        }
        return f"{FROM_OUTPUT}{args.typ}/{args.name}", outputs | extra.get(args.typ, {})


class RecordingMonitor(MockMonitor):
    """Keeps the requests themselves, in which secrets are still told apart."""

    def __init__(self, run: Run) -> None:
        super().__init__(RecordingMocks(run))
        self._lock = threading.Lock()
        self._run = run

    def RegisterResource(self, request: Any) -> Any:
        if request.type != "pulumi:pulumi:Stack":
            raw = MessageToDict(request.object)
            with self._lock:
                self._run.resources.append(
                    Registered(inputs=plain(raw), name=request.name, raw=raw, request=request, token=request.type)
                )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


def plain(value: Any) -> Any:
    """Return a value without the wrappers of secrets."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET_MARK:
            return plain(value["value"])
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def environment_of(group: Registered) -> dict[str, str]:
    """Return the worker's environment in a container group."""
    return {each["name"]: each["value"] for each in group.inputs["containers"][0]["environmentVariables"]}


def settings_of(app: Registered) -> dict[str, str]:
    """Return the settings of a function app."""
    return {each["name"]: each["value"] for each in app.inputs["siteConfig"]["appSettings"]}


def texts(value: Any) -> Iterator[str]:
    """Yield every text outside a secret."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) != SECRET_MARK:
            for each in value.values():
                yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def run_program(config: Mapping[str, str], run: Run | None = None, *, preview: bool = False) -> Run:
    """Run ``__main__.py`` with a configuration by short key, or by full key where it has a colon.

    What it does goes into ``run`` where one is given, which has it also when the program fails. No registry is spoken
    to: the token that the image would be pushed with is invented.
    """
    run = run or Run()

    def push_token(server: str, repository: str, token: str) -> str:
        run.sign_ins.append((server, repository, token))
        return f"{SECRET}-push-{len(run.sign_ins)}"

    settings = {key if ":" in key else f"{PROJECT_NAME}:{key}": value for key, value in config.items()}
    loops: list[asyncio.AbstractEventLoop] = []
    try:
        with patch("infra.deployer.registry_sign_in.push_token", push_token):
            asyncio.run(_run(settings, run, loops, preview))
    finally:
        # The program does without, since it ends soon; the tests do not.
        gc.enable()
        for loop in loops:
            loop.close()
    return run


async def _run(settings: dict[str, str], run: Run, loops: list[asyncio.AbstractEventLoop], preview: bool) -> None:
    def give_loop() -> None:
        # The mocks want a loop in each thread that they answer in, and leave it open where they make it themselves.
        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])

    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(16, initializer=give_loop))
    # Whatever waits for a failed resource repeats its failure; the failure itself is raised.
    loop.set_exception_handler(lambda _loop, _context: None)
    # The runtime keeps what an earlier program left undone, tied to a loop that is closed by now.
    SETTINGS.rpc_manager.clear()
    SETTINGS.outputs.clear()
    monitor = RecordingMonitor(run)
    set_mocks(monitor.mocks, monitor=monitor, preview=preview, project=PROJECT_NAME, stack="dev")
    pulumi.runtime.set_all_config(settings)
    with _inside(PROJECT_FOLDER):
        await run_pulumi_func(_program)
    root = get_root_resource()
    assert isinstance(root, Stack)
    for name, value in root.outputs.items():
        output = pulumi.Output.from_input(value)
        run.outputs[name] = await output.future()
        if await output.is_secret():
            run.secret_outputs.add(name)


def _program() -> None:
    runpy.run_path(str(PROJECT_FOLDER / "__main__.py"))


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
