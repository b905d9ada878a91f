"""All that a whole run listens on: on loopback alone, and not to be starved by whoever connects and says nothing."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
import pytest

from infra.local.processes.waiting import wait_until
from tests.local.runs import Run, client_of, obedient

# What many systems let a process have open, unless it asks for more.
DESCRIPTORS: Final = 1024
IDLE: Final = 1000


def listeners(run: Run) -> dict[tuple[str, int], str]:
    """Return where all processes of a run listen, and the program of each."""
    found = {}
    top = psutil.Process(run.process.pid)
    for process in [top, *top.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    found[connection.laddr.ip, connection.laddr.port] = " ".join(process.cmdline())
    return found


@pytest.fixture
def descriptors() -> Iterator[int]:
    """Let this process have as many descriptors as it may; return how many that are."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = most if most != resource.RLIM_INFINITY else 65536
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    yield min(most, 65536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux changes the limits of another process; run it there.")
def test_a_file_gets_its_receipt_while_a_thousand_connections_to_each_endpoint_say_nothing(
    tmp_path: Path, descriptors: int
) -> None:
    run = Run(tmp_path / "data", *obedient(tmp_path, timeout_seconds=30), "idleSeconds=60")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.prlimit(run.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    try:
        with client_of(run) as client, contextlib.ExitStack() as stack:

            def workers() -> list[int]:
                return [port for (_, port), command in listeners(run).items() if "pipeline_app.worker" in command]

            def hold(port: int) -> None:
                for _ in range(min(IDLE, (descriptors - 500) // 13)):
                    stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))

            def inputs(port: int) -> list[str | None]:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=20) as answer:
                    return [slot["input"] for slot in json.load(answer)["slots"]]

            # Three accounts of three services, tokens, Resource Manager, the registry, and the worker.
            assert wait_until(lambda: len(listeners(run)) == 13, 30)
            places = list(listeners(run))
            assert {address for address, _ in places} == {"127.0.0.1"}
            (worker,) = workers()
            for _, port in places:
                hold(port)
            slow = client.upload("slow", b"slow")
            assert wait_until(lambda: inputs(worker) == ["incoming/slow"], 30)
            hold(worker)
            other = client.upload("other", b"x")
            for name, etag in (("slow", slow), ("other", other)):
                receipt = client.receipt(name, etag)
                assert (receipt.status, receipt.attempt) == ("succeeded", 1)
    finally:
        code = run.end()
    assert code == 0, run.text()
