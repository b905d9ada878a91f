"""The Pulumi CLI in a session of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import pulumi.automation as auto
from pulumi.automation.errors import create_command_error


class PulumiMissing(RuntimeError):
    """There is no CLI to work with; the text says how to get one."""


class SessionCommand(auto.PulumiCommand):
    """Runs the CLI where Ctrl-C of the terminal does not reach it.

    The CLI ends in order on the first interrupt and breaks off on the second, with resources made that no state knows
    of. A terminal sends Ctrl-C to every process of its group, so it would come twice: from there and from here.
    Source: https://github.com/pulumi/pulumi/blob/v3.272.0/pkg/backend/cancellation_scope.go
    """

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> auto.CommandResult:
        """Run a command and return its result; an interrupt is passed on once, and the command's end waited for.

        Raises:
            CommandError: it failed.
            KeyboardInterrupt: it came meanwhile; the CLI has ended.
        """
        environment = {**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        if os.path.isabs(self.command):
            environment["PATH"] = os.pathsep.join([os.path.dirname(self.command), environment.get("PATH", "")])
        output: list[str] = []
        errors: list[str] = []
        with subprocess.Popen(  # noqa: S603 -- no shell, and the arguments are the Automation API's own.
            [self.command, "--non-interactive", *args],
            cwd=cwd,
            encoding="utf-8",
            env=environment,
            start_new_session=True,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        ) as process:
            readers = [
                threading.Thread(target=_read, args=(process.stdout, output, on_output)),
                threading.Thread(target=_read, args=(process.stderr, errors, on_error)),
            ]
            try:
                for reader in readers:
                    reader.start()
                process.wait()
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
                process.wait()
                raise
            finally:
                for reader in readers:
                    if reader.ident is not None:
                        reader.join()
        result = auto.CommandResult(stderr="\n".join(errors), stdout="\n".join(output), code=process.returncode)
        if result.code != 0:
            raise create_command_error(result)
        return result


def find_command() -> SessionCommand:
    """Return the CLI of the PATH, else the one that ``make pulumi`` has put beside this Python.

    Raises:
        PulumiMissing: there is none, or one that the Automation API cannot work with.
    """
    beside = Path(sys.executable).parent
    if shutil.which("pulumi") is None and not (beside / "pulumi").is_file():
        raise PulumiMissing("The Pulumi CLI is not on the PATH. Install it, or run 'make pulumi' for .venv/bin/pulumi.")
    try:
        return SessionCommand(root=None if shutil.which("pulumi") else str(beside.parent))
    except auto.InvalidVersionError as error:
        raise PulumiMissing(str(error)) from error


def _read(stream: IO[str] | None, lines: list[str], callback: Callable[[str], Any] | None) -> None:
    assert stream is not None  # noqa: S101 -- both are pipes.
    for line in stream:
        lines.append(line.rstrip())
        if callback:
            callback(line.rstrip())
