"""The simulated cloud: one JSON file under a lock, which providers, the proxy and the tests share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from filelock import FileLock

# Many threads ask at once, and each has done in a few milliseconds.
POLL_SECONDS: Final = 0.002

VARIABLE: Final = "STANDIN_CLOUD"

Fault: TypeAlias = Literal["after", "before"]


class CloudError(RuntimeError):
    """What the cloud refuses; the text begins with its error code."""


class Cloud:
    """A cloud in a file.

    The file holds:

    * ``blobs``: the user's, by account, container and name;
    * ``broken``: what a test has broken, see :mod:`tests.engine.standin.pipeline`;
    * ``defender``: whether a scan for malware watches every new storage account;
    * ``definition_seconds``: the age from which a role that was made is known;
    * ``faults``: see :meth:`fail_once`;
    * ``images``: digest by full name, for each tag and each digest of a registry;
    * ``keys``: ids of keys in vaults of somebody else's;
    * ``log``: every request that reached the cloud, in order;
    * ``manifests``: by digest;
    * ``may_define_roles``: whether the deployer may make roles;
    * ``principal``: who the provider signed in as;
    * ``queues``: messages by account and queue;
    * ``registry_right``: what the deployer may do in registries, ``none``, ``pull`` or ``push``;
    * ``resources``: by id, with ``inputs``, ``outputs`` and ``type``;
    * ``role_seconds``: the age from which a role to pull is in force;
    * ``rotations``: how often a key of that account was rotated;
    * ``sharing_violations``: how many renames on a share are refused;
    * ``shown``: every content that a file on a share had, as path and text;
    * ``sites``: see :mod:`tests.engine.standin.sites`;
    * ``token_seconds``: how long the provider's tokens live;
    * ``uploads``: those to registries that were begun and are open;
    * ``vaults``: names held by soft delete.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(f"{path}.lock", poll_interval=POLL_SECONDS)

    @classmethod
    def of_environment(cls) -> Cloud:
        """Return the cloud that this process is told to use."""
        return cls(Path(os.environ[VARIABLE]))

    @contextmanager
    def open(self) -> Iterator[dict[str, Any]]:
        """Give the content for reading and changing; nobody else sees it meanwhile."""
        with self._lock:
            content = self._content()
            yield content
            self.path.write_text(json.dumps(content), encoding="utf-8")

    def read(self) -> dict[str, Any]:
        """Return a copy of the content."""
        with self._lock:
            return self._content()

    def ids(self) -> set[str]:
        """Return the ids of everything that exists."""
        return set(self.read()["resources"])

    def log(self, operation: str, subject: str) -> None:
        """Note a request; ``subject`` is an id or the name of an invoke."""
        with self.open() as content:
            content["log"].append([operation, subject])

    def take_log(self) -> list[list[str]]:
        """Return the requests since the last time."""
        with self.open() as content:
            log: list[list[str]] = content["log"]
            content["log"] = []
            return log

    def fail_once(self, fault: Fault | None, subjects: list[str] | None = None) -> None:
        """Let the first creation of each of these subjects fail (of every one where None); no fault heals the cloud.

        Args:
            fault: ``before`` anything exists, or ``after`` the thing exists but the operation is reported as failed.
            subjects: names of resources in the program.
        """
        with self.open() as content:
            content["faults"] = {"failed": [], "fault": fault, "subjects": subjects}

    def failed(self) -> list[str]:
        """Return the subjects that have failed since the last call of :meth:`fail_once`."""
        return list(self.read()["faults"]["failed"])

    def fault(self, subject: str) -> Fault | None:
        """Return how the creation of a subject is to fail now, if at all."""
        with self.open() as content:
            faults = content["faults"]
            if faults["subjects"] is not None and subject not in faults["subjects"]:
                return None
            if faults["fault"] is None or subject in faults["failed"]:
                return None
            faults["failed"].append(subject)
            fault: Fault = faults["fault"]
            return fault

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else _empty()
        return content


def _empty() -> dict[str, Any]:
    return {
        "blobs": {},
        "broken": [],
        "defender": False,
        "definition_seconds": 0.0,
        "faults": {"failed": [], "fault": None, "subjects": None},
        "images": {},
        "keys": [],
        "log": [],
        "manifests": {},
        "may_define_roles": True,
        "principal": None,
        "queues": {},
        "registry_right": "push",
        "resources": {},
        "role_seconds": 0.0,
        "rotations": {},
        "sharing_violations": 0,
        "shown": [],
        "sites": {},
        "token_seconds": 3600,
        "uploads": [],
        "vaults": [],
    }
