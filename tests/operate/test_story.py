"""One file's story by its input and its receipt: the facts that are found, and the advice that follows from them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from infra.operate.storage import OperateError
from infra.operate.story import gather
from infra.operate.telling import tell
from pipeline_app.contract import OutputFile
from pipeline_app.contract.worker_events import Warned
from pipeline_app.worker import holds
from pipeline_app.worker.publication import owner_of
from tests.memory.operate import MOMENT, NAMES, MemoryStorage, job_message
from tests.operate.told import NAME, advice, told


def test_a_file_that_is_done_needs_nothing(storage: MemoryStorage) -> None:
    result = storage.user_uploads("outgoing/a.csv/r.csv", "12345")
    storage.receive(NAME, "0x1", outputs=(OutputFile(name=result.name, sha256="", size=5),))
    sections = told(storage)
    assert advice(storage) == ("good", "Nothing: it is done.")
    assert {section.mood for name, section in sections.items() if name != "Attempts"} == {"good"}
    assert "1 bytes, version 0x1, uploaded 2026-01-31 11:00:00 UTC, 1 hour ago." in sections["Input"].lines[0]
    assert "Its 1 result(s) are there" in sections["Receipt"].lines[-1]


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "is not there"), ("1234", "has 4 bytes instead of 5")], ids=["gone", "changed"]
)
def test_results_that_are_not_as_the_receipt_says_are_told(
    storage: MemoryStorage, content: str | None, complaint: str
) -> None:
    if content:
        storage.user_uploads("outgoing/a.csv/r.csv", content)
    storage.receive(NAME, "0x1", outputs=(OutputFile(name="outgoing/a.csv/r.csv", sha256="", size=5),))
    assert complaint in told(storage)["Receipt"].lines[-1]
    assert advice(storage)[0] == "bad"
    assert "'retry incoming/a.csv' makes them anew" in advice(storage)[1]


def test_a_failed_file_is_told_with_its_reason_and_the_end_of_its_log(storage: MemoryStorage) -> None:
    tail = "".join(f"line {number}\n" for number in range(9))
    storage.receive(NAME, "0x1", "failed", error="The application exited with code 7.", log_tail=tail)
    lines = told(storage)["Receipt"].lines
    assert "The application exited with code 7." in lines
    assert lines[-5:] == ("  line 4", "  line 5", "  line 6", "  line 7", "  line 8")
    mood, text = advice(storage)
    assert mood == "bad"
    assert text.startswith("Mend what the receipt says, then 'retry incoming/a.csv'")


def test_a_receipt_of_an_earlier_version_is_no_end(storage: MemoryStorage) -> None:
    storage.receive(NAME, "0xOLD", "failed", error="Why.")
    receipt = told(storage)["Receipt"]
    assert receipt.mood == "waiting"
    assert "It is of another version, 0xOLD" in receipt.lines[1]
    assert "Mend" not in advice(storage)[1]


@pytest.mark.parametrize("blob", ["r.csv", "receipt.json", "run.log"])
@pytest.mark.parametrize("queue", [None, "jobs", "jobs-poison"])
def test_what_keeps_a_new_version_from_being_published_is_told_with_the_way_out(
    storage: MemoryStorage, blob: str, queue: str | None
) -> None:
    storage.receive(NAME, "0xOLD")
    text = storage.read("outgoing/a.csv/receipt.json") if blob == "receipt.json" else "x"
    metadata = {"owner": owner_of(NAME), "sha256": "0"} if blob == "r.csv" else {}
    storage.user_uploads(f"outgoing/a.csv/{blob}", str(text), metadata=metadata, lease="infinite")
    if queue:
        storage.have(queue, job_message(NAME))
    mood, said = advice(storage)
    assert mood == "bad"
    held = holds.explain(f"outgoing/a.csv/{blob}", NAMES.container, "LeaseIdMissing", holds.INFINITE)
    assert said.startswith(f"{held} As long as that lasts")
    assert "'retry incoming/a.csv'" in said
    assert held in told(storage)["Receipt"].lines


def test_what_is_held_is_told_where_the_receipt_says_that_the_file_failed(storage: MemoryStorage) -> None:
    storage.receive(NAME, "0x1", "failed", error="Held.")
    storage.user_uploads("outgoing/a.csv/run.log", lease="infinite")
    held = holds.explain("outgoing/a.csv/run.log", NAMES.container, "LeaseIdMissing", holds.INFINITE)
    assert told(storage)["Receipt"].lines[-1] == held
    assert advice(storage)[1].startswith("End what holds the blobs that are named above, then 'retry incoming/a.csv'")


def test_what_is_held_is_no_matter_of_a_file_that_is_done_or_of_another_one(storage: MemoryStorage) -> None:
    storage.receive(NAME, "0x1")
    storage.user_uploads("outgoing/a.csv/run.log", lease="infinite")
    assert advice(storage) == ("good", "Nothing: it is done.")
    assert "LeaseIdMissing" not in " ".join(told(storage)["Receipt"].lines)
    other = {"owner": owner_of("incoming/a.csv/b"), "sha256": "0"}
    storage.user_uploads(NAME)
    storage.user_uploads("outgoing/a.csv/run.log")
    storage.user_uploads("outgoing/a.csv/b/x", metadata=other, lease="infinite")
    assert "LeaseIdMissing" not in " ".join(told(storage)["Receipt"].lines)


def test_a_receipt_that_cannot_be_read_is_told(storage: MemoryStorage) -> None:
    storage.user_uploads("outgoing/a.csv/receipt.json", "{}")
    receipt = told(storage)["Receipt"]
    assert receipt.mood == "bad"
    assert "incomplete" in receipt.lines[0]


def test_a_blob_outside_the_input_path_is_told_to_be_none_of_the_pipeline_s(storage: MemoryStorage) -> None:
    storage.user_uploads("Incoming/a.csv")
    sections = told(storage, "Incoming/a.csv")
    assert "below 'incoming/', with regard to case" in sections["Event filter"].lines[0]
    assert advice(storage, "Incoming/a.csv") == (
        "bad",
        "Upload the file below the input path, under another name if need be.",
    )


def test_an_archived_input_is_told_as_that_with_the_way_out(storage: MemoryStorage) -> None:
    blob = storage.user_uploads(NAME, tier="Archive")
    storage.receive(NAME, blob.etag, "failed", error="It is archived.")
    assert "Set its tier to hot" in told(storage)["Input"].lines[1]
    assert "Set its tier to hot" in advice(storage)[1]
    blob = storage.user_uploads(NAME, tier="Archive", archive_status="rehydrate-pending-to-hot")
    storage.receive(NAME, blob.etag, "failed", error="It is archived.")
    assert "up to 15 hours. 'retry incoming/a.csv' has it processed once" in advice(storage)[1]
    # A file that was archived after it was processed is done.
    blob = storage.user_uploads(NAME, tier="Archive")
    storage.receive(NAME, blob.etag)
    assert advice(storage) == ("good", "Nothing: it is done.")


def test_a_receipt_that_cannot_be_read_is_told_and_ends_no_story(
    storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> str:
        raise OperateError("This operation is not permitted on an archived blob.")

    monkeypatch.setattr(storage, "read", refuse)
    assert "cannot be read: This operation is not permitted" in told(storage)["Receipt"].lines[0]


def test_a_success_that_is_hardly_meant_is_told_with_its_warning(storage: MemoryStorage) -> None:
    blob = storage.user_uploads(NAME)
    storage.receive(NAME, blob.etag, warning="It left no file.")
    assert "It left no file." in told(storage)["Receipt"].lines
    assert advice(storage)[0] == "bad"


def test_no_part_of_a_story_is_obeyed_by_a_terminal(storage: MemoryStorage) -> None:
    evil = "\x1b[2J\x1b[31mYou have won\x1b]0;pwned\x07\u202e"
    blob = storage.user_uploads(NAME)
    storage.receive(NAME, blob.etag, "failed", error=f"It said {evil}", log_tail=f"{evil}\nprogress 10%\rprogress 99%")
    lines = [
        line
        for section in tell(gather(NAME, storage, NAMES, [str(Warned(name=NAME, warning=evil))]), NAMES, MOMENT)
        for line in section.lines
    ]
    assert not set("\x1b\x07\u202e\r\n") & set("".join(lines))
    assert sum("\\x1b[2J" in line for line in lines) == 3


def test_what_stands_for_a_folder_is_told_to_be_no_input(storage: MemoryStorage) -> None:
    storage.user_uploads(NAME, "", metadata={"hdi_isfolder": "true"})
    assert "stands for a folder" in told(storage)["Event filter"].lines[0]
    assert advice(storage)[0] == "good"
    storage.user_uploads(NAME, "")
    assert "It takes this file" in told(storage)["Event filter"].lines[0]


@pytest.mark.parametrize("kind", ["AppendBlob", "PageBlob"])
def test_a_blob_that_is_made_before_its_content_is_told_when_it_is_processed(storage: MemoryStorage, kind: str) -> None:
    earlier = storage.user_uploads(NAME, "", kind=kind)
    storage.receive(NAME, earlier.etag)
    storage.user_uploads(NAME, "grown", kind=kind, modified=MOMENT - timedelta(minutes=10))
    line = told(storage)["Event filter"].lines[0]
    assert f"of the type {kind}: its event comes when it is made" in line
    assert "once it has not changed for two minutes" in line
    mood, text = advice(storage)
    assert (mood, "the sweep queues it once it has not changed" in text) == ("waiting", True)
    storage.user_uploads(NAME, "grown", kind=kind, modified=MOMENT - timedelta(hours=1))
    assert "'backfill' queues it now" in advice(storage)[1]
