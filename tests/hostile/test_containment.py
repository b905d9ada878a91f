"""An application that a file has taken over reaches nothing but that file: not the worker, and no other file.

The application here does what its input says, and what it says is an attack. Each is tried on a real worker, and once
more on one that confines nothing, where it has to succeed: one that fails there would prove nothing.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline_app.worker.confinement import landlock
from tests.hostile.attacks import ATTACKS, EXECUTOR, KEPT_ANYWAY, UNPUBLISHED, code
from tests.hostile.service import PROJECT, Service

NAME: Final = "incoming/attack.py"
REACHED: Final = "outgoing/attack.py/reached.json"


@pytest.fixture
def identity() -> Iterator[int]:
    """Listen where a token could be had; return the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def attacked(service: Service, identity: int) -> Callable[..., Any]:
    """Make a share with a config and a log, and return what lets an attack be tried."""
    for folder in ("config", "log"):
        (service.folder / "share" / folder).mkdir()
    config = service.folder / "share" / "config" / "runtime.json"
    config.write_text((service.folder / "application" / "runtime.json").read_text())
    log = service.folder / "share" / "log" / "app.log"
    log.write_text("what another file's application printed")
    service.install(f"#!{sys.executable}\n{EXECUTOR}")
    target = {"folder": str(service.folder), "identity": identity, "scratch": str(service.scratch)}

    def attempt(attack: str, **more: str) -> Any:
        service.call("PUT", NAME, code(attack))
        service.order(NAME)
        environment = {
            "APP_LOG_FILE": str(log),
            "APP_RUNTIME_CONFIG_FILE": str(config),
            "APP_SLOTS": "1",
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{identity}/metadata/identity/oauth2/token",
            "TARGET": json.dumps(target),
        }
        service.work(**environment | more)
        receipt = service.receipt(NAME)
        assert (receipt.status, receipt.error) == ("succeeded", None), receipt
        return json.loads(service.read(REACHED))

    return attempt


@pytest.mark.skipif(landlock.version() < landlock.SIGNALS_VERSION, reason="needs Linux 6.12 or later with Landlock")
@pytest.mark.parametrize("name", ATTACKS)
def test_an_application_that_was_taken_over_reaches_nothing_of_the_worker(
    attacked: Callable[..., Any], name: str
) -> None:
    assert not attacked(ATTACKS[name])


# What succeeds in spite of it, where the kernel's Landlock is of this version.
OPEN: Final = {
    1: {"ask for the worker's token", "empty a config on the share", "signal the worker"},
    2: {"ask for the worker's token", "empty a config on the share", "signal the worker"},
    3: {"ask for the worker's token", "signal the worker"},
    4: {"signal the worker"},
    5: {"signal the worker"},
}


@pytest.mark.parametrize("version", OPEN)
@pytest.mark.parametrize("name", sorted({*OPEN[1], "change a config on the share", "list the worker's folders"}))
def test_an_older_landlock_keeps_what_it_can(
    attacked: Callable[..., Any], tmp_path: Path, version: int, name: str
) -> None:
    (tmp_path / "older").mkdir()
    older = f"from pipeline_app.worker.confinement import landlock\nlandlock.version = lambda: {version}\n"
    patched = "from pipeline_app.worker import keeper_process\n"
    patched += (
        f"keeper_process._KEEPER = keeper_process._KEEPER.replace('from pipeline', {older!r} + 'from pipeline')\n"
    )
    (tmp_path / "older" / "sitecustomize.py").write_text(older + patched)
    reached = attacked(ATTACKS[name], PYTHONPATH=f"{tmp_path / 'older'}{os.pathsep}{PROJECT}")
    assert bool(reached) == (name in OPEN[version])


@pytest.fixture
def blind(tmp_path: Path) -> dict[str, str]:
    """Return what makes a worker that finds no Landlock."""
    (tmp_path / "blind").mkdir()
    # Python imports this before the worker's first line.
    (tmp_path / "blind" / "sitecustomize.py").write_text(
        "from pipeline_app.worker.confinement import landlock\nlandlock.version = lambda: 0\n"
    )
    return {"PYTHONPATH": f"{tmp_path / 'blind'}{os.pathsep}{PROJECT}"}


@pytest.mark.parametrize("name", sorted(ATTACKS.keys() - KEPT_ANYWAY - UNPUBLISHED))
def test_the_same_attack_succeeds_where_nothing_confines_it(
    attacked: Callable[..., Any], blind: dict[str, str], name: str
) -> None:
    assert attacked(ATTACKS[name], **blind)


@pytest.mark.parametrize("name", sorted(KEPT_ANYWAY))
def test_nobody_looks_into_the_worker_even_where_nothing_confines_an_application(
    attacked: Callable[..., Any], blind: dict[str, str], name: str
) -> None:
    assert not attacked(ATTACKS[name], **blind)
