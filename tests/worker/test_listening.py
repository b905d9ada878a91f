"""The server of the worker's health and of the local cloud's endpoints."""

from __future__ import annotations

import threading

from pipeline_app.worker.listening import BoundedHandler, BoundedServer


def test_a_server_ends_at_once_however_rarely_it_looks_whether_it_should() -> None:
    with BoundedServer(("127.0.0.1", 0), BoundedHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(3600,), daemon=True)
        thread.start()
        ending = threading.Thread(target=server.shutdown, daemon=True)
        ending.start()
        ending.join(30)
        assert not ending.is_alive()
        thread.join(30)
        assert not thread.is_alive()
