"""The account in memory answers as Azurite does behind the strict front: in chosen orders, and in random ones."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_app.contract import StorageConnection
from pipeline_app.rest.endpoint import open_account
from tests.memory.account import Account
from tests.memory.endpoint import MemoryEndpoint
from tests.memory.sides import CONTAINER, QUEUE, Side, Step, described

BLOCKS = [base64.b64encode(each).decode() for each in (b"1", b"2")]
NAMES = ("a", "a/b", "ü")


class Pair:
    """Both accounts, each with a container and a queue that nobody else has."""

    def __init__(self, connection_string: str) -> None:
        self._real = open_account(StorageConnection(connection_string=connection_string), 0)

    def fresh(self) -> tuple[Side, Side]:
        """Return both sides, empty."""
        account = Account()
        # Of this alone Azurite knows less than Azure.
        account.blobs.starts_from = False
        memory = Side(MemoryEndpoint(account.answer, "blob"), MemoryEndpoint(account.answer, "queue"), "files", "jobs")
        azurite = Side(*self._real, f"c{uuid.uuid4().hex}", f"q{uuid.uuid4().hex}")
        for side in (memory, azurite):
            side.make()
        return memory, azurite

    def close(self) -> None:
        """Close the connections."""
        for each in self._real:
            each.close()


@pytest.fixture(scope="module")
def pair(connection_string: str) -> Iterator[Pair]:
    with closing(Pair(connection_string)) as made:
        yield made


def blob(
    method: str, name: str, query: Mapping[str, str] | None = None, body: bytes | None = None, **headers: str
) -> Step:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Step("blob", method, f"{CONTAINER}/{name}", query or {}, named, body or b"")


def put(name: str, body: bytes = b"x", **headers: str) -> Step:
    return blob("PUT", name, None, body, x_ms_blob_type="BlockBlob", **headers)


def block(name: str, number: int, body: bytes = b"x") -> Step:
    return blob("PUT", name, {"blockid": BLOCKS[number], "comp": "block"}, body)


def commit(name: str, *numbers: int, **headers: str) -> Step:
    listed = "".join(f"<Latest>{BLOCKS[number]}</Latest>" for number in numbers)
    body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'.encode()
    return blob("PUT", name, {"comp": "blocklist"}, body, **headers)


def listing(prefix: str = "", **query: str) -> Step:
    return Step("blob", "GET", CONTAINER, {"comp": "list", "prefix": prefix, "restype": "container", **query})


def lease(name: str, action: str, **headers: str) -> Step:
    return blob("PUT", name, {"comp": "lease"}, None, x_ms_lease_action=action, **headers)


def message(text: str, **query: str) -> Step:
    body = f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()
    return Step("queue", "POST", f"{QUEUE}/messages", query, {}, body)


def received(**query: str) -> Step:
    return Step("queue", "GET", f"{QUEUE}/messages", {"numofmessages": "32", **query})


def of_message(method: str, number: int, receipt: int, text: str | None = None, **query: str) -> Step:
    body = b"" if text is None else f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()
    asked = {"popreceipt": f"<receipt {number} {receipt}>", **query}
    return Step("queue", method, f"{QUEUE}/messages/<id all {number}>", asked, {}, body)


COUNT = Step("queue", "GET", QUEUE, {"comp": "metadata"})
NEWEST, OLDER = "<etag a -1>", "<etag a 0>"

# What the program relies on, with the statuses that Azure documents.
CHOSEN: dict[str, list[tuple[Step, int]]] = {
    "a blob is made once": [
        (put("a", If_None_Match="*"), 201),
        (put("a", If_None_Match="*"), 409),
        (blob("GET", "a"), 200),
    ],
    "a blob is overwritten in the version that was seen": [
        (put("a", If_Match=f'"{NEWEST}"'), 412),
        (put("a"), 201),
        (put("a", If_Match=f'"{NEWEST}"'), 201),
        (put("a", b"y", If_Match=f'"{OLDER}"'), 412),
        (blob("GET", "a"), 200),
    ],
    "a blob is deleted in the version that was seen": [
        (put("a"), 201),
        (put("a"), 201),
        (blob("DELETE", "a", If_Match=f'"{OLDER}"'), 412),
        (blob("DELETE", "a", If_Match=f'"{NEWEST}"', x_ms_delete_snapshots="include"), 202),
        (blob("HEAD", "a"), 404),
        (put("a", If_None_Match="*"), 201),
        (blob("GET", "a", If_Match=f'"{OLDER}"'), 412),
    ],
    "a range is of the version that was seen": [
        (put("a", b"0123456789"), 201),
        (blob("GET", "a", If_Match=f'"{NEWEST}"', x_ms_range="bytes=2-4"), 206),
        (blob("GET", "a", x_ms_range="bytes=8-20"), 206),
        (blob("GET", "a", x_ms_range="bytes=10-20"), 416),
        (put("a", b""), 201),
        (blob("GET", "a", x_ms_range="bytes=0-4"), 416),
        (blob("GET", "a", If_Match=f'"{OLDER}"', x_ms_range="bytes=2-4"), 412),
    ],
    "metadata come back": [
        (put("a", x_ms_meta_etag="0x1", x_ms_meta_Attempt="one two"), 201),
        (blob("HEAD", "a"), 200),
        (listing(include="metadata"), 200),
        (listing(), 200),
        (put("a"), 201),
        (blob("GET", "a"), 200),
    ],
    "blocks are committed by who lists them": [
        (block("a", 0, b"one"), 201),
        (blob("HEAD", "a"), 404),
        (listing(), 200),
        (block("a", 1, b"two"), 201),
        (commit("a", 1, 0, If_None_Match="*"), 201),
        (blob("GET", "a"), 200),
        (commit("a", 0), 201),
        (blob("GET", "a"), 200),
        (commit("a", 1), 400),
    ],
    "blocks go with what is put over them": [
        (block("a", 0), 201),
        (put("a"), 201),
        (commit("a", 0), 400),
    ],
    "a block list has its condition": [
        (put("a"), 201),
        (block("a", 0), 201),
        (commit("a", 0, If_None_Match="*"), 409),
        (commit("a", 0, If_Match=f'"{NEWEST}"'), 201),
        (commit("a", 0, If_Match=f'"{OLDER}"'), 412),
    ],
    "a leased blob is read alone": [
        (put("a"), 201),
        (lease("a", "acquire", x_ms_lease_duration="-1"), 201),
        (put("a"), 412),
        (put("a", If_Match=f'"{OLDER}"'), 412),
        (block("a", 0), 412),
        (blob("DELETE", "a"), 412),
        (blob("HEAD", "a"), 200),
        (blob("GET", "a"), 200),
        (listing(), 200),
        (lease("a", "acquire", x_ms_lease_duration="15"), 409),
        (lease("a", "break", x_ms_lease_break_period="0"), 202),
        (put("a"), 201),
    ],
    "a listing is of a prefix and in order": [
        (put("a/b"), 201),
        (put("b"), 201),
        (put("a"), 201),
        (put("ü"), 201),
        (put("a-b"), 201),
        (listing(), 200),
        (listing("a"), 200),
        (listing("a/"), 200),
        (listing("c"), 200),
        (listing("a", startFrom="a/"), 200),
    ],
    "what is not there": [
        (blob("GET", "a"), 404),
        (blob("HEAD", "a"), 404),
        (blob("DELETE", "a"), 404),
        (Step("blob", "GET", f"no-{CONTAINER}/a"), 404),
        (Step("blob", "PUT", f"no-{CONTAINER}/a", {}, {"x-ms-blob-type": "BlockBlob"}, b"x"), 404),
        (Step("blob", "GET", f"no-{CONTAINER}", {"comp": "list", "restype": "container"}), 404),
        (Step("queue", "GET", f"no-{QUEUE}/messages"), 404),
        (Step("queue", "GET", f"no-{QUEUE}", {"comp": "metadata"}), 404),
        (of_message("DELETE", 5, -1), 404),
    ],
    "a message is claimed, renewed and deleted by its newest receipt": [
        (message("one &amp; two"), 201),
        (COUNT, 200),
        (received(peekonly="true"), 200),
        (received(visibilitytimeout="60"), 200),
        (received(visibilitytimeout="60"), 200),
        (received(peekonly="true"), 200),
        (of_message("PUT", 0, -1, None, visibilitytimeout="60"), 204),
        (of_message("PUT", 0, -2, "late", visibilitytimeout="60"), 400),
        (of_message("DELETE", 0, -2), 400),
        (of_message("PUT", 0, -1, "changed", visibilitytimeout="0"), 204),
        (received(visibilitytimeout="60"), 200),
        (of_message("DELETE", 0, -1), 204),
        (of_message("DELETE", 0, -1), 404),
        (COUNT, 200),
    ],
    "a hidden message counts and is not seen": [
        (message("x", messagettl="-1", visibilitytimeout="60"), 201),
        (COUNT, 200),
        (received(peekonly="true"), 200),
        (received(visibilitytimeout="60"), 200),
    ],
}


@pytest.mark.refused
@pytest.mark.parametrize("name", CHOSEN)
def test_what_the_program_relies_on_is_as_documented_and_the_same_on_both(pair: Pair, name: str) -> None:
    steps = [step for step, _ in CHOSEN[name]]
    memory, azurite = (side.play(steps) for side in pair.fresh())
    assert memory == azurite, described(steps, memory, azurite)
    assert [said.status for said in memory] == [status for _, status in CHOSEN[name]]


names = st.sampled_from(NAMES)
writes = st.sampled_from([{}, {"If_None_Match": "*"}, *({"If_Match": f'"<etag {{}} {place}>"'} for place in (-1, 0))])
bodies = st.sampled_from([b"", b"x", b"0123456789"])
metadata = st.sampled_from([{}, {"x_ms_meta_state": "working", "x_ms_meta_etag": "0x8D"}])


def _of(name: str, headers: dict[str, str]) -> dict[str, str]:
    return {key: value.format(name) for key, value in headers.items()}


STEPS = st.one_of(
    st.builds(
        lambda name, body, when, said: put(name, body, **_of(name, when), **said), names, bodies, writes, metadata
    ),
    st.builds(
        lambda method, name, when: blob(method, name, None, None, **_of(name, when)),
        st.sampled_from(["DELETE", "GET", "HEAD"]),
        names,
        writes.filter(lambda when: "If_None_Match" not in when),
    ),
    st.builds(lambda name, bound: blob("GET", name, x_ms_range=f"bytes={bound}-{bound + 3}"), names, st.integers(0, 9)),
    st.builds(block, names.filter(lambda name: name != "a"), st.integers(0, 1), bodies.filter(bool)),
    st.builds(
        lambda name, numbers, when: commit(name, *numbers, **_of(name, when)),
        names,
        st.lists(st.integers(0, 1), min_size=1, max_size=2),
        writes,
    ),
    st.builds(listing, st.sampled_from(["", "a", "a/", "ü"]), include=st.just("metadata")),
    # Azurite lets somebody lease what was never committed, which nobody here does.
    st.just(lease("a", "acquire", x_ms_lease_duration="-1")),
    st.just(lease("a", "break", x_ms_lease_break_period="0")),
    st.builds(message, st.sampled_from(["x", "&lt;&#13;ü", ""])),
    st.builds(message, st.just("hidden"), visibilitytimeout=st.just("60"), messagettl=st.just("-1")),
    st.builds(received, peekonly=st.sampled_from(["true", "false"]), visibilitytimeout=st.just("60")),
    st.builds(
        lambda number, receipt, text, hidden: of_message("PUT", number, receipt, text, visibilitytimeout=hidden),
        st.integers(0, 2),
        st.sampled_from([-1, -2]),
        st.sampled_from([None, "changed"]),
        st.sampled_from(["0", "60"]),
    ),
    st.builds(of_message, st.just("DELETE"), st.integers(0, 2), st.sampled_from([-1, -2])),
    st.just(COUNT),
)


@pytest.mark.refused
@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(STEPS, min_size=1, max_size=20))
def test_in_any_order_both_answer_the_same(pair: Pair, steps: list[Step]) -> None:
    memory, azurite = (side.play(steps) for side in pair.fresh())
    assert memory == azurite, described(steps, memory, azurite)
