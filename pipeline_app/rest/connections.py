"""Connections to one storage service: kept open between requests, over TLS, through the proxy that is set."""

from __future__ import annotations

import base64
import functools
import http.client
import ssl
import threading
import time
from typing import Final
from urllib.parse import unquote, urlsplit

from pipeline_app.contract import ContractError
from pipeline_app.rest.proxies import is_near

CONNECT_SECONDS: Final = 20.0
# What lies between here and the service forgets idle connections without a word, and a request on one of these waits
# for an answer until it times out. Four minutes is the shortest such time that Azure documents.
IDLE_SECONDS: Final = 60.0
# Bodies pass between socket and disk in pieces of this size, so memory does not grow with them. The pieces of several
# connections fit into the processor's cache, which larger ones do not.
PIECE_BYTES: Final = 256 * 1024
READ_SECONDS: Final = 60.0


class Connections:
    """Connections to the service at a URL such as ``http://127.0.0.1:10000/account``; several threads may use it.

    Attributes:
        host: the service's host name.
        path: the path that all requests have in front, without a slash at its end.

    Raises:
        ContractError: the URL, or that of the proxy, cannot be used.
    """

    def __init__(self, url: str) -> None:
        # Neither the text of an error nor a log may show what could be a signature or a password.
        shown = url.partition("?")[0].rpartition("@")[2]
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ContractError(f"The storage endpoint {shown!r} is not a URL: {error}.") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise ContractError(
                f"The storage endpoint {shown!r} is not of the form https://HOST, with a port or a path if need be. "
                "Take it from the account's endpoints page."
            )
        self.host: str = parts.hostname
        self.path = parts.path.rstrip("/")
        # http.client would take the end of an IPv6 address for a port if it were given none.
        self._address = (self.host, port or (443 if parts.scheme == "https" else 80))
        self._context: ssl.SSLContext | None = None
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []
        self._lock = threading.Lock()
        self._proxy: tuple[str, int, dict[str, str]] | None = None
        if parts.scheme == "https":
            self._context = _tls()
            self._proxy = _proxy(self.host)

    def take(self, *, fresh: bool) -> tuple[http.client.HTTPConnection, bool]:
        """Return a connection for one request, and whether it was used before.

        Args:
            fresh: make a new one in any case.

        Raises:
            OSError: the service, or the proxy, takes no connection.
        """
        oldest = time.monotonic() - IDLE_SECONDS
        while not fresh:
            with self._lock:
                if not self._idle:
                    break
                connection, since = self._idle.pop()
            if since > oldest:
                return connection, True
            connection.close()
        connection = self._new()
        try:
            connection.connect()
            connection.sock.settimeout(READ_SECONDS)
        except BaseException:
            connection.close()
            raise
        return connection, False

    def give_back(self, connection: http.client.HTTPConnection) -> None:
        """Keep a connection whose last answer was read to its end for the next request."""
        with self._lock:
            self._idle.append((connection, time.monotonic()))

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def _new(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(*self._address, blocksize=PIECE_BYTES, timeout=CONNECT_SECONDS)
        host, port, headers = self._proxy or (*self._address, None)
        connection = http.client.HTTPSConnection(
            host, port, blocksize=PIECE_BYTES, context=self._context, timeout=CONNECT_SECONDS
        )
        if headers is not None:
            connection.set_tunnel(*self._address, headers=headers)
        return connection


def _proxy(host: str) -> tuple[str, int, dict[str, str]] | None:
    """Return host and port of the proxy for a host, and the headers it wants, or None."""
    if is_near(host):
        return None
    # Only what goes beyond this machine needs the module, which is large.
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    url = proxies.get("https") or proxies.get("all")
    if not url or proxy_bypass(host):
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        proxy_host, port = parts.hostname, parts.port or 80
        if parts.scheme != "http" or not proxy_host:
            raise ValueError("not a plain HTTP proxy")
    except ValueError:
        # What was wrong with it is not told, since it could be the password.
        raise ContractError(
            "HTTPS_PROXY (or ALL_PROXY) is not of the form http://HOST:PORT. Correct it, or name the storage endpoints "
            "in NO_PROXY."
        ) from None
    if parts.username is None:
        return proxy_host, port, {}
    account = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return proxy_host, port, {"Proxy-Authorization": f"Basic {base64.b64encode(account.encode()).decode()}"}


@functools.cache
def _tls() -> ssl.SSLContext:
    # Reading the authorities takes longer than a request, so both services share them. A slim image has none of its
    # own, unless somebody put some there on purpose.
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:
        import certifi

        context.load_verify_locations(certifi.where())
    return context
