"""Records the requests of a worker, so that the very same ones can be made without it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

from tests.bench.http_calls import Account, Answer

Service = Literal["blob", "queue"]

# These speak of one connection or one moment and are made anew.
DROPPED_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "date",
        "host",
        "keep-alive",
        "transfer-encoding",
        "x-ms-client-request-id",
        "x-ms-date",
    }
)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request and its answer; ``path`` is decoded and without the account."""

    answer: Answer
    body: bytes
    headers: Mapping[str, str]
    method: str
    path: str
    query: Mapping[str, str]
    service: Service

    @property
    def is_claim(self) -> bool:
        """Whether it asks for a message."""
        return self.service == "queue" and self.method == "GET" and self.path == "jobs/messages"

    @property
    def messages(self) -> dict[str, str]:
        """The contents of the messages that a claim gave, by their ids."""
        if not self.is_claim or self.answer.status != 200:
            return {}
        found = ElementTree.fromstring(self.answer.body).findall("QueueMessage")  # noqa: S314 -- of our own storage.
        return {each.findtext("MessageId", ""): each.findtext("MessageText", "") for each in found}


@contextmanager
def recorded(account: Account, calls: list[Call]) -> Iterator[Account]:
    """Forward requests to an account and note them in their order; gives the account as the worker has to see it."""
    servers = [_server(account.blob, "blob", calls), _server(account.queue, "queue", calls)]
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in servers]
    for thread in threads:
        thread.start()
    try:
        blob, queue = (f"http://127.0.0.1:{server.server_address[1]}/{account.name}" for server in servers)
        yield account._replace(blob=blob, queue=queue)
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()


def _server(url: str, service: Service, calls: list[Call]) -> ThreadingHTTPServer:
    upstream = urlsplit(url).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self._upstream = http.client.HTTPConnection(upstream, timeout=60)

        def finish(self) -> None:
            self._upstream.close()
            with suppress(ConnectionError):
                super().finish()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing; what comes is recorded."""

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            forwarded = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            self._upstream.request(self.command, self.path, body or None, forwarded)
            response = self._upstream.getresponse()
            content = response.read()
            headers = {name.lower(): value for name, value in response.getheaders()}
            parts = urlsplit(self.path)
            calls.append(
                Call(
                    answer=Answer(response.status, headers, content),
                    body=body,
                    headers={name: text for name, text in self.headers.items() if name.lower() not in DROPPED_HEADERS},
                    method=self.command,
                    path=unquote(parts.path).split("/", 2)[2],
                    query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                    service=service,
                )
            )
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("connection", "content-length", "keep-alive", "transfer-encoding"):
                    self.send_header(name, value)
            # The answer to HEAD tells the length of what it does not send.
            length = headers.get("content-length", "0") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(content)

        do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = _serve

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server
