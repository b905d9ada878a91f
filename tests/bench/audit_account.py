"""An account with as many inputs as wanted, all of which have their receipts, that writes its listings as it is asked.

``python -m tests.bench.audit_account PAGES PAGE_SECONDS`` serves it on loopback, so that its memory and its processor's
time are not those of whoever asks. Nothing of the files is kept, so there may be 100 million of them. All else is an
account in memory. Each answer takes as long as the service's would.
"""

from __future__ import annotations

import json
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from pipeline_app.contract import EVENTS_QUEUE, JOBS_QUEUE, RECEIPT_ETAG_METADATA, STATE_CONTAINER
from tests.bench.storage import NAMES
from tests.memory.account import Account, dated
from tests.memory.requests import XML_TYPE, Asked, Reply

# Inputs are called by two numbers, the second of which counts those of one page.
PER_PAGE: Final = 5000
OUTPUTS: Final = ("receipt.json", "report.csv", "run.log")
ETAG: Final = "0x8DE2D3A6E0F1A2B"

# A page of 5,000 is told to take "less than a second" and, with the SDK's part, 1.5 s. A question for one blob is the
# second that benches here take for the way to Azure.
# Sources: https://vunvulearadu.blogspot.com/2015/09/listblobssegmented-perfect-to-iterate.html,
# https://github.com/Azure/azure-sdk-for-net/issues/33578
PAGE_SECONDS: Final = 1.0
REQUEST_SECONDS: Final = 0.01

_FIRST: Final = b"@@@@@@"
_PLACE: Final = re.compile(r"^[^/]+/(\d{6})-(\d{4})\.csv(?:/(.*))?$")
_PROPERTIES: Final = (
    "<Properties><Creation-Time>{dated}</Creation-Time><Last-Modified>{dated}</Last-Modified><Etag>{etag}</Etag>"
    "<Content-Length>123456</Content-Length><Content-Type>application/octet-stream</Content-Type><Content-Encoding />"
    "<Content-Language /><Content-CRC64 /><Content-MD5>rL0Y20zC+Fzt72VPzMSk2A==</Content-MD5><Cache-Control />"
    "<Content-Disposition /><BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><AccessTierInferred>true"
    "</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true"
    "</ServerEncrypted></Properties>"
)


class LargeAccount:
    """The account: ``pages`` full pages of inputs.

    ``lost`` is one of these that is new and has no receipt: its page, its number there, and when it came.
    """

    def __init__(self, pages: int, page_seconds: float = PAGE_SECONDS) -> None:
        self.account = Account(NAMES.container, STATE_CONTAINER, queues=(EVENTS_QUEUE, JOBS_QUEUE))
        self.listed = 0
        self.lost: tuple[int, int, float] | None = None
        self.seconds = page_seconds
        self.pages = pages
        old = dated(-1e6)
        properties = _PROPERTIES.format(dated=old, etag=ETAG)
        said = f"<Metadata><{RECEIPT_ETAG_METADATA}>{ETAG}</{RECEIPT_ETAG_METADATA}></Metadata>"
        self._inputs = [
            f"<Blob><Name>{NAMES.input_path}/@@@@@@-{number:04}.csv</Name>{properties}<OrMetadata /></Blob>".encode()
            for number in range(PER_PAGE)
        ]
        self._outputs = [
            f"<Blob><Name>{NAMES.output_path}/@@@@@@-{number:04}.csv/{name}</Name>{properties}{said}</Blob>".encode()
            for number in range(PER_PAGE)
            for name in OUTPUTS
        ]
        self._page = b"".join(self._inputs)

    def answer(self, asked: Asked) -> Reply:
        """Carry out a request."""
        if asked.parameter("prefix") is None:
            time.sleep(REQUEST_SECONDS)
            return self.account.answer(asked)
        time.sleep(self.seconds)
        self.listed += 1
        place = (asked.parameter("marker") or "").removeprefix("2!") or asked.parameter("startFrom") or ""
        match = _PLACE.match(place)
        page, number = (int(match[1]), int(match[2])) if match else (0, 0)
        if asked.parameter("prefix") == f"{NAMES.input_path}/":
            return self._listing(self._input_page(page, number), NAMES.input_path, page + 1, 0)
        body, behind = self._output_page(page, number)
        return self._listing(body, NAMES.output_path, page + behind // PER_PAGE, behind % PER_PAGE)

    def _input_page(self, page: int, number: int) -> bytes:
        body = self._page if number == 0 else b"".join(self._inputs[number:])
        body = body.replace(_FIRST, b"%06d" % page)
        if self.lost is not None and self.lost[0] == page:
            element = self._inputs[self.lost[1]].replace(_FIRST, b"%06d" % page)
            new = dated(self.lost[2]).encode()
            body = body.replace(element, element.replace(dated(-1e6).encode(), new).replace(b"0x8DE", b"0x9DE"))
        return body

    def _output_page(self, page: int, number: int) -> tuple[bytes, int]:
        """Return 5,000 outputs from those of an input on, and the number of the input behind them."""
        first = number * len(OUTPUTS)
        here = self._outputs[first : first + PER_PAGE]
        more = self._outputs[: PER_PAGE - len(here)] if page + 1 < self.pages else []
        body = b"".join(here).replace(_FIRST, b"%06d" % page) + b"".join(more).replace(_FIRST, b"%06d" % (page + 1))
        return body, number + -(-PER_PAGE // len(OUTPUTS))

    def _listing(self, body: bytes, path: str, page: int, number: int) -> Reply:
        marker = f"2!{path}/{page:06}-{number:04}.csv" if page < self.pages else ""
        begins, ends = b"<EnumerationResults><Blobs>", f"</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
        return Reply(200, (XML_TYPE,), b"".join((begins, body, ends.encode())))


class _Handler(BaseHTTPRequestHandler):
    """Answers over HTTP, and takes the clock and what is lost from whoever measures."""

    account: LargeAccount
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path, query = unquote(url.path).removeprefix("/bench/"), parse_qsl(url.query)
        if path == "/control":
            clock, page = (float(value) for _, value in query)
            self.account.account.clock = clock
            if page >= 0:
                self.account.lost = (int(page), PER_PAGE // 2, clock)
            said = {"jobs": len(self.account.account.messages(JOBS_QUEUE)), "listed": self.account.listed}
            self._send(Reply(200, (), json.dumps(said).encode()))
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        service = "queue" if path.partition("/")[0] in (EVENTS_QUEUE, JOBS_QUEUE) else "blob"
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        asked = Asked(service, self.command, path, tuple(query), headers, body)
        reply = self.account.answer(asked)
        self._send(reply)

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def _send(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else reply.body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main(pages: int, page_seconds: float) -> None:
    """Serve an account until this process is ended; the first line that is printed is the port."""
    _Handler.account = LargeAccount(pages, page_seconds)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
