"""The contract: names, messages and receipts that both deploy units rely on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline_app.contract import (
    MAX_OUTPUT_DIRECTORY,
    ContractError,
    FileJob,
    InputVersion,
    OutputFile,
    Receipt,
    StorageConnection,
    StorageNames,
    name_problem,
    now,
    overlap,
    plain_etag,
    stored_name,
)

NAMES = StorageNames(container="pipeline-files", input_path="incoming", output_path="outgoing")
JOB = FileJob(etag="0x1", event_id="e", name="incoming/a.csv", queued_at="2026-01-01T00:00:00.000Z", size=3)
RECEIPT = Receipt(
    attempt=1,
    config_sha256="c",
    error=None,
    event_id="e",
    exit_code=0,
    finished_at=now(),
    image="i@sha256:1",
    input=InputVersion(etag="0x1", name="incoming/ü.csv", sha256="s", size=1),
    outputs=(OutputFile(name="outgoing/ü.csv/o", sha256="s", size=1),),
    queued_at=now(),
    release="1",
    started_at=now(),
    status="succeeded",
)


def test_unknown_fields_of_a_message_are_ignored() -> None:
    assert FileJob.decode(json.dumps(json.loads(JOB.encode()) | {"later": 1})) == JOB


def test_a_message_of_an_older_release_is_read_and_one_of_this_release_has_all_that_an_older_one_needs() -> None:
    older = {"version", "name", "etag", "size", "event_id", "queued_at", "given_back"}
    message = json.loads(JOB.encode())
    assert older <= set(message)
    assert FileJob.decode(json.dumps({name: message[name] for name in older})) == JOB


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": 2}, "version 2"),
        ({"version": True}, "version True"),
        ({"version": None}, "version None"),
        ({"name": 5}, "'name'"),
        ({"size": -1}, "'size'"),
        ({"size": 2**63}, "'size'"),
        ({"size": True}, "'size'"),
        ({"given_back": "1"}, "'given_back'"),
        ({"failed": -1}, "'failed'"),
        ({"isolated": True}, "'isolated'"),
        ({"cut_milliseconds": 1.5}, "'cut_milliseconds'"),
        ({"cuts": -1}, "'cuts'"),
    ],
)
def test_a_message_that_is_not_understood_is_refused_by_name(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ContractError, match=complaint):
        FileJob.decode(json.dumps(json.loads(JOB.encode()) | change))


def test_a_receipt_survives_its_blob() -> None:
    assert Receipt.decode(RECEIPT.encode()) == RECEIPT
    with pytest.raises(ContractError, match="status 'running'"):
        Receipt.decode(RECEIPT.encode().replace('"succeeded"', '"running"'))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("incoming/a.csv", True),
        ("incoming/a/b.csv", True),
        ("incoming/a\\b.csv", False),
        ("incoming/../a.csv", False),
        ("incoming/./a.csv", False),
        ("incoming/a/..", False),
        ("incoming/...", False),
        ("incoming/..a/.b", True),
        ("incoming/a.", False),
        ("incoming/a./b", False),
        ("incoming/a/", True),
        ("incoming//a", True),
        ("incoming/a b ", True),
        ("incoming/a\tb", False),
        ("incoming/a\nb", False),
        ("incoming/a\x7fb", False),
        # Documents disagree about these, so a blob that is there is taken as it is.
        ("incoming/a\x81b", True),
        ("incoming/a\ue000b", True),
        ("incoming/a\0b", False),
        ("incoming/a\x1bb", False),
        ("incoming/\ud800", False),
        ("incoming/\uffff", False),
        ("incoming/" + "x" * 1015, True),
        ("incoming/" + "x" * 1016, False),
        ("incoming/" + "\U0001f600" * 507, True),
        ("incoming/" + "\U0001f600" * 508, False),
        ("incoming" + "/x" * 253, True),
        ("incoming" + "/x" * 254, False),
        ("incoming/", False),
        ("incoming", False),
        ("incomings/a.csv", False),
        ("outgoing/a.csv/receipt.json", False),
        ("x/incoming/a.csv", False),
    ],
)
def test_only_blobs_below_the_input_path_are_inputs(name: str, expected: bool) -> None:
    assert NAMES.is_input(name) is expected


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a.", "ends in a dot"),
        ("a..", "ends in a dot"),
        ("a./b", "ends in a dot"),
        ("a/b/.../c", "ends in a dot"),
        ("a/./b", "'.' or '..' between slashes"),
        ("..", "'.' or '..' between slashes"),
        ("a\\b", "a backslash"),
        ("a\tb", "the character '\\t'"),
        ("a\x7fb", "the character '\\x7f'"),
        ("a\x81b", "the character '\\x81'"),
        ("a\ue000b", "the character '\\ue000'"),
        ("a\ufdd0b", "the character '\\ufdd0'"),
        ("a\uffffb", "the character '\\uffff'"),
        ("a\U0001fffeb", "the character '\\U0001fffe'"),
        ("a\ud83d", "the character '\\ud83d'"),
        ("\u00e9" * 1025, "1025 characters"),
        ("\U0001f600" * 513, "1026 characters"),
        ("/".join("x" * 255), "255 parts between slashes"),
    ],
)
def test_a_name_that_azure_refuses_or_changes_is_told_from_others(name: str, problem: str) -> None:
    assert problem in str(name_problem(name))


@pytest.mark.parametrize(
    "name",
    [
        "#a?b",
        "%2e",
        "&=+$,;:@'\"<>|*",
        "-",
        ".a",
        "/",
        "//a",
        "A",
        "a ",
        "a/",
        "e\u0301",
        "\u00e9" * 1024,
        "\U0001f600" * 512,
        "/".join("x" * 254),
    ],
)
def test_a_name_that_azure_takes_as_it_is_has_no_problem(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("incoming/a", "incoming/a"),
        ("incoming/a.", "incoming/a"),
        ("incoming/a./b..", "incoming/a/b"),
        ("incoming\\a.b", "incoming/a.b"),
        ("incoming/a/../b", "incoming/a/../b"),
        ("incoming/...", "incoming/..."),
        ("incoming//a/", "incoming//a/"),
    ],
)
def test_a_blob_has_the_name_that_azure_makes_of_the_one_it_was_asked_for(asked: str, stored: str) -> None:
    assert stored_name(asked) == stored


@pytest.mark.parametrize("setting", ["INPUT", "OUTPUT"])
def test_a_path_that_no_blob_can_be_below_is_refused(setting: str) -> None:
    paths = {"APP_STORAGE_INPUT_PATH": "incoming", "APP_STORAGE_OUTPUT_PATH": "outgoing"}
    with pytest.raises(ContractError, match=f"APP_STORAGE_{setting}_PATH cannot be used: .* ends in a dot"):
        StorageNames.from_environment({"APP_STORAGE_CONTAINER": "c", **paths, f"APP_STORAGE_{setting}_PATH": "path./x"})


def test_inputs_in_too_many_folders_stay_apart_and_leave_room_for_the_receipt() -> None:
    names = StorageNames(container="c", input_path="incoming", output_path="out/going")
    deep = [f"incoming{'/x' * 252}/{end}" for end in ("a", "b")]
    directories = [names.output_directory(name) for name in deep]
    assert len(set(directories)) == 2
    for directory in directories:
        assert name_problem(f"{directory}/receipt.json") is None
    # Whose folder would be called like a hashed one is hashed as well.
    taken = NAMES.output_directory(f"incoming{'/x' * 253}")
    assert taken.count("/") == 252
    imitation = taken.replace("outgoing", "incoming", 1)
    assert NAMES.is_input(imitation)
    assert NAMES.output_directory(imitation) != taken


def test_output_names_mirror_the_input_name() -> None:
    assert NAMES.receipt_name("incoming/a/b.csv") == "outgoing/a/b.csv/receipt.json"
    assert NAMES.log_name("incoming/a/b.csv") == "outgoing/a/b.csv/run.log"
    with pytest.raises(ContractError, match="not below the input path"):
        NAMES.output_directory("elsewhere/a")


def test_names_too_long_for_azure_stay_apart_though_they_begin_alike() -> None:
    directories = {NAMES.output_directory(f"incoming/{'x' * 1014}{end}") for end in "ab"}
    assert len(directories) == 2
    assert all(directory.startswith("outgoing/xxx") for directory in directories)


def test_no_name_can_take_the_folder_of_a_longer_one() -> None:
    taken = NAMES.output_directory("incoming/" + "x" * 1015)
    imitation = taken.replace("outgoing", "incoming", 1)
    assert NAMES.is_input(imitation)
    assert NAMES.output_directory(imitation) != taken


def test_characters_outside_the_basic_plane_count_twice_as_they_do_in_the_service() -> None:
    directories = [NAMES.output_directory(f"incoming/{end}" + "\U0001f600" * 507) for end in ("", "x")]
    assert len(set(directories)) == 2
    for directory in directories:
        assert MAX_OUTPUT_DIRECTORY - 1 <= len(directory.encode("utf-16-le")) // 2 <= MAX_OUTPUT_DIRECTORY


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"attempt": "1"}, "'attempt' of the receipt is '1'"),
        ({"attempt": True}, "'attempt' of the receipt is True"),
        ({"error": 1}, "'error' of the receipt is 1"),
        ({"input": []}, "'input' of the receipt is \\[\\]"),
        ({"input": {"etag": "e", "name": 5, "sha256": None, "size": 1}}, "'name' of 'input' of the receipt is 5"),
        ({"outputs": [None]}, "'outputs' of the receipt is None"),
        ({"outputs": [{"name": "n", "sha256": None, "size": 1}]}, "'sha256' of 'outputs' of the receipt is None"),
        ({"status": "x" * 1000}, r"status 'x+\.\.\.; it must"),
    ],
)
def test_a_receipt_that_is_not_understood_is_refused_by_name(change: dict[str, Any], complaint: str) -> None:
    record = json.loads(RECEIPT.encode()) | change
    with pytest.raises(ContractError, match=complaint) as refused:
        Receipt.decode(json.dumps(record))
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("a", "a", True), ("a", "a/b", True), ("a/b", "a", True), ("a", "ab", False), ("a/b", "a/c", False)],
)
def test_paths_overlap_when_one_holds_the_other(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected


def test_overlapping_paths_are_refused_at_start() -> None:
    environment = {
        "APP_STORAGE_CONTAINER": "c",
        "APP_STORAGE_INPUT_PATH": "/files/",
        "APP_STORAGE_OUTPUT_PATH": "files/out",
    }
    with pytest.raises(ContractError, match="APP_STORAGE_INPUT_PATH is 'files'"):
        StorageNames.from_environment(environment)


def test_a_connection_is_a_string_or_an_identity_and_never_half_of_one() -> None:
    identity = {
        "APP_STORAGE_CONNECTION__blobServiceUri": "https://a.blob.example",
        "APP_STORAGE_CONNECTION__clientId": "id",
        "APP_STORAGE_CONNECTION__queueServiceUri": "https://a.queue.example",
    }
    assert StorageConnection.from_environment({"APP_STORAGE_CONNECTION": "x"}).connection_string == "x"
    assert StorageConnection.from_environment(identity).client_id == "id"
    del identity["APP_STORAGE_CONNECTION__clientId"]
    with pytest.raises(ContractError, match="APP_STORAGE_CONNECTION__clientId"):
        StorageConnection.from_environment(identity)


@pytest.mark.parametrize("etag", ['"0x1"', "0x1", ' "0x1" '])
def test_etags_compare_without_their_quotes(etag: str) -> None:
    assert plain_etag(etag) == "0x1"
