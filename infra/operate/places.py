"""Where a pipeline runs: the data folder of a local run, or a stack in Azure by its outputs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from infra.operate.storage import OperateError
from pipeline_app.contract import StorageNames

LOCAL_KEYS: Final = ("appStorageConnectionString", "appStorageContainer", "inputPath", "outputPath")
# The folder of a local run beside its ``outputs.json`` that has what each part of it writes.
LOGS: Final = "logs"
STACK_KEYS: Final = ("appStorageContainer", "inputPath", "outputPath", "uploadUrl")


@dataclass(frozen=True, kw_only=True)
class Place:
    """How to reach a pipeline's storage.

    Attributes:
        blob_endpoint: URL of the Blob service, where one signs in by identity.
        connection_string: of the account, or None where one signs in by identity.
        logs: where the consoles of the workers are files of this machine, the folder that has them.
        names: container and paths.
        queue_endpoint: URL of the Queue service, where one signs in by identity.
    """

    blob_endpoint: str | None = None
    connection_string: str | None = None
    logs: Path | None = None
    names: StorageNames
    queue_endpoint: str | None = None


def local_place(outputs_file: Path) -> Place:
    """Return where the local run is whose ``outputs.json`` this is.

    Raises:
        OperateError: there is no such file, so no run serves that folder.
    """
    try:
        outputs = json.loads(outputs_file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise OperateError(
            f"No local run serves {outputs_file.parent}. Start one with 'python -m infra.local up --data "
            f"{outputs_file.parent}', name another folder with --data, or say --azure for a deployed stack."
        ) from error
    _require(outputs, LOCAL_KEYS, str(outputs_file))
    logs = outputs_file.parent / LOGS
    return Place(connection_string=outputs["appStorageConnectionString"], logs=logs, names=_names(outputs))


def stack_place(outputs: Mapping[str, Any], stack: str) -> Place:
    """Return where a deployed stack is.

    The endpoints are taken from ``uploadUrl``, so that they are right in every cloud.

    Raises:
        OperateError: the stack has no such outputs, since it was never deployed.
    """
    _require(outputs, STACK_KEYS, f"The stack {stack!r}")
    url = urlsplit(outputs["uploadUrl"])
    account, _, suffix = url.netloc.partition(".blob.")
    if not suffix:
        raise OperateError(f"The stack's uploadUrl is {outputs['uploadUrl']!r}, which is no URL of a Blob service.")
    return Place(
        blob_endpoint=f"{url.scheme}://{url.netloc}",
        names=_names(outputs),
        queue_endpoint=f"{url.scheme}://{account}.queue.{suffix}",
    )


def stack_outputs(stack: str, project: Path) -> dict[str, Any]:
    """Return the outputs of a deployed stack, from the Pulumi CLI; ``project`` is the program's folder.

    Raises:
        OperateError: there is no Pulumi CLI, or it does not know the stack.
    """
    beside = Path(sys.executable).with_name("pulumi")
    program = shutil.which("pulumi") or (str(beside) if beside.exists() else None)
    if program is None:
        raise OperateError("The Pulumi CLI is not on the PATH. Install it, or run 'make pulumi' for .venv/bin/pulumi.")
    command = [program, "stack", "output", "--json", "--non-interactive", "--stack", stack]
    answer = subprocess.run(  # noqa: S603 -- no shell, and the stack's name is one argument behind its option.
        command, capture_output=True, check=False, cwd=project, text=True
    )
    if answer.returncode:
        said = answer.stderr.strip()
        raise OperateError(f"'pulumi stack output --stack {stack}' failed: {said}{sign_in_hint(said)}")
    outputs: dict[str, Any] = json.loads(answer.stdout)
    return outputs


def sign_in_hint(said: str) -> str:
    """Return what to do, after a space, where the Pulumi CLI said that nobody is signed in to it, else nothing."""
    if "PULUMI_ACCESS_TOKEN" not in said:
        return ""
    return " Run 'pulumi login' first, or 'pulumi login --local' for a state on this machine."


def _names(outputs: Mapping[str, Any]) -> StorageNames:
    return StorageNames(
        container=outputs["appStorageContainer"], input_path=outputs["inputPath"], output_path=outputs["outputPath"]
    )


def _require(outputs: Mapping[str, Any], keys: tuple[str, ...], what: str) -> None:
    missing = [key for key in keys if not outputs.get(key)]
    if missing:
        raise OperateError(f"{what} has no {', '.join(missing)}. Deploy it with this version: 'pulumi up'.")
