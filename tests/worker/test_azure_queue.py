"""The queue against a real Azurite: claims, their proofs and what becomes of a message's content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPMessage
from xml.etree import ElementTree

import pytest
from azure.storage.queue import QueueServiceClient

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE, StorageConnection
from pipeline_app.rest.endpoint import Endpoint
from pipeline_app.rest.exchange import Answer
from pipeline_app.worker.azure_queue import AzureJobQueue
from pipeline_app.worker.azure_storage import connect
from pipeline_app.worker.storage import ClaimLost, Message


@pytest.fixture
def queues(connection_string: str) -> Iterator[QueueServiceClient]:
    with QueueServiceClient.from_connection_string(connection_string) as queues:
        for name in (JOBS_QUEUE, JOBS_POISON_QUEUE):
            queues.create_queue(name)
        yield queues
        for name in (JOBS_QUEUE, JOBS_POISON_QUEUE):
            queues.delete_queue(name)


@pytest.fixture
def queue(connection_string: str, queues: QueueServiceClient) -> Iterator[AzureJobQueue]:
    with closing(connect(StorageConnection(connection_string=connection_string), "none")[1]) as queue:
        yield queue


def test_a_claim_hides_the_message_and_its_proof_is_the_newest_pop_receipt(
    queue: AzureJobQueue, queues: QueueServiceClient
) -> None:
    queues.get_queue_client(JOBS_QUEUE).send_message("job")
    message = queue.receive(30)
    assert message is not None
    assert (message.content, message.dequeue_count) == ("job", 1)
    assert queue.receive(30) is None
    assert not queue.is_empty()
    old = message.pop_receipt
    queue.renew(message, 30)
    assert message.pop_receipt != old
    queue.give_back(message, "changed", 0)
    again = queue.receive(30)
    assert again is not None
    assert (again.content, again.dequeue_count) == ("changed", 2)
    for settle in (queue.delete, lambda late: queue.renew(late, 30), lambda late: queue.give_back(late, "x", 0)):
        with pytest.raises(ClaimLost):
            settle(message)
    queue.delete(again)
    assert queue.is_empty()
    with pytest.raises(ClaimLost):
        queue.renew(again, 30)


def test_a_renewed_claim_keeps_the_content(queue: AzureJobQueue, queues: QueueServiceClient) -> None:
    queues.get_queue_client(JOBS_QUEUE).send_message("job")
    message = queue.receive(30)
    assert message is not None
    queue.renew(message, 0)
    again = queue.receive(30)
    assert again is not None
    assert again.content == "job"


def test_a_renewed_claim_may_change_the_content_for_whoever_claims_it_next(
    queue: AzureJobQueue, queues: QueueServiceClient
) -> None:
    queues.get_queue_client(JOBS_QUEUE).send_message("job")
    message = queue.receive(30)
    assert message is not None
    old = message.pop_receipt
    queue.renew(message, 0, "said by a worker that was lost then")
    assert message.pop_receipt != old
    again = queue.receive(30)
    assert again is not None
    assert (again.content, again.dequeue_count) == ("said by a worker that was lost then", 2)
    with pytest.raises(ClaimLost):
        queue.renew(message, 30, "too late")


CONTENTS = ['<rubbish> & "more"', "two\r\nlines\n", " spaces ", "日本 \U0001f600", ""]


@pytest.mark.parametrize("content", CONTENTS)
def test_a_buried_message_is_in_the_poison_queue_alone(
    queue: AzureJobQueue, queues: QueueServiceClient, content: str
) -> None:
    queues.get_queue_client(JOBS_QUEUE).send_message(content)
    message = queue.receive(30)
    assert message is not None
    assert message.content == content
    queue.bury(message)
    assert queue.is_empty()
    buried = queues.get_queue_client(JOBS_POISON_QUEUE).receive_message()
    assert buried is not None
    assert (buried.content or "") == content
    assert buried.expires_on is not None
    assert buried.expires_on.year == 9999


@pytest.mark.parametrize("content", CONTENTS)
def test_a_reader_of_xml_finds_the_content_of_a_message(
    queue: AzureJobQueue, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    sent: list[bytes] = []

    def call(self: Endpoint, method: str, path: str, query: object, kind: object, body: bytes) -> Answer:
        sent.append(body)
        headers = HTTPMessage()
        headers["x-ms-popreceipt"] = "next"
        return Answer(headers=headers, status=204)

    monkeypatch.setattr(Endpoint, "call", call)
    queue.give_back(Message(content="", dequeue_count=1, id="1", pop_receipt="p"), content, 0)
    assert (ElementTree.fromstring(sent[0]).findtext("MessageText") or "") == content  # noqa: S314 -- made here.
