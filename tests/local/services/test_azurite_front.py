"""What Azure refuses, or takes for something else, is refused before Azurite sees it, and what stands beside it is not.

Each rule is tried raw: a wrong request gets Azure's status and error code, and a right one next to it passes.
"""

from __future__ import annotations

import http.client
import subprocess
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    AccountSasPermissions,
    BlobLeaseClient,
    ContainerClient,
    ResourceTypes,
    StandardBlobTier,
    generate_account_sas,
)

from infra.local.services.azurite import FRONT, StorageAccount, node
from pipeline_app.contract import name_problem
from pipeline_app.rest.endpoint import API_VERSION
from tests.accounts import fresh_refusals
from tests.local.services.front_rules import RULES
from tests.local.services.raw_requests import PUT, Call, Raw, Said, block, encoded, put

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def raw(account: StorageAccount) -> Raw:
    """Make a container and a queue, and send to them."""
    made = Raw(account)
    assert made.send(Call(path="files", query={"restype": "container"})).status == 201
    assert made.send(Call(path="jobs", service="queue")).status == 201
    return made


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.refused
def test_a_request_that_azure_refuses_or_changes_is_refused_and_its_neighbour_passes(raw: Raw, rule: str) -> None:
    wrong, status, code, right, passed = RULES[rule]
    raw.send(put("ranged"))
    assert fresh_refusals() == []
    said = raw.send(wrong)
    assert (said.status, said.code) == (status, code), said.body
    record = ElementTree.fromstring(said.body)  # noqa: S314 -- the front of these tests.
    assert record.findtext("Code") == code
    (line,) = fresh_refusals()
    assert line.startswith(f"Refused as Azure would: {status} {code} to {wrong.method} /testaccount/")
    assert raw.send(right).status == passed
    assert fresh_refusals() == []


@pytest.mark.refused("InvalidUri")
@pytest.mark.parametrize("method", ["DELETE", "GET", "HEAD"])
def test_no_request_of_any_kind_reaches_a_blob_by_a_name_that_azure_makes_its_own(raw: Raw, method: str) -> None:
    raw.send(put("target"))
    said = raw.send(Call(method=method, path="files/target."))
    assert (said.status, said.code) == (400, "InvalidUri")
    assert raw.send(Call(method="HEAD", path="files/target")).status == 200


@pytest.mark.refused
def test_sizes_that_no_version_takes_are_refused_before_a_byte_is_sent(raw: Raw) -> None:
    def announced(size: int, version: str, **query: str) -> Said:
        headers = {**PUT, "Content-Length": str(size), "x-ms-version": version}
        return raw.send(Call(path="files/large", query=query, headers=headers))

    block_id = {"blockid": encoded(1), "comp": "block"}
    for version, blob_mib, block_mib in (("2019-12-12", 5000, 4000), ("2019-07-07", 256, 100), ("2015-02-21", 64, 4)):
        said = announced(blob_mib * MIB + 1, version)
        assert (said.status, said.code) == (413, "RequestBodyTooLarge")
        said = announced(block_mib * MIB + 1, version, **block_id)
        assert (said.status, said.code) == (413, "RequestBodyTooLarge")


@pytest.mark.refused("InvalidBlobOrBlock")
def test_the_blocks_of_a_blob_have_ids_of_one_length_until_they_are_committed(raw: Raw) -> None:
    assert raw.send(block("blocks", encoded(1, 8))).status == 201
    assert raw.send(block("other", encoded(1, 9))).status == 201
    said = raw.send(block("blocks", encoded(1, 9)))
    assert (said.status, said.code) == (400, "InvalidBlobOrBlock")
    body = f"<BlockList><Latest>{encoded(1, 8)}</Latest></BlockList>".encode()
    assert raw.send(Call(path="files/blocks", query={"comp": "blocklist"}, body=body)).status == 201
    assert raw.send(Call(method="GET", path="files/blocks")).body == b"x"
    assert raw.send(block("blocks", encoded(1, 9))).status == 201


@pytest.mark.refused("BlockListTooLong")
def test_a_list_of_blocks_has_50_000(raw: Raw) -> None:
    def commit(count: int) -> Said:
        body = f"<BlockList>{f'<Latest>{encoded(1)}</Latest>' * count}</BlockList>".encode()
        return raw.send(Call(path="files/long", query={"comp": "blocklist"}, body=body))

    raw.send(block("long", encoded(1)))
    said = commit(50_001)
    assert (said.status, said.code) == (400, "BlockListTooLong")
    assert commit(3).status == 201


