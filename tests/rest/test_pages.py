"""A page that is looked through gives what a parser of XML gives, and one that is written otherwise goes through it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.client import HTTPMessage
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline_app.rest import operations, pages
from pipeline_app.rest.endpoint import StorageUnreachable
from pipeline_app.rest.exchange import Answer

MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def blob(name: str, etag: str = "0x1", age: int = 0, metadata: str = "", encoded: str = "") -> str:
    dated = format_datetime(MOMENT - timedelta(seconds=age), usegmt=True)
    return (
        f"<Blob><Name{encoded}>{escape(name)}</Name><Properties><Creation-Time>{dated}</Creation-Time>"
        f"<Last-Modified>{dated}</Last-Modified><Etag>{escape(etag)}</Etag><Content-Length>7</Content-Length>"
        f"<BlobType>BlockBlob</BlobType></Properties>{metadata}</Blob>"
    )


def answer(*blobs: str, marker: str = "") -> Answer:
    text = f"<EnumerationResults><Blobs>{''.join(blobs)}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
    return Answer(body=text.encode(), headers=HTTPMessage(), status=200)


@given(
    st.lists(st.tuples(st.text("a/-&<>]\"'ü\U0010ffff%", min_size=1), st.integers(0, 3 * 10**7))),
    st.integers(0, 3 * 10**7),
)
@example([("&amp;", 0), ("a]]>b", 1)], 0)
def test_what_changed_is_read_as_a_parser_reads_it(found: list[tuple[str, int]], age: int) -> None:
    page = answer(*(blob(name, f"0x{number}", old) for number, (name, old) in enumerate(found)), marker="2!a&amp;b")
    since = MOMENT - timedelta(seconds=age)
    parsed = operations.read_page(page).blobs
    read = pages.changed_blobs(page, since, None)
    assert read.blobs == [each for each in parsed if each.modified > since]
    assert pages.changed_blobs(page, None, None).blobs == parsed
    opened = pages.changed_blobs(page, since, lambda etag, name: etag == "0x0").blobs
    assert opened == [each for each in parsed if each.modified > since or each.etag == "0x0"]
    assert (read.first, read.last, read.marker) == (
        parsed[0].name if parsed else "",
        parsed[-1].name if parsed else "",
        "2!a&b",
    )


def test_a_name_that_xml_cannot_carry_is_decoded() -> None:
    page = answer(blob("a%EF%BF%BE%2F", encoded=' Encoded="true"'))
    assert [each.name for each in pages.changed_blobs(page, None, None).blobs] == ["a\ufffe/"]


@pytest.mark.parametrize(
    "changed",
    [
        ("<Blob><Name>", "<Blob>\n <Name>"),
        ("<Etag>", "<VersionId>1</VersionId><Etag>"),
        ("</EnumerationResults>", "</EnumerationResults><!-- end -->"),
    ],
)
def test_a_page_that_is_written_otherwise_is_parsed(changed: tuple[str, str]) -> None:
    page = answer(blob("incoming/a"), blob("incoming/b", age=9), marker="m")
    old, new = (each.encode() for each in changed)
    other = Answer(body=page.body.replace(old, new), headers=HTTPMessage(), status=200)
    assert pages.changed_blobs(other, None, None) == pages.changed_blobs(page, None, None)


def test_what_is_no_listing_is_no_answer() -> None:
    page = answer(blob("a"))
    with pytest.raises(StorageUnreachable):
        pages.changed_blobs(Answer(body=page.body[:-9], headers=HTTPMessage(), status=200), None, None)


def test_receipts_are_read_with_the_etags_of_their_inputs() -> None:
    said = "<Metadata><Other>x</Other><Input_Etag>0x7</Input_Etag></Metadata>"
    page = answer(
        blob("outgoing/a/receipt.json", metadata=said),
        blob("outgoing/a/result.csv", metadata=said),
        blob("outgoing/b&c/receipt.json", metadata=said.replace("0x7", '"0x8"')),
        blob("outgoing/d/receipt.json", metadata="<Metadata />"),
        blob("outgoing/e/receipt.jsonl", metadata=said),
        marker="next",
    )
    read = pages.receipts(page)
    assert read.receipts == {"outgoing/a/receipt.json": "0x7", "outgoing/b&c/receipt.json": "0x8"}
    assert (read.first, read.last, read.marker) == ("outgoing/a/receipt.json", "outgoing/e/receipt.jsonl", "next")
