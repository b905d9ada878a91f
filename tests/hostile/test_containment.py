"""An application that a file has taken over reaches nothing but that file: not the worker, and no other file.

The application here does what its input says, and what it says is an attack. Each is tried on a real worker, and once
more on one that confines nothing, where it has to succeed: one that fails there would prove nothing.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline_app.worker.confinement import landlock
from tests.hostile.service import PROJECT, Service

NAME: Final = "incoming/attack.py"
REACHED: Final = "outgoing/attack.py/reached.json"

# The application executes its input, with the names of what there is to attack.
EXECUTOR: Final = f"""#!{sys.executable}
import ctypes, glob, json, os, pathlib, signal, socket, subprocess, sys, time
source, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2].partition("=")[2])
share, target = pathlib.Path(sys.argv[4]), json.loads(os.environ["TARGET"])
def parents():
    number, found = os.getppid(), []
    while number > 1:
        found.append(number)
        number = int(pathlib.Path(f"/proc/{{number}}/stat").read_text().rpartition(")")[2].split()[1])
    return found
def tried(attack):
    try:
        return attack()
    except OSError as error:
        return None
reached = None
exec(source.read_text())
(output / "reached.json").write_text(json.dumps(reached))
"""

# What each attack is to leave in ``reached`` where it fails: nothing.
ATTACKS: Final = {
    "read the environment of the worker": """
        reached = [n for n in parents() if "AccountKey" in (tried(pathlib.Path(f"/proc/{n}/environ").read_text) or "")]
        """,
    "read the memory of the worker": """
        def look(number):
            for line in open(f"/proc/{number}/maps"):
                if "[heap]" in line:
                    start = int(line.partition("-")[0], 16)
                    with open(f"/proc/{number}/mem", "rb") as memory:
                        memory.seek(start)
                        return len(memory.read(4096))
        reached = [n for n in parents()[:2] if tried(lambda: look(n))]
        """,
    "trace the worker": """
        libc = ctypes.CDLL(None, use_errno=True)
        reached = []
        for n in parents()[:2]:
            if libc.ptrace(16, n, None, None) == 0:
                time.sleep(0.1)
                libc.ptrace(17, n, None, None)
                reached.append(n)
        """,
    "signal the worker": """
        reached = [n for n in parents()[1:2] if tried(lambda: os.kill(n, 0) or True)]
        """,
    "list the worker's folders": """
        reached = tried(lambda: os.listdir(target["scratch"]))
        """,
    "write beside the attempt's folder": """
        reached = tried(lambda: (source.parents[1] / "more").write_text("x"))
        """,
    "change its input": """
        reached = tried(lambda: source.write_text("another"))
        """,
    "write into the application's folder": """
        reached = tried(lambda: pathlib.Path(sys.argv[0]).with_name("more").write_text("x"))
        """,
    "change the application": """
        reached = tried(lambda: pathlib.Path(sys.argv[0]).open("a").write("# changed"))
        """,
    "write into the share": """
        reached = tried(lambda: (share / "more").write_text("x"))
        """,
    "change a config on the share": """
        reached = tried(lambda: (share / "config" / "runtime.json").open("a").write(" "))
        """,
    "empty a config on the share": """
        reached = tried(lambda: os.truncate(share / "config" / "runtime.json", 1) or True)
        """,
    "rename a config on the share": """
        reached = tried(lambda: os.rename(share / "config" / "runtime.json", share / "config" / "other.json") or True)
        """,
    "read the share's log": """
        reached = [p.name for p in (share / "log").glob("*") if tried(p.read_text)]
        """,
    "write into the user's home": """
        reached = tried(lambda: (pathlib.Path(target["folder"]) / "home" / "more").write_text("x"))
        """,
    "write into the shared temporary folder": """
        reached = tried(lambda: (pathlib.Path(target["folder"]) / "tmp" / "more").write_text("x"))
        """,
    "link a file from elsewhere into the results": """
        reached = tried(lambda: os.link(share / "log" / "app.log", output / "log.txt") or True)
        """,
    "ask for the worker's token": """
        reached = tried(lambda: socket.create_connection(("127.0.0.1", target["identity"]), 5).close() or True)
        """,
}

# What the kernel keeps from an application even without Landlock, since the worker does not let itself be looked into.
KEPT_ANYWAY: Final = {"read the environment of the worker", "read the memory of the worker", "trace the worker"}
# A log that goes on after it was linked is another file than the one that was hashed.
UNPUBLISHED: Final = {"link a file from elsewhere into the results"}


def _code(text: str) -> bytes:
    return textwrap.dedent(text).encode()


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
    service.install(EXECUTOR)
    target = {"folder": str(service.folder), "identity": identity, "scratch": str(service.scratch)}

    def attack(code: str, **more: str) -> Any:
        service.call("PUT", NAME, _code(code))
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

    return attack


@pytest.mark.skipif(landlock.version() < landlock.SIGNALS_VERSION, reason="needs Linux 6.12 or later with Landlock")
@pytest.mark.parametrize("code", ATTACKS.values(), ids=ATTACKS)
def test_an_application_that_was_taken_over_reaches_nothing_of_the_worker(
    attacked: Callable[..., Any], code: str
) -> None:
    assert not attacked(code)


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
