"""A local run from its start to its end: lock, machine, program, and the file that tells clients how to connect."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from infra.local.cloud.cloud import LocalCloud, Scene, StrictMonitor
from infra.local.cloud.handlers import INVOKES, RESOURCES
from infra.local.cloud.machine import AZURITE_FOLDER, OUTPUTS, Machine, Options
from infra.local.cloud.program import read_stack, run_program
from infra.local.data.folder import DataFolder, DataFolderError, write_private
from infra.local.data.private import NotPrivateError, require_trusted
from infra.local.services.apps_jobs import Delays
from infra.local.services.containers import ContainerGroup
from infra.local.watching.watcher import Watcher
from infra.packages.function_package import BUILD_DIRECTORY
from pipeline_app.contract import StorageNames

LOCATION_KEY: Final = "azure-native:location"
POLLING_SECONDS: Final = 1.0
PROJECT: Final = Path(__file__).resolve().parents[3]


class RunError(RuntimeError):
    """The stack was made, yet a client could not use it; the text says what is missing."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a person chose on the command line.

    ``delays`` and ``polling_seconds`` are those of a Container Apps job; Azure's scaler looks every 30 seconds as a
    rule, for which nobody waits here.
    """

    config: Mapping[str, str]
    containers: bool
    data: Path
    delays: Delays = field(default_factory=Delays)
    polling_seconds: float = POLLING_SECONDS
    stack: str


class LocalRun:
    """One run over one data folder. ``open`` makes everything, ``close`` takes it down, in any state."""

    def __init__(self, options: RunOptions, watcher: Watcher) -> None:
        """Take the data folder.

        Raises:
            DataFolderError: another run uses it, it or the project's folder cannot be written to, or another user has,
                or could have, put something into either.
        """
        if not os.access(PROJECT, os.W_OK):
            raise DataFolderError(
                f"The project's folder {PROJECT} cannot be written to, and what is built goes below it. Copy it to a "
                "folder that can be written to, and run it there."
            )
        try:
            # Whoever owns the project has written what is run here in any case.
            for name in (AZURITE_FOLDER, BUILD_DIRECTORY):
                require_trusted(PROJECT / name, {os.geteuid(), PROJECT.stat().st_uid})
        except NotPrivateError as error:
            raise DataFolderError(str(error)) from error
        self._options = options
        self._watcher = watcher
        self.data = DataFolder(options.data)
        if self.data.tightened:
            watcher.log("data folder", self.data.tightened)
        self.machine: Machine | None = None
        # A file of an earlier run would tell of endpoints that are gone.
        (self.data.root / OUTPUTS).unlink(missing_ok=True)

    def open(self) -> dict[str, Any]:
        """Make all resources; return the stack's outputs and what a client needs, as ``outputs.json`` has them.

        Raises:
            Exception: whatever the program, a handler or a process failed with.
        """
        options = Options(
            containers=self._options.containers,
            delays=self._options.delays,
            polling_seconds=self._options.polling_seconds,
            project=PROJECT,
        )
        machine = Machine(options, self.data, self._watcher)
        self.machine = machine
        overrides = {"artifactCache": str(machine.artifact), **self._options.config}
        stack = read_stack(PROJECT, self._options.stack, overrides)
        scene = Scene(
            location=stack.config.get(LOCATION_KEY, "local"),
            machine=machine,
            subscription=self.data.uuid("subscription"),
            tenant=self.data.uuid("tenant"),
        )
        monitor = StrictMonitor(LocalCloud(scene, RESOURCES, INVOKES))
        outputs = run_program(PROJECT, stack, monitor) | self._connection(machine)
        # There is nothing of this run to be seen in Azure's portal.
        outputs.pop("portalUrl", None)
        write_private(self.data.root / OUTPUTS, json.dumps(outputs, indent=2, sort_keys=True) + "\n")
        return outputs

    def close(self) -> None:
        """End every process and let the data folder go."""
        if self.machine:
            self.machine.close()
        (self.data.root / OUTPUTS).unlink(missing_ok=True)
        self.data.release()

    def groups(self) -> list[ContainerGroup]:
        """Return the container groups that were made."""
        return list(self.machine.groups.values()) if self.machine else []

    @property
    def lost(self) -> str | None:
        """Why all processes were ended as in a power cut, in sentences, or None if they were not."""
        return self.machine.lost if self.machine else None

    def interrupt(self) -> None:
        """Make a ``open`` that is under way fail soon, from another thread: it gets no process any more."""
        if self.machine:
            self.machine.supervisor.close()

    def _connection(self, machine: Machine) -> dict[str, str]:
        sites = list(machine.sites.values())
        if len(sites) != 1 or len(machine.shares) != 1:
            found = f"{len(sites)} Function Apps and {len(machine.shares)} file shares"
            raise RunError(f"The stack has {found}; a run needs one of each.")
        names = StorageNames.from_environment(sites[0].settings)
        ((owner, _),) = machine.shares
        account = machine.accounts[owner]
        machine.follow(account, names)
        connection = account.connection_string
        return {
            "appStorageConnectionString": connection,
            "appStorageContainer": names.container,
            "inputPath": names.input_path,
            "outputPath": names.output_path,
            "shareDirectory": str(next(iter(machine.shares.values()))),
            # The stack's own goes to whoever has an account of that name in Azure.
            "uploadCommand": (
                f"az storage blob upload --connection-string '{connection}' --container-name {names.container} "
                f"--name {names.input_path}/FILE --file FILE"
            ),
        }
