"""What must be true of receipts and results, as any reader of the storage sees them.

* lost: an input whose newest version has no ``succeeded`` receipt in the end.
* torn: a receipt that names a result which is missing or has another size or SHA-256.
* mixed: a receipt whose results are of more than one run of the application.
* duplicated: a version whose receipt was replaced by one of another attempt, or on which the application was started
  when its receipt had been there for ``SLACK_SECONDS``. That many seconds may pass between a worker's look for a
  receipt and the start of the application, so a shorter distance proves nothing.
* stray: a blob below the output path that no receipt names. A write that the scenario itself held back until its
  writer had lost its claim may leave one (nothing names it, and the next version of the input removes it); those are
  counted apart.
* leaked: a process, or a folder on disk, that nobody needs any more.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobProperties, ContainerClient

from pipeline_app.contract import (
    RECEIPT_ETAG_METADATA,
    RECEIPT_NAME,
    Receipt,
    StorageNames,
    plain_etag,
)

NAMES: Final = StorageNames(container="pipeline-files", input_path="incoming", output_path="outgoing")
READERS: Final = 4
SLACK_SECONDS: Final = 5.0
ZEROS: Final = ("lost", "duplicated", "torn", "mixed", "leaked", "stray")


@dataclass(frozen=True, kw_only=True)
class Version:
    """The newest version of an input: its ETag without quotes, and its content, whose first line no other has."""

    content: bytes
    etag: str

    @property
    def line(self) -> str:
        """The first line of the content."""
        return self.content.split(b"\n", 1)[0].decode()


@dataclass(kw_only=True)
class Findings:
    """What happened (``counts``, by what it is called in the table), and what must be empty; see the module."""

    counts: Counter[str] = field(default_factory=Counter)
    duplicated: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    seconds: float = 0.0
    stray: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    # What the scenario was to do to the pipeline and did not get to do, so that it proves nothing about it.
    undone: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """Everything that must not be, each with its kind in front."""
        return [f"{kind}: {each}" for kind in (*ZEROS, "undone") for each in getattr(self, kind)]


class Attempts:
    """Which attempt wrote the receipt of each version; a second one is a finding."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._seen: dict[tuple[str, str], str] = {}

    def forget(self) -> None:
        """Storage itself has forgotten receipts, so versions may rightly be processed anew."""
        self._seen.clear()

    def note(self, receipt_name: str, etag: str, attempt: str) -> None:
        """Take note of a receipt: its blob, the input's version, and the id of the attempt that wrote it."""
        first = self._seen.setdefault((receipt_name, etag), attempt)
        if first != attempt:
            self._findings.duplicated.append(f"{receipt_name} of version {etag}: attempts {first} and {attempt}")
            self._seen[receipt_name, etag] = attempt

    def sample(self, files: ContainerClient) -> Mapping[str, str]:
        """Look at all receipts; return the input's version of each. One that comes and goes in between is not seen."""
        found = {}
        for blob in files.list_blobs(name_starts_with=f"{NAMES.output_path}/", include=["metadata"]):
            if blob.name.endswith(f"/{RECEIPT_NAME}"):
                found[blob.name] = str(blob.metadata[RECEIPT_ETAG_METADATA])
                self.note(blob.name, found[blob.name], blob.metadata["attempt"])
        return found


class Checker:
    """Reads receipts and their results, and writes down what is wrong with them."""

    def __init__(self, files: ContainerClient, findings: Findings) -> None:
        self._files = files
        self._findings = findings

    def look(self, inputs: Iterable[str]) -> None:
        """Look, as any reader may at any time, whether what the receipts of some inputs say is there."""
        for name in inputs:
            self._check(NAMES.receipt_name(name))

    def judge(
        self, versions: Mapping[str, Version], runs: Mapping[str, list[float]], *, deleted: Set[str], late: Set[str]
    ) -> None:
        """Look at everything, once all is calm.

        Args:
            versions: the inputs that are there.
            runs: when the application was started, by the first line of its input.
            deleted: inputs that were deleted; they may have a receipt or results.
            late: blobs on which a write was held back.
        """
        named: set[str] = set()
        with ThreadPoolExecutor(READERS) as pool:
            found = pool.map(self._check, [NAMES.receipt_name(name) for name in versions])
            for (name, version), read in zip(versions.items(), found, strict=True):
                if read is None or read[0].input.etag != version.etag or read[0].status != "succeeded":
                    seen = read and (read[0].input.etag, read[0].status, read[0].error)
                    self._findings.lost.append(f"{name} version {version.etag}: the receipt is {seen}")
                    continue
                receipt, blob = read
                self._findings.counts["files with their receipt"] += 1
                if receipt.event_id.startswith("sweep-"):
                    self._findings.counts["found by the sweep"] += 1
                named |= {output.name for output in receipt.outputs}
                named |= {blob.name, NAMES.log_name(name)}
                # Storage tells times in whole seconds, rounded down.
                settled = blob.last_modified.timestamp() + 1 + SLACK_SECONDS
                if again := [moment for moment in runs.get(version.line, []) if moment > settled]:
                    self._findings.duplicated.append(f"{name}: started {again} though it was done at {settled}")
        gone = tuple(f"{NAMES.output_directory(name)}/" for name in deleted)
        there = {blob.name for blob in self._files.list_blobs(name_starts_with=f"{NAMES.output_path}/")}
        unnamed = {name for name in there - named if not name.startswith(gone)}
        self._findings.stray += sorted(unnamed - late)
        self._findings.counts["left by late writes"] = len(unnamed & late)

    def _check(self, name: str) -> tuple[Receipt, BlobProperties] | None:
        while True:
            try:
                download = self._files.download_blob(name)
                receipt = Receipt.decode(download.readall().decode())
                problem = self._compare(receipt)
                if problem is None:
                    return receipt, download.properties
                current = self._files.get_blob_client(name).get_blob_properties()
            except ResourceNotFoundError:
                return None
            # The input may have been overwritten while this looked; then there is another receipt by now.
            if plain_etag(str(current.etag)) == plain_etag(str(download.properties.etag)):
                kind = self._findings.mixed if problem.startswith("mixed") else self._findings.torn
                # It is looked at more than once.
                if f"{name}: {problem}" not in kind:
                    kind.append(f"{name}: {problem}")
                return receipt, download.properties

    def _compare(self, receipt: Receipt) -> str | None:
        marks = set()
        for output in receipt.outputs:
            try:
                content = self._files.download_blob(output.name).readall()
            except ResourceNotFoundError:
                return f"{output.name} is missing"
            if (len(content), hashlib.sha256(content).hexdigest()) != (output.size, output.sha256):
                return f"{output.name} does not match"
            marks.add(content.split(b"\n", 1)[0])
        return "mixed: results of several attempts" if len(marks) > 1 else None