def test_a_blob_has_no_more_blocks_than_can_be_staged() -> None:
    script = f"""
        const {{ Blocks }} = require({str(FRONT.with_name("blobs.cjs"))!r});
        const blocks = new Blocks(2);
        const id = (text) => Buffer.from(text).toString("base64");
        const codes = ["a", "b", "a", "c"].map((text) => blocks.stage("x", id(text))?.code ?? "taken");
        blocks.forget("x");
        console.log(codes.join(), blocks.stage("x", id("c"))?.code ?? "taken", new Blocks().limit);
    """
    told = subprocess.run([node(), "-e", script], capture_output=True, check=True, text=True).stdout.split()
    assert told == ["taken,taken,taken,BlockCountExceedsLimit", "taken", "100000"]


def test_an_archived_blob_is_neither_read_nor_changed_nor_copied_onto_itself(raw: Raw) -> None:
    text = raw.account.connection_string
    with ContainerClient.from_connection_string(text, f"archive{uuid.uuid4().hex}") as container:
        container.create_container()
        blob, other = container.get_blob_client("archived"), container.get_blob_client("other")
        blob.upload_blob(b"x", standard_blob_tier=StandardBlobTier.ARCHIVE)
        refused: list[Callable[[], object]] = [
            lambda: blob.download_blob().readall(),
            lambda: blob.upload_blob(b"y", overwrite=True),
            lambda: blob.start_copy_from_url(blob.url),
            lambda: blob.start_copy_from_url(blob.url, standard_blob_tier=StandardBlobTier.HOT),
            lambda: other.start_copy_from_url(blob.url),
        ]
        for call in refused:
            with pytest.raises(HttpResponseError) as refusal:
                call()
            assert refusal.value.status_code == 409
            assert "BlobArchived" in str(refusal.value)
        assert blob.get_blob_properties().blob_tier == "Archive"
        other.start_copy_from_url(blob.url, standard_blob_tier=StandardBlobTier.HOT)
        assert other.download_blob().readall() == b"x"
        blob.set_standard_blob_tier("Cold")
        blob.start_copy_from_url(blob.url)
        assert blob.download_blob().readall() == b"x"


def test_a_leased_blob_is_changed_in_no_way_by_whoever_does_not_name_the_lease(raw: Raw) -> None:
    text = raw.account.connection_string
    with ContainerClient.from_connection_string(text, f"lease{uuid.uuid4().hex}") as container:
        container.create_container()
        blob, other = container.get_blob_client("leased"), container.get_blob_client("other")
        log = container.get_blob_client("log")
        log.create_append_blob()
        other.upload_blob(b"y")
        etag = str(blob.upload_blob(b"x")["etag"])
        leases = [blob.acquire_lease(-1), log.acquire_lease(15)]
        refused: list[Callable[[], object]] = [
            lambda: blob.upload_blob(b"y", overwrite=True),
            lambda: blob.upload_blob(b"y", etag=etag, match_condition=MatchConditions.IfNotModified, overwrite=True),
            lambda: blob.stage_block("AAAA", b"y"),
            lambda: blob.commit_block_list([]),
            lambda: blob.delete_blob(),
            lambda: blob.delete_blob(delete_snapshots="include"),
            lambda: blob.start_copy_from_url(other.url),
            lambda: blob.start_copy_from_url(blob.url),
            lambda: blob.set_blob_metadata({"a": "b"}),
            lambda: blob.set_standard_blob_tier("Cool"),
            lambda: log.append_block(b"y"),
            lambda: log.upload_blob(b"y", overwrite=True),
        ]
        for number, call in enumerate(refused):
            with pytest.raises(HttpResponseError) as refusal:
                call()
            assert (number, refusal.value.status_code, "LeaseIdMissing" in str(refusal.value)) == (number, 412, True)
        # It can be read, copied from, and be made a snapshot of.
        assert blob.download_blob().readall() == b"x"
        blob.create_snapshot()
        container.get_blob_client("copy").start_copy_from_url(blob.url)
        # Whoever breaks a lease need not know it; one that is being broken holds on until its time is over.
        leases[1].break_lease(5)
        with pytest.raises(HttpResponseError, match="LeaseIdMissing"):
            log.append_block(b"y")
        properties = log.get_blob_properties().lease
        assert (properties["status"], properties["state"]) == ("locked", "breaking")
        properties = blob.get_blob_properties().lease
        assert (properties["status"], properties["state"], properties["duration"]) == ("locked", "leased", "infinite")
        BlobLeaseClient(blob).break_lease(0)
        blob.upload_blob(b"y", overwrite=True)


