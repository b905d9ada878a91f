"""All that runs on this machine for one stack, and how it is taken down."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.local.data.folder import DataFolder, disk_problem
from infra.local.processes.supervisor import Supervisor
from infra.local.services.apps_jobs import AppsJob, Delays
from infra.local.services.arm import ArmServer
from infra.local.services.azurite import StorageAccount, install
from infra.local.services.containers import ContainerGroup
from infra.local.services.engines import DockerEngine, Engine, ProcessEngine
from infra.local.services.event_grid import EventGrid
from infra.local.services.functions import Site
from infra.local.services.identity import Directory, TokenServer
from infra.local.services.images import Builder, DockerBuilder, Image, PrefixBuilder, unseal
from infra.local.services.progress import Progress
from infra.local.services.registry import RegistryServer
from infra.local.watching.disk import DiskWatch
from infra.local.watching.watcher import Watcher
from infra.settings.clouds import REGISTRY_AUDIENCE
from pipeline_app.contract import StorageNames

AZURITE_FOLDER: Final = ".azurite"
OUTPUTS: Final = "outputs.json"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run.

    Attributes:
        containers: asks for real images and containers.
        delays: of the executions of a Container Apps job.
        polling_seconds: the time between two looks of its scaler; None is as the stack has it.
        project: the program's folder.
    """

    containers: bool
    delays: Delays = field(default_factory=Delays)
    polling_seconds: float | None = None
    project: Path


@dataclass(frozen=True)
class AppsEnvironment:
    """An environment of Container Apps: types of workload profiles and folders of storages, by their names."""

    profiles: Mapping[str, str]
    storages: dict[str, Path] = field(default_factory=dict)


class Machine:
    """The parts that resources are made of. The dictionaries are filled while the program runs, by ARM id or name."""

    def __init__(self, options: Options, data: DataFolder, watcher: Watcher) -> None:
        """End what an earlier run left and open the endpoints.

        Raises:
            ImageError: containers are asked for and there is no engine for them.
        """
        self.accounts: dict[str, StorageAccount] = {}
        self.artifact = data.root / "artifact"
        self.data = data
        self.directory = Directory()
        self.environments: dict[str, AppsEnvironment] = {}
        self.grid = EventGrid(watcher, data.root / "events-delivered-until", self.lose_disk)
        self.groups: dict[str, ContainerGroup] = {}
        self.identities: dict[str, str] = {}
        self.images: dict[str, Image] = {}
        self.jobs: dict[str, AppsJob] = {}
        self.lost: str | None = None
        self.role_names: set[str] = set()
        self.shares: dict[tuple[str, str], Path] = {}
        self.sites: dict[str, Site] = {}
        self.topics: dict[str, str] = {}
        self.supervisor = Supervisor(data.root / "processes.json", data.root / OUTPUTS, self.lose_disk)
        self.watcher = watcher
        self._azurite = threading.Lock()
        self._disk = DiskWatch(data.root, watcher, self.lose_disk)
        self._progress: list[Progress] = []
        self._messages: dict[str, str] = {}
        self.options = options
        self._program: Path | None = None
        for name in self.supervisor.end_orphans():
            watcher.warn("supervisor", f"Ended {name}, which a killed run had left.")
        containers, logs = data.folder("containers"), data.folder("logs")
        self.builder: Builder
        self.engine: Engine
        if options.containers:
            self.builder = DockerBuilder(options.project, data, self.supervisor)
            self.engine = DockerEngine(f"file-processing-{data.suffix('containers')}", containers, logs)
        else:
            self.builder = PrefixBuilder(options.project, data, self.supervisor, self._installing)
            self.engine = ProcessEngine(containers, logs, data.root)
        self.engine.clear_all()
        self.authority_file = data.root / "authority.pem"
        self.tokens = TokenServer(self.directory)
        self.arm = ArmServer(self.directory, self.groups, self.authority_file, self.jobs)
        self.registry = RegistryServer(self.deployer_token(REGISTRY_AUDIENCE), int(data.suffix("registry port"), 16))
        for server in (self.arm, self.registry, self.tokens):
            name = type(server).__name__
            threading.Thread(target=server.serve_forever, daemon=True, name=name).start()
        self.grid.on_delivery(self._messages.__setitem__)
        self._disk.start()

    def azurite(self) -> Path:
        """Return Azurite's program, installed at the first call.

        Raises:
            CommandError: it could not be installed; the text has npm's last lines.
        """
        with self._azurite:
            if self._program is None:
                folder = self.options.project / AZURITE_FOLDER
                self._program = install(self.supervisor, folder, lambda text: self.watcher.log("azurite", text))
            return self._program

    def _installing(self, line: str) -> None:
        self.watcher.log("installer", line)

    def called(self, function: str, message_id: str, outcome: str) -> None:
        """Take note of a function's call, which may leave an event behind that nobody looks at any more."""
        name = self._messages.pop(message_id, None) if outcome in ("done", "poison") else None
        if outcome == "poison":
            self.watcher.warn(function, f"The event of {name or message_id} could not be handled.")

    def queued(self, name: str) -> None:
        """Take note that there is a job for an input."""
        self.watcher.stage(name, "job")

    def deployer_token(self, audience: str) -> str:
        """Return the token by which who deploys is known to whom it is for."""
        return self.data.key(f"deployer token for {audience.rstrip('/')}")

    def follow(self, account: StorageAccount, names: StorageNames) -> None:
        """Tell the watcher what becomes of the inputs in an account."""
        self._progress.append(Progress(account, names, self.watcher))

    def lose_storage(self, reason: str) -> None:
        """End all processes at once, as a power cut does, and interrupt the main thread; ``lost`` then says why.

        Azurite loses up to five seconds of acknowledged writes when it dies. Whoever goes on believing them could
        delete the message of a file whose receipt is gone.
        """
        if self.lost is None:
            self.lost = (
                f"{reason} It forgets up to five seconds of what it had acknowledged, so everything was ended at once, "
                "as in a power cut. Start the run again over the same data and it goes on; upload again what is gone."
            )
        self.supervisor.kill()
        self._interrupt()

    def lose_disk(self, error: OSError) -> None:
        """End the run in good order, since what it has to remember cannot be written; ``lost`` then says why."""
        if self.lost is not None or self.supervisor.closing.is_set():
            return
        self.lost = f"{disk_problem(self.data.root, error)} So the run ends; the next one over the same data goes on."
        self._interrupt()

    def _interrupt(self) -> None:
        main = threading.main_thread().ident
        if main is not None:
            signal.pthread_kill(main, signal.SIGINT)

    def close(self) -> None:
        """End everything, the newest first; storage goes last, so that workers can give their work back."""
        self._disk.close()
        for job in self.jobs.values():
            job.stop()
        self.supervisor.close()
        self.grid.close()
        for progress in self._progress:
            progress.close()
        for server in (self.arm, self.registry, self.tokens):
            server.shutdown()
            server.server_close()
        for group in self.groups.values():
            group.clear()
        for job in self.jobs.values():
            job.clear()
        for image in self.images.values():
            # Whoever removes the data folder may do so.
            if image.folder is not None:
                unseal(image.folder / "opt" / "app")
