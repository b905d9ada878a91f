"""One large file in and out: the rates of the worker's storage client beside curl's, and the worker's memory."""

from __future__ import annotations

import filecmp
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline_app.contract import FileJob, now, plain_etag
from tests.bench.applications import copying
from tests.bench.curl import Curl
from tests.bench.http_calls import Account
from tests.bench.latency import AWAY, AWAY_SECONDS, delayed
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


@dataclass(frozen=True)
class _Rates:
    """What was measured in MiB/s, round by round."""

    curl_in: list[float] = field(default_factory=list)
    curl_out: list[float] = field(default_factory=list)
    ours_in: list[float] = field(default_factory=list)
    ours_out: list[float] = field(default_factory=list)


def measure(setting: Setting) -> Result:
    """Move the file in turns by curl and by the worker's client, then let a worker process it."""
    mebibytes = setting.size(1024, 24)
    folder = setting.place("large-files")
    source, target = folder / "source", folder / "target"
    _write(source, mebibytes)
    application = copying(folder)
    near, far = _Rates(), _Rates()
    worker: list[float] = []
    client_peaks: list[float] = []
    worker_peaks: list[float] = []
    for number in range(setting.rounds):
        setting.say(f"{TOPIC}: round {number + 1} of {setting.rounds}")
        # Azurite frees the room of deleted blobs late, so each round has an account of its own.
        place = folder / f"storage-{number}"
        with running_storage(place) as storage:
            storage.begin()
            ours_first = number % 2 == 1
            client_peaks += _round(storage.account, source, target, mebibytes, near, ours_first)
            storage.put_jobs([_job(storage)])
            storage.forget()
            usage = setting.launcher.start(storage.account, application).wait(WORKER_SECONDS)
            worker_peaks.append(usage.peak_bytes / MIB)
            worker.append(mebibytes / span(storage.seen()))
            with delayed(storage.account, AWAY_SECONDS) as away:
                _round(away, source, target, mebibytes, far, ours_first)
        shutil.rmtree(place)
    source.unlink()
    size = f"{mebibytes} MiB"
    return Result(
        rows=[
            _rate("download", near.ours_in, near.curl_in, DOWNLOAD_TARGET, f"{size} to disk, by the client alone"),
            _rate("upload", near.ours_out, near.curl_out, UPLOAD_TARGET, f"{size}; curl sends a single Put Blob"),
            _rate(f"download{AWAY}", far.ours_in, far.curl_in, DOWNLOAD_TARGET, "the same through the proxy"),
            _rate(f"upload{AWAY}", far.ours_out, far.curl_out, UPLOAD_TARGET, "the same through the proxy"),
            _memory("memory of the worker", worker_peaks, MEMORY_TARGET, f"most resident, {size} in and out"),
            _memory("memory of the client alone", client_peaks, None, "most resident while it moves the file"),
            Row(
                measure="whole file, in and out",
                note="claim to delete: download, cp, hash, upload",
                ours=Samples(tuple(worker)),
                topic=TOPIC,
                unit="MiB/s",
            ),
        ]
    )


def _round(
    account: Account, source: Path, target: Path, mebibytes: int, rates: _Rates, ours_first: bool
) -> list[float]:
    """Move the file up and down, by each of the two; return the peaks of our client's memory in MiB."""
    curl = Curl(account)
    other = f"outgoing/{uuid.uuid4().hex}.bin"
    peaks = []
    for ours in (ours_first, not ours_first):
        if ours:
            sent = transfer(account, "upload", source, CONTAINER, other)
            rates.ours_out.append(mebibytes / sent.seconds)
            peaks.append(sent.peak_bytes / MIB)
        else:
            rates.curl_out.append(mebibytes / curl.upload(BLOB, source))
    for ours in (ours_first, not ours_first):
        if ours:
            fetched = transfer(account, "download", target, CONTAINER, BLOB)
            rates.ours_in.append(mebibytes / fetched.seconds)
            peaks.append(fetched.peak_bytes / MIB)
        else:
            rates.curl_in.append(mebibytes / curl.download(BLOB, target))
        if not filecmp.cmp(source, target, shallow=False):
            raise RuntimeError("What was downloaded is not what was uploaded.")
        target.unlink()
    return peaks


def _rate(measure: str, ours: Sequence[float], curl: Sequence[float], target: Target, note: str) -> Row:
    return Row(
        measure=measure,
        note=note,
        ours=Samples(tuple(ours)),
        peer=Samples(tuple(curl)),
        peer_name="curl",
        target=target,
        topic=TOPIC,
        unit="MiB/s",
    )


def _memory(measure: str, peaks: Sequence[float], target: Target | None, note: str) -> Row:
    return Row(measure=measure, note=note, ours=Samples(tuple(peaks)), target=target, topic=TOPIC, unit="MiB")


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