def test_a_blob_with_snapshots_is_deleted_with_them_or_not_at_all(raw: Raw) -> None:
    text = raw.account.connection_string
    with ContainerClient.from_connection_string(text, f"snapshot{uuid.uuid4().hex}") as container:
        container.create_container()
        blob = container.get_blob_client("x")
        blob.upload_blob(b"x")
        blob.create_snapshot()
        blob.upload_blob(b"y", overwrite=True)
        with pytest.raises(HttpResponseError) as refusal:
            blob.delete_blob()
        assert (refusal.value.status_code, "SnapshotsPresent" in str(refusal.value)) == (409, True)
        assert len(list(container.list_blobs(include=["snapshots"]))) == 2
        blob.delete_blob(delete_snapshots="include")
        assert list(container.list_blobs(include=["snapshots"])) == []


@pytest.mark.refused
@pytest.mark.parametrize("missing", ["popreceipt", "visibilitytimeout"])
def test_a_message_is_changed_with_its_receipt_and_for_a_time(raw: Raw, missing: str) -> None:
    query = {"popreceipt": "AgAAAAMAAAA", "visibilitytimeout": "5"}
    call = Call(
        path="jobs/messages/1", query={missing: ""} | {n: v for n, v in query.items() if n != missing}, service="queue"
    )
    said = raw.send(call)
    assert (said.status, said.code) == (400, "MissingRequiredQueryParameter")
    said = raw.send(Call(path="jobs/messages/1", query=query, service="queue"))
    # Only Azurite knows that there is no such message.
    assert said.code not in ("", "MissingRequiredQueryParameter")


@pytest.mark.refused("AuthenticationFailed")
def test_a_signature_is_of_a_version_that_there_is(raw: Raw) -> None:
    account = raw.account
    signature = generate_account_sas(
        account.name,
        account.key,
        ResourceTypes(object=True),
        AccountSasPermissions(read=True),
        datetime.now(UTC) + timedelta(hours=1),
    )
    raw.send(put("signed"))
    pairs = dict(pair.split("=", 1) for pair in signature.split("&"))
    query = {name: unquote(value) for name, value in pairs.items()}
    right = Call(method="GET", path="files/signed", query=query, headers={"x-ms-version": None, "x-ms-date": None})
    assert raw.send(right, signed=False).status == 200
    wrong = Call(method="GET", path="files/signed", query={**query, "sv": "2024-11-05"})
    said = raw.send(wrong, signed=False)
    assert (said.status, said.code) == (403, "AuthenticationFailed")


@pytest.mark.refused
def test_a_refusal_leaves_the_connection_in_order(raw: Raw) -> None:
    url = urlsplit(raw.account.endpoint("blob"))
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=60)
    try:
        for _ in range(2):
            connection.request("PUT", f"{url.path}files/a.", b"x" * MIB, {"x-ms-version": API_VERSION})
            response = connection.getresponse()
            assert (response.status, response.will_close) == (400, False)
            response.read()
    finally:
        connection.close()


NAMES = [
    "a", "a.", "a./b", "a..", "...", "a/../b", ".a", "a b", "a/", "//a", "a\\b", "a\tb", "a\x7f", "a\x81", "\ue000",
    "\ufdd0", "\uffff", "#?%&+", "\u00e9" * 1024, "\u00e9" * 1025, "\U0001f600" * 512, "\U0001f600" * 513,
    "/".join("x" * 254), "/".join("x" * 255),
]  # fmt: skip


@pytest.mark.refused
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_the_front_and_the_contract_refuse_the_same_names(raw: Raw, name: str) -> None:
    said = raw.send(put(quote(name, safe="/~")))
    assert (said.status == 400) == (name_problem(name) is not None), said.body
