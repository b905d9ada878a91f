"""Upload files, wait for their receipts, and bring the results to this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.operate.properties import plain
from pipeline_app.contract import RECEIPT_ETAG_METADATA, Receipt, StorageNames, plain_etag
from pipeline_app.printable import printable
from pipeline_app.worker.holds import LEASED_CODES, explain, lease_of
from pipeline_app.worker.marking import MARK, is_application_line

POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Upload:
    """An uploaded file: its blob, that version's ETag without quotes, and its size in bytes."""

    etag: str
    name: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of an upload; ``receipt`` is None where none came in time. ``seconds`` is since the upload.

    ``problem`` says why the file could not be uploaded, or why not all of its results are in ``folder``.
    """

    folder: Path
    problem: str | None = None
    receipt: Receipt | None
    seconds: float
    upload: Upload


def samples(folder: Path) -> list[tuple[Path, str]]:
    """Return the bundled files and their names below the input path, folders included."""
    return [(path, path.relative_to(folder).as_posix()) for path in sorted(folder.rglob("*")) if path.is_file()]


def process(
    outputs: Mapping[str, Any], files: Sequence[tuple[Path, str]], results: Path, timeout: float
) -> list[Result]:
    """Upload files and wait, at most so many seconds in all, for the receipts of exactly these versions.

    What goes wrong with one file is told with it, and the others go on.
    """
    names = StorageNames(
        container=outputs["appStorageContainer"],
        input_path=outputs["inputPath"],
        output_path=outputs["outputPath"],
    )
    with BlobServiceClient.from_connection_string(outputs["appStorageConnectionString"]) as service:
        container = service.get_container_client(names.container)
        start = time.monotonic()
        uploads, results_of = _uploaded(container, files, names, results)
        waiting = list(uploads)
        while waiting and time.monotonic() - start < timeout:
            for upload in list(waiting):
                if receipt := _receipt(container, names, upload):
                    waiting.remove(upload)
                    folder = results / names.output_directory(upload.name).removeprefix(f"{names.output_path}/")
                    problem = _download(container, names, receipt, folder)
                    seconds = time.monotonic() - start
                    results_of[upload.name] = Result(
                        folder=folder, problem=problem, receipt=receipt, seconds=seconds, upload=upload
                    )
            time.sleep(POLL_SECONDS)
    late = time.monotonic() - start
    for upload in waiting:
        results_of[upload.name] = Result(folder=results, receipt=None, seconds=late, upload=upload)
    return [results_of[f"{names.input_path}/{name}"] for _, name in files]


def show(results: Sequence[Result], folder: Path, console: Console) -> None:
    """Print a table of what became of each upload, the reasons of failures, and where everything is kept."""
    table = Table(title="Receipts")
    for name in ("file", "status", "size", "seconds", "outputs"):
        table.add_column(name, overflow="fold")
    for result in results:
        receipt = result.receipt
        status = receipt.status if receipt else "not uploaded" if result.problem else "no receipt in time"
        outputs = ", ".join(output.name.rsplit("/", 1)[-1] for output in receipt.outputs) if receipt else ""
        colour = "green" if status == "succeeded" else "red"
        size, seconds = f"{result.upload.size:,} B", f"{result.seconds:.1f}"
        table.add_row(
            Text(printable(result.upload.name)), Text(status, style=colour), size, seconds, Text(printable(outputs))
        )
    console.print(table)
    for result in results:
        receipt = result.receipt
        told = (receipt.error, _last_words(receipt), receipt.warning) if receipt else ()
        for text in (*told, result.problem):
            if text:
                console.print(Text(printable(f"{result.upload.name}: {text}")), soft_wrap=True)
    console.print(Text(f"Results, logs and receipts are kept in {folder}"), soft_wrap=True)


def _last_words(receipt: Receipt) -> str | None:
    """Return the last line that a failed application printed, which says more than its exit code, if there is one."""
    lines = (receipt.log_tail or "").splitlines()
    words = [said for line in lines if is_application_line(line) and (said := line.removeprefix(MARK).strip())]
    return f"The application's last words were: {words[-1]}" if words else None


def _download(container: ContainerClient, names: StorageNames, receipt: Receipt, folder: Path) -> str | None:
    """Bring the results, the log and the receipt to this machine; return what could not be brought, and why."""
    directory = names.output_directory(receipt.input.name)
    blobs = [output.name for output in receipt.outputs]
    problems = []
    for name in (*blobs, names.log_name(receipt.input.name), names.receipt_name(receipt.input.name)):
        target = folder / name.removeprefix(f"{directory}/")
        if not Path(os.path.normpath(target)).is_relative_to(folder):
            problems.append(f"The result {name!r} would be written outside of {folder}.")
            continue
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                container.download_blob(name).readinto(file)
        except (AzureError, OSError) as error:
            problems.append(f"{name!r} could not be brought here: {error}")
    return " ".join(problems) or None


def _receipt(container: ContainerClient, names: StorageNames, upload: Upload) -> Receipt | None:
    try:
        blob = container.download_blob(names.receipt_name(upload.name))
    except ResourceNotFoundError:
        return None
    if plain_etag((blob.properties.metadata or {}).get(RECEIPT_ETAG_METADATA, "")) != upload.etag:
        return None
    return Receipt.decode(blob.readall().decode("utf-8"))


def _uploaded(
    container: ContainerClient, files: Sequence[tuple[Path, str]], names: StorageNames, results: Path
) -> tuple[list[Upload], dict[str, Result]]:
    """Upload files; return the uploads, and by blob name what became of those that could not be."""
    uploads: list[Upload] = []
    refused: dict[str, Result] = {}
    for path, name in files:
        blob = f"{names.input_path}/{name}"
        try:
            if (reason := names.refusal(blob)) is not None:
                raise ValueError(reason)
            uploads.append(_upload(container, path, blob))
        except (AzureError, OSError, ValueError) as error:
            upload = Upload(etag="", name=blob, size=0)
            problem = f"{path} was not uploaded: {error}"
            refused[blob] = Result(folder=results, problem=problem, receipt=None, seconds=0.0, upload=upload)
    return uploads, refused


def _upload(container: ContainerClient, path: Path, name: str) -> Upload:
    blob = container.get_blob_client(name)
    with path.open("rb") as file:
        try:
            answer = blob.upload_blob(file, overwrite=True)
        except HttpResponseError as error:
            if plain(getattr(error, "error_code", None)) not in LEASED_CODES:
                raise
            lease = blob.get_blob_properties().lease
            kind = lease_of(*(plain(lease[each]) for each in ("status", "state", "duration")))
            raise ValueError(explain(name, str(container.container_name), "LeaseIdMissing", kind)) from error
    return Upload(etag=plain_etag(answer["etag"]), name=name, size=path.stat().st_size)
