"""The process that Microsoft's worker library runs in: ``python proxy.py PORT WORKER_PACKAGES APP``.

The library is on PyPI (azure-functions-runtime), the small program around it is not: this one speaks gRPC with the host
and hands each request to the library. It starts and looks for packages as the published one does:
https://github.com/Azure/azure-functions-python-worker/blob/dev/workers/proxy_worker/dispatcher.py and
https://github.com/Azure/azure-functions-python-worker/blob/dev/workers/proxy_worker/utils/dependency.py.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import queue
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass
class WorkerRequest:
    """What the library takes: a message of the host, and for some the messages' types and the host's address."""

    name: str
    request: Any
    properties: dict[str, Any] | None = None


class Worker:
    """Receives the host's messages, each handled in a task of its own, and sends what the library answers."""

    def __init__(self, port: str, packages: str, app: str) -> None:
        sys.path.insert(0, packages)
        import grpc  # type: ignore[import-untyped]
        import tests.protos as protos  # type: ignore[import-not-found]

        self._app_packages = str(Path(app, ".python_packages", "lib", "site-packages"))
        self._library: ModuleType | None = None
        self._loop = asyncio.new_event_loop()
        self._packages = packages
        self._protos = protos
        self._replies: queue.Queue[Any] = queue.Queue()
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        grpc.channel_ready_future(channel).result(timeout=60)
        self._stub = protos.FunctionRpcStub(channel)

    def serve(self) -> None:
        """Serve until the host goes away."""
        self._reply(start_stream=self._protos.StartStream(worker_id="worker"))
        threading.Thread(target=self._receive, daemon=True).start()
        self._loop.run_forever()

    def _receive(self) -> None:
        try:
            for message in self._stub.EventStream(iter(self._replies.get, None)):
                asyncio.run_coroutine_threadsafe(self._handle(message), self._loop)
        finally:
            os._exit(0)

    def _reply(self, **content: Any) -> None:
        self._replies.put(self._protos.StreamingMessage(**content))

    async def _handle(self, message: Any) -> None:
        kind = message.WhichOneof("content")
        if kind == "worker_init_request":
            # A worker that waits for an app does not have its packages yet.
            if os.environ.get("WEBSITE_PLACEHOLDER_MODE") != "1":
                self._take_packages(message.worker_init_request.function_app_directory)
            library = self._start(message.worker_init_request)
            answer = await library.worker_init_request(self._request(message))
            self._reply(worker_init_response=answer)
        elif kind == "function_environment_reload_request":
            self._take_packages(message.function_environment_reload_request.function_app_directory)
            library = self._start(message.function_environment_reload_request)
            answer = await library.function_environment_reload_request(self._request(message))
            self._reply(function_environment_reload_response=answer)
        elif kind == "functions_metadata_request":
            answer = await self._running().functions_metadata_request(self._request(message))
            self._reply(function_metadata_response=answer)
        elif kind == "function_load_request":
            answer = await self._running().function_load_request(self._request(message))
            self._reply(function_load_response=answer)
        elif kind == "invocation_request":
            answer = await self._running().invocation_request(self._request(message))
            self._reply(invocation_response=answer)
        else:
            # So does the published one, with a cancellation for example.
            print(f"Unknown StreamingMessage content type: {kind}", file=sys.stderr, flush=True)

    def _take_packages(self, app: str) -> None:
        """Let the app's packages go first, then the worker's, then the app itself; what came from elsewhere goes."""
        for path in (self._packages, self._app_packages):
            sys.path[:] = [each for each in sys.path if each != path]
            sys.path.insert(0, path)
        sys.path.append(app)
        sys.path_importer_cache.clear()
        kept = ("google", "grpc", "tests")
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", [])), "")
            if name.partition(".")[0] not in kept and file.startswith(self._packages):
                del sys.modules[name]

    def _request(self, message: Any) -> WorkerRequest:
        return WorkerRequest("request", message, {"host": "127.0.0.1", "protos": self._protos})

    def _running(self) -> Any:
        assert self._library is not None
        return self._library

    def _start(self, request: Any) -> Any:
        """Load the library for the app; where there is none yet, the published program takes that of the old model."""
        is_new_model = Path(request.function_app_directory, "function_app.py").exists()
        name = "azure_functions_runtime" if is_new_model else "azure_functions_runtime_v1"
        self._library = importlib.import_module(name)
        self._library.start_threadpool_executor()
        return self._library


if __name__ == "__main__":
    Worker(*sys.argv[1:]).serve()
