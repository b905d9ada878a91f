"""Many files in a storage account that are not put up one by one.

Azurite looks through all blobs of an account for each write and each look at one: 10,000 files with their receipts
take three minutes by requests, and 100,000 would take hours. So one file is put up by requests, as any other is, and
while Azurite is not running, what its own database says of the two blobs is multiplied. The database is one JSON text
of LokiJS: documents in an array, and for each index the positions in this array in the order of a property. All files
share the content and the ETag of the one; each has its own name, and a receipt of its own under its right name.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from xml.sax.saxutils import unescape

from pipeline_app.contract import (
    RECEIPT_ETAG_METADATA,
    RECEIPT_STATUS_METADATA,
    InputVersion,
    Receipt,
    now,
    plain_etag,
)
from tests.accounts import DATA_FOLDER
from tests.bench.http_calls import Connection
from tests.bench.storage import CONTAINER, NAMES, Storage, running_storage

COLLECTION: Final = "$BLOBS_COLLECTION$"
CONTENT: Final = b"x" * 100
DATABASE: Final = Path(DATA_FOLDER, "__azurite_db_blob__.json")
PAGE: Final = 2000

_MARKER: Final = re.compile(rb"<NextMarker>([^<]+)</NextMarker>")


@contextmanager
def crowded_storage(folder: Path, names: Sequence[str], prepare: Callable[[Storage], None]) -> Iterator[Storage]:
    """Serve a storage account in which each input has its receipt, while the context lasts.

    ``prepare`` makes what else is to be there, before the first file. The receipt of the input in the middle is true
    in its text, too; those of the others are so in name and metadata alone.

    Raises:
        RuntimeError: the account does not have what it should.
    """
    template = names[len(names) // 2]
    with running_storage(folder) as storage:
        prepare(storage)
        _put(storage, template)
    multiply(folder / DATABASE, template, names)
    with running_storage(folder) as storage:
        check(storage, names)
        yield storage


def _put(storage: Storage, name: str) -> None:
    (job,) = storage.put_inputs([name], CONTENT)
    receipt = Receipt(
        attempt=1,
        config_sha256="",
        error=None,
        event_id="bench",
        exit_code=0,
        finished_at=now(),
        image="",
        input=InputVersion(etag=job.etag, name=name, sha256=hashlib.sha256(CONTENT).hexdigest(), size=job.size),
        outputs=(),
        queued_at=now(),
        release="",
        started_at=now(),
        status="succeeded",
    )
    headers = {
        "x-ms-blob-type": "BlockBlob",
        f"x-ms-meta-{RECEIPT_ETAG_METADATA}": job.etag,
        f"x-ms-meta-{RECEIPT_STATUS_METADATA}": "succeeded",
    }
    with closing(storage.blobs()) as connection:
        path = f"{CONTAINER}/{NAMES.receipt_name(name)}"
        connection.must("PUT", path, headers=headers, body=receipt.encode().encode())


def multiply(database: Path, template: str, names: Sequence[str]) -> None:
    """Write documents for all files into the database of an Azurite that is not running, in place of the template's.

    Raises:
        RuntimeError: the database has not just the template and its receipt.
    """
    content = json.loads(database.read_text(encoding="utf-8"))
    blobs = next(collection for collection in content["collections"] if collection["name"] == COLLECTION)
    there = {document["name"]: document for document in blobs["data"]}
    if there.keys() != {template, NAMES.receipt_name(template)}:
        raise RuntimeError(
            f"{database} has {sorted(there)} and not just {template!r} and its receipt: Azurite did not save it as it "
            "ended, or something else was put up, too."
        )
    file, receipt = there[template], there[NAMES.receipt_name(template)]
    named = [
        document | {"name": name}
        for each in names
        for document, name in ((file, each), (receipt, NAMES.receipt_name(each)))
    ]
    blobs["data"] = [document | {"$loki": number} for number, document in enumerate(named, 1)]
    blobs["maxId"] = len(named)
    # Azurite trusts an index that it finds and never builds it anew. LokiJS makes the one of the numbers itself.
    for key, index in blobs["binaryIndices"].items():
        values = [document[key] for document in named]
        index["values"] = sorted(range(len(named)), key=values.__getitem__)
    database.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


def check(storage: Storage, names: Sequence[str]) -> None:
    """See that the account lists as many inputs as there should be, and has the receipt of one in the middle.

    Raises:
        RuntimeError: it does not.
    """
    with closing(storage.blobs()) as connection:
        _check(connection, names)


def _check(connection: Connection, names: Sequence[str]) -> None:
    query = {"comp": "list", "maxresults": str(PAGE), "prefix": f"{NAMES.input_path}/", "restype": "container"}
    count, marker = 0, ""
    while True:
        body = connection.must("GET", CONTAINER, query | ({"marker": marker} if marker else {})).body
        count += body.count(b"<Name>")
        if (match := _MARKER.search(body)) is None:
            break
        marker = unescape(match[1].decode())
    if count != len(names):
        raise RuntimeError(f"Azurite lists {count:,} inputs instead of {len(names):,}.")
    # Right before the file that was put up by requests.
    name = names[len(names) // 2 - 1]
    etag = plain_etag(connection.must("HEAD", f"{CONTAINER}/{name}").headers["etag"])
    receipt = connection.must("GET", f"{CONTAINER}/{NAMES.receipt_name(name)}")
    if receipt.headers.get(f"x-ms-meta-{RECEIPT_ETAG_METADATA}") != etag or not receipt.body:
        raise RuntimeError(f"The receipt of {name!r} is not of its version {etag!r}: {dict(receipt.headers)}.")
