"""The floor: the calls that the worker makes for a file, made raw. Run as ``python -m tests.bench.replay PLAN``.

It is a process of its own, so that its processor time is its own, and prints that time in seconds as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from tests.bench.http_calls import Account, Connection
from tests.bench.processes import PROJECT
from tests.bench.recording import Call, Service

FILE: Final = "{file}"
MESSAGE: Final = "{message}"
POP_RECEIPT: Final = "{pop receipt}"
SECONDS: Final = 600.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """A call of a file's template; ``body`` is text in Latin-1, and the placeholders above stand in path and query.

    ``status`` is what the worker was answered, and has to be answered again: then it is the same call.
    """

    body: str
    headers: Mapping[str, str]
    method: str
    path: str
    query: Mapping[str, str]
    service: Service
    status: int


def template(calls: Sequence[Call], stem: str) -> list[Step]:
    """Return the calls that were made for the file whose name has this stem, from its claim to its delete."""
    claim = next((call for call in calls if any(stem in text for text in call.messages.values())), None)
    if claim is None:
        raise ValueError(f"No message of {stem!r} was claimed in the recording.")
    message = next(identifier for identifier, text in claim.messages.items() if stem in text)
    own = [call for call in calls if call is claim or stem in call.path or message in call.path]
    return [
        Step(
            body=call.body.decode("latin-1"),
            headers=call.headers,
            method=call.method,
            path=call.path.replace(stem, FILE).replace(message, MESSAGE),
            query={name: POP_RECEIPT if name == "popreceipt" else value for name, value in call.query.items()},
            service=call.service,
            status=call.answer.status,
        )
        for call in own
    ]


def run(
    steps: Sequence[Step], account: Account, stems: Sequence[str], plan: Path, *, with_application: bool = False
) -> float:
    """Make the calls for each file in a process of its own; return its processor seconds, without start and end."""
    plan.write_text(
        json.dumps(
            {
                "account": list(account),
                "stems": list(stems),
                "steps": [asdict(step) for step in steps],
                "application": ["cp", str(plan), "/dev/null"] if with_application else [],
            }
        ),
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "tests.bench.replay", str(plan)]
    done = subprocess.run(command, capture_output=True, check=False, cwd=PROJECT, text=True, timeout=SECONDS)
    if done.returncode:
        raise RuntimeError(f"The raw calls failed:\n{done.stderr}")
    return float(json.loads(done.stdout)["cpu_seconds"])


def _play(plan: Mapping[str, Any]) -> float:
    account = Account(*plan["account"])
    connections = {"blob": Connection(account, account.blob), "queue": Connection(account, account.queue)}
    steps = [Step(**step) for step in plan["steps"]]
    bodies = [step.body.encode("latin-1") for step in steps]
    stems = plan["stems"]
    before = time.process_time()
    for _ in stems:
        _play_file(steps, bodies, connections)
        if plan["application"]:
            subprocess.run(plan["application"], check=True)
    return time.process_time() - before


def _play_file(steps: Sequence[Step], bodies: Sequence[bytes], connections: Mapping[str, Connection]) -> None:
    etags: dict[str, str] = {}
    message = receipt = stem = ""
    for step, body in zip(steps, bodies, strict=True):
        path = step.path.replace(FILE, stem).replace(MESSAGE, message)
        query = {name: receipt if value == POP_RECEIPT else value for name, value in step.query.items()}
        headers = dict(step.headers)
        if "If-Match" in headers and path in etags:
            headers["If-Match"] = etags[path]
        answer = connections[step.service].call(step.method, path, query, headers, body)
        if answer.status != step.status:
            given = f"{answer.status} instead of {step.status}: {answer.body[:300]!r}"
            raise RuntimeError(f"{step.method} {path} was answered with {given}")
        if etag := answer.headers.get("etag"):
            etags[path] = etag
        receipt = answer.headers.get("x-ms-popreceipt", receipt)
        if step.service == "queue" and step.method == "GET":
            found = ElementTree.fromstring(answer.body).find("QueueMessage")  # noqa: S314 -- of our own storage.
            if found is None:
                raise RuntimeError("The queue is empty, though there are files left.")
            message, receipt = found.findtext("MessageId", ""), found.findtext("PopReceipt", "")
            stem = json.loads(found.findtext("MessageText", ""))["name"].rpartition("/")[2].partition(".")[0]


if __name__ == "__main__":
    print(json.dumps({"cpu_seconds": _play(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))}))
