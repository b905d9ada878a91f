"""From an upload to its claim and its receipt, in a local run whose worker is warm."""

from __future__ import annotations

import json
import os
import random
import time
from datetime import datetime
from pathlib import Path
from typing import Final

from pipeline_app.contract import RECEIPT_ETAG_METADATA, Receipt, StorageNames, plain_etag
from tests.bench.http_calls import Account, Connection
from tests.bench.measurement import Result, Row, Samples
from tests.bench.setting import Setting
from tests.local.runs import Run

TOPIC: Final = "upload to receipt"

APPLICATION: Final = '#!/bin/sh\nexec cp "$1" "$2/out"\n'
FILE_BYTES: Final = 10_000
LOOK_SECONDS: Final = 0.01
# Uploads come at any moment between two looks of worker and host at their queues.
PAUSE_SECONDS: Final = (0.3, 3.0)
RECEIPT_SECONDS: Final = 60.0


def measure(setting: Setting) -> Result:
    """Start a local run, upload files one by one with pauses, and look when each was claimed and done."""
    count = setting.size(60, 3)
    folder = setting.place("uploads")
    run = Run(folder / "data", *_config(folder))
    try:
        outputs = run.ready()
        account = Account.parse(outputs["appStorageConnectionString"])
        names = StorageNames(
            container=outputs["appStorageContainer"], input_path=outputs["inputPath"], output_path=outputs["outputPath"]
        )
        connection = Connection(account, account.blob)
        # The first one starts the worker.
        _process(connection, names, "first")
        setting.say(f"{TOPIC}: {count} uploads")
        chance = random.Random(1)  # noqa: S311 -- repeatable, not secret.
        moments: dict[str, list[float]] = {key: [] for key in ("claimed", "queued", "seen", "taken")}
        for number in range(count):
            time.sleep(chance.uniform(*PAUSE_SECONDS) / (5 if setting.quick else 1))
            uploaded, receipt, seen = _process(connection, names, f"file-{number}")
            queued, started = _seconds(receipt.queued_at), _seconds(receipt.started_at)
            moments["claimed"].append(started - uploaded)
            moments["queued"].append(queued - uploaded)
            moments["seen"].append(seen - uploaded)
            moments["taken"].append(started - queued)
        connection.close()
    finally:
        code = run.end()
    if code:
        raise RuntimeError(f"The local run ended with exit code {code}:\n{run.text()[-2000:]}")
    return Result(rows=_rows({key: Samples(tuple(each)).times(1000) for key, each in moments.items()}, count))


def _rows(moments: dict[str, Samples], count: int) -> list[Row]:
    def row(measure: str, ours: Samples, note: str) -> Row:
        return Row(measure=measure, note=note, ours=ours, topic=TOPIC, unit="ms")

    def worst(key: str) -> Samples:
        return Samples((moments[key].percentile(99),))

    pauses = f"{count} uploads with pauses of 0.3 to 3 s"
    looks = f"looked at every {LOOK_SECONDS * 1000:.0f} ms"
    return [
        row("upload to claim", moments["claimed"], f"{pauses}, acknowledged to claimed"),
        row("upload to claim, 99th percentile", worst("claimed"), ""),
        row("of it: event and function", moments["queued"], "the local run's own Event Grid and function host"),
        row("of it: the job waits for a look of the worker", moments["taken"], ""),
        row("upload to receipt", moments["seen"], f"acknowledged to visible, {looks}"),
        row("upload to receipt, 99th percentile", worst("seen"), ""),
    ]


def _config(folder: Path) -> list[str]:
    artifact, config = folder / "artifact", folder / "runtime.json"
    artifact.mkdir()
    (artifact / "copy").write_text(APPLICATION, encoding="utf-8")
    (artifact / "copy").chmod(0o755)
    config.write_text(json.dumps({"args": ["{input}", "{output}"]}), encoding="utf-8")
    return [
        "appAlias=copy",
        "appFile=copy",
        "appInstallerFile=",
        f"artifactPath={artifact}",
        "exportConfigFile=",
        "idleSeconds=3600",
        f"runtimeConfigFile={config}",
    ]


def _process(connection: Connection, names: StorageNames, name: str) -> tuple[float, Receipt, float]:
    """Upload a file and wait for its receipt; return when the upload was acknowledged, it, and when it was seen."""
    blob = f"{names.input_path}/{name}"
    receipt = f"{names.container}/{names.receipt_name(blob)}"
    sent = connection.must(
        "PUT", f"{names.container}/{blob}", headers={"x-ms-blob-type": "BlockBlob"}, body=os.urandom(FILE_BYTES)
    )
    uploaded = time.time()
    etag = plain_etag(sent.headers["etag"])
    header = f"x-ms-meta-{RECEIPT_ETAG_METADATA}"
    while (answer := connection.call("GET", receipt)).headers.get(header) != etag:
        if time.time() - uploaded > RECEIPT_SECONDS:
            raise TimeoutError(f"{blob} has no receipt after {RECEIPT_SECONDS:.0f} s.")
        time.sleep(LOOK_SECONDS)
    return uploaded, Receipt.decode(answer.body.decode()), time.time()


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()
