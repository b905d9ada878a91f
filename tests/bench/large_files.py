"""One large file in and out: the rates of the worker's storage client beside curl's, and the worker's memory."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline_app.contract import FileJob, now, plain_etag
from tests.bench.applications import copying
from tests.bench.curl import Curl
from tests.bench.measurement import Result, Row, Samples, Target
from tests.bench.setting import Setting
from tests.bench.small_files import span
from tests.bench.storage import CONTAINER, Storage, running_storage
from tests.bench.transfer import transfer

TOPIC: Final = "large files"

BLOB: Final = "incoming/large.bin"
DOWNLOAD_TARGET: Final = Target("at least", 0.8)
MEMORY_TARGET: Final = Target("at most", 128.0)
MIB: Final = 2**20
UPLOAD_TARGET: Final = Target("at least", 1.0)
WORKER_SECONDS: Final = 900.0


def measure(setting: Setting) -> Result:
    """Move the file in turns by curl and by the worker's client, then let a worker process it."""
    mebibytes = setting.size(1024, 24)
    folder = setting.place("large-files")
    source, target = folder / "source", folder / "target"
    _write(source, mebibytes)
    application = copying(folder)
    rates: dict[str, list[float]] = {key: [] for key in ("curl in", "curl out", "in", "out", "worker")}
    client_peaks: list[float] = []
    worker_peaks: list[float] = []
    for number in range(setting.rounds):
        setting.say(f"{TOPIC}: round {number + 1} of {setting.rounds}")
        # Azurite frees the room of deleted blobs late, so each round has an account of its own.
        place = folder / f"storage-{number}"
        with running_storage(place) as storage:
            storage.begin()
            curl = Curl(storage.account)
            order = ("curl", "ours") if number % 2 == 0 else ("ours", "curl")
            for who in order:
                if who == "curl":
                    rates["curl out"].append(mebibytes / curl.upload(BLOB, source))
                else:
                    sent = transfer(storage.account, "upload", source, CONTAINER, "outgoing/other.bin")
                    rates["out"].append(mebibytes / sent.seconds)
                    client_peaks.append(sent.peak_bytes / MIB)
            for who in order:
                if who == "curl":
                    rates["curl in"].append(mebibytes / curl.download(BLOB, target))
                else:
                    fetched = transfer(storage.account, "download", target, CONTAINER, BLOB)
                    rates["in"].append(mebibytes / fetched.seconds)
                    client_peaks.append(fetched.peak_bytes / MIB)
                if not filecmp.cmp(source, target, shallow=False):
                    raise RuntimeError("What was downloaded is not what was uploaded.")
                target.unlink()
            storage.put_jobs([_job(storage)])
            storage.forget()
            usage = setting.launcher.start(storage.account, application).wait(WORKER_SECONDS)
            worker_peaks.append(usage.peak_bytes / MIB)
            rates["worker"].append(mebibytes / span(storage.seen()))
        shutil.rmtree(place)
    source.unlink()
    return Result(
        rows=_rows({**rates, "client memory": client_peaks, "worker memory": worker_peaks}, f"{mebibytes} MiB")
    )


def _rows(values: Mapping[str, Sequence[float]], size: str) -> list[Row]:
    samples = {key: Samples(tuple(each)) for key, each in values.items()}

    def rate(measure: str, key: str, peer: str, target: Target, note: str) -> Row:
        return Row(
            measure=measure,
            note=note,
            ours=samples[key],
            peer=samples[peer],
            peer_name="curl",
            target=target,
            topic=TOPIC,
            unit="MiB/s",
        )

    def memory(measure: str, key: str, target: Target | None, note: str) -> Row:
        return Row(measure=measure, note=note, ours=samples[key], target=target, topic=TOPIC, unit="MiB")

    return [
        rate("download", "in", "curl in", DOWNLOAD_TARGET, f"{size} to disk, by the worker's storage client alone"),
        rate("upload", "out", "curl out", UPLOAD_TARGET, f"{size} from disk; curl sends a single Put Blob"),
        memory("memory of the worker", "worker memory", MEMORY_TARGET, f"most resident, {size} in and out"),
        memory("memory of the client alone", "client memory", None, "most resident while it moves the file"),
        Row(
            measure="whole file, in and out",
            note="claim to delete: download, cp, hash, upload",
            ours=samples["worker"],
            topic=TOPIC,
            unit="MiB/s",
        ),
    ]


def _job(storage: Storage) -> FileJob:
    connection = storage.blobs()
    headers = connection.must("HEAD", f"{CONTAINER}/{BLOB}").headers
    connection.close()
    return FileJob(
        etag=plain_etag(headers["etag"]),
        event_id="bench",
        name=BLOB,
        queued_at=now(),
        size=int(headers["content-length"]),
    )


def _write(path: Path, mebibytes: int) -> None:
    # No two blocks are alike, and nothing in them can be compressed.
    with path.open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(MIB))
