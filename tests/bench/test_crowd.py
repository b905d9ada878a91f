"""Files that are multiplied in the storage's database are, to any request, as if each had been put up by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_app.contract import RECEIPT_ETAG_METADATA, plain_etag
from tests.bench import crowd, sweeps
from tests.bench.crowd import check, crowded_storage, multiply
from tests.bench.http_calls import Connection
from tests.bench.storage import CONTAINER, NAMES, Storage, input_names
from tests.bench.sweep_run import run

INPUTS = input_names(7)
METADATA = f"x-ms-meta-{RECEIPT_ETAG_METADATA}"


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with crowded_storage(tmp_path_factory.mktemp("crowd"), INPUTS, sweeps.prepare) as storage:
        yield storage


@pytest.fixture
def connection(storage: Storage) -> Iterator[Connection]:
    connection = storage.blobs()
    yield connection
    connection.close()


def test_each_file_is_there_with_the_receipt_of_its_version(connection: Connection) -> None:
    for name in INPUTS:
        answer = connection.must("GET", f"{CONTAINER}/{name}")
        assert answer.body == crowd.CONTENT
        receipt = connection.must("HEAD", f"{CONTAINER}/{NAMES.receipt_name(name)}")
        assert receipt.headers[METADATA] == plain_etag(answer.headers["etag"])
    assert connection.call("HEAD", f"{CONTAINER}/{INPUTS[0]}.none").status == 404


def test_listing_in_pages_has_each_input_once(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "PAGE", 3)
    check(storage, INPUTS)


def test_account_that_lists_another_number_of_inputs_is_refused(storage: Storage) -> None:
    with pytest.raises(RuntimeError, match="lists 7 inputs instead of 8"):
        check(storage, input_names(8))


def test_receipt_of_another_version_is_refused(storage: Storage, connection: Connection) -> None:
    name = f"{CONTAINER}/{NAMES.receipt_name(INPUTS[2])}"
    receipt = connection.must("GET", name)
    headers = {"x-ms-blob-type": "BlockBlob"}
    connection.must("PUT", name, headers=headers | {METADATA: "another"}, body=receipt.body)
    with pytest.raises(RuntimeError, match=f"receipt of '{INPUTS[2]}' is not of its version"):
        check(storage, INPUTS)
    connection.must("PUT", name, headers=headers | {METADATA: receipt.headers[METADATA]}, body=receipt.body)
    check(storage, INPUTS)


def test_writes_and_deletes_meet_one_file_alone(storage: Storage, connection: Connection) -> None:
    changed, other = (f"{CONTAINER}/{NAMES.receipt_name(name)}" for name in INPUTS[:2])
    new = f"{CONTAINER}/{INPUTS[-1]}.new"
    headers = {"x-ms-blob-type": "BlockBlob"}
    before = connection.must("GET", changed)
    metadata = {METADATA: before.headers[METADATA]}
    connection.must("PUT", changed, headers=headers | metadata, body=b"another")
    connection.must("PUT", new, headers=headers, body=b"new")
    after = connection.must("GET", changed)
    assert after.body == b"another"
    assert after.headers["etag"] != before.headers["etag"]
    assert connection.must("GET", other).body == before.body
    assert connection.must("GET", new).body == b"new"
    connection.must("DELETE", new)
    assert connection.call("HEAD", new).status == 404
    check(storage, INPUTS)


def test_sweep_that_believes_everything_settled_looks_for_no_receipt(storage: Storage) -> None:
    run(storage.account, NAMES, "settle")
    storage.forget()
    done = run(storage.account, NAMES, "sweep")
    assert done.ended
    assert done.processor > 0
    assert not [each for each in storage.seen() if each.access.method == "HEAD"]


@pytest.mark.parametrize("saved", [[], ["incoming/a"], ["incoming/a", "outgoing/a/receipt.json", "incoming/b"]])
def test_database_with_anything_but_one_file_and_its_receipt_is_refused(tmp_path: Path, saved: list[str]) -> None:
    database = tmp_path / "database.json"
    collection = {"binaryIndices": {}, "data": [{"name": name} for name in saved], "name": crowd.COLLECTION}
    database.write_text(json.dumps({"collections": [collection]}), encoding="utf-8")
    before = database.read_bytes()
    with pytest.raises(RuntimeError, match="not just 'incoming/a' and its receipt"):
        multiply(database, "incoming/a", ["incoming/a"])
    assert database.read_bytes() == before


def test_indices_have_the_documents_in_order_and_each_has_a_number_of_its_own(tmp_path: Path) -> None:
    receipt, keys = NAMES.receipt_name(INPUTS[0]), ("accountName", "name")
    saved = [{"$loki": 1, "accountName": "bench", "name": name} for name in (receipt, INPUTS[0])]
    collection = {
        "binaryIndices": {key: {"dirty": False, "name": key, "values": [1, 0]} for key in keys},
        "data": saved,
        "maxId": 2,
        "name": crowd.COLLECTION,
    }
    database = tmp_path / "database.json"
    database.write_text(json.dumps({"collections": [collection]}), encoding="utf-8")
    multiply(database, INPUTS[0], INPUTS)
    written = json.loads(database.read_text(encoding="utf-8"))["collections"][0]
    documents = written["data"]
    assert sorted(document["name"] for document in documents) == sorted([*INPUTS, *map(NAMES.receipt_name, INPUTS)])
    # LokiJS finds a document by its number with a binary search.
    assert [document["$loki"] for document in documents] == list(range(1, written["maxId"] + 1))
    for key in keys:
        positions = written["binaryIndices"][key]["values"]
        assert sorted(positions) == list(range(len(documents)))
        values = [documents[position][key] for position in positions]
        assert values == sorted(values)
