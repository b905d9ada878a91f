"""The worker's HTTP endpoint: ``/healthz`` for the liveness probe, ``/status`` for people."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from pipeline_app.contract import ContractError
from pipeline_app.worker.listening import BoundedHandler, BoundedServer, is_address, is_loopback
from pipeline_app.worker.status import Status

# The probe of a container and `docker run -p` come from outside of it, so loopback alone would not do there.
ALL_ADDRESSES: Final = "0.0.0.0"  # noqa: S104
MOST_CONNECTIONS: Final = 16


def address(environment: Mapping[str, str]) -> str:
    """Return the address of this machine that the endpoint is to listen on: ``APP_HEALTH_ADDRESS``, or all of them.

    Raises:
        ContractError: the setting is no IPv4 address.
    """
    text = environment.get("APP_HEALTH_ADDRESS", "").strip()
    if not text:
        return ALL_ADDRESSES
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError as error:
        raise ContractError(
            f"APP_HEALTH_ADDRESS is {text!r}; it must be an IPv4 address of this machine, such as 127.0.0.1, or "
            f"{ALL_ADDRESSES} for all."
        ) from error


@contextmanager
def serve(status: Status, port: int, address: str = ALL_ADDRESSES) -> Iterator[int]:
    """Serve the endpoint on an address while the context lasts, and yield the port.

    Who asks for the status names the machine by its address or by localhost, where it listens on loopback by a name of
    that. The probe of Azure asks at the group's address and no document says by which Host, so it is answered whatever
    that is; all that it learns is one bit.
    Source: https://learn.microsoft.com/azure/container-instances/container-instances-liveness-probe

    Raises:
        OSError: the address or port cannot be had.
    """
    local = ipaddress.IPv4Address(address).is_loopback

    class Handler(BoundedHandler):
        content_type = "application/json"

        def do_GET(self) -> None:
            if self.path == "/healthz":
                healthy = status.healthy
                code = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
                self.answer(code, {"healthy": healthy})
            elif self.path in ("/", "/status"):
                self.answer(HTTPStatus.OK, status.snapshot())
            else:
                self.answer(HTTPStatus.NOT_FOUND, {"error": f"No {self.path!r} here; try /healthz or /status."})

        def is_open(self) -> bool:
            return self.path == "/healthz" and not local

    is_host = is_loopback if local else is_address
    with BoundedServer((address, port), Handler, is_host=is_host, most=MOST_CONNECTIONS) as server:
        thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
