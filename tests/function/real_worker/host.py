"""The Functions host, as far as a worker sees it: what it sends, in which form, and in which order.

Source: https://github.com/Azure/azure-functions-host/tree/dev/src/WebJobs.Script.Grpc, of it
``MessageExtensions/GrpcMessageConversionExtensions.cs`` for the form of values: texts as they are, all else as JSON.
"""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import subprocess
import sys
import threading
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import grpc  # type: ignore[import-untyped]

PROXY: Final = Path(__file__).with_name("proxy.py")
SECONDS: Final = 120


class WorkerEndedError(RuntimeError):
    """The worker's process ended before it answered."""


def load_protos(packages: Path) -> ModuleType:
    """Return the types of the messages, which the worker's own package has."""
    folder = packages / "tests" / "protos"
    spec = importlib.util.spec_from_file_location(
        "functions_protos", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    if spec.name not in sys.modules:
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return sys.modules[spec.name]


class FunctionsHost:
    """Starts a worker's process and asks it, one stream of messages for all."""

    def __init__(self, python: str, packages: Path, app: Path, environment: dict[str, str], log: Path) -> None:
        self.functions: dict[str, Any] = {}
        self._answers: dict[str, Future[Any]] = {}
        self._app = app
        self._lock = threading.Lock()
        self._protos: Any = load_protos(packages)
        self._requests: queue.Queue[Any] = queue.Queue()
        self._server = grpc.server(ThreadPoolExecutor(4))
        self._protos.add_FunctionRpcServicer_to_server(self, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        started = self._expect("start_stream")
        # The app's packages are on the path from the start, as the platform has it.
        path = app / ".python_packages" / "lib" / "site-packages"
        self._log = log.open("wb")
        self._process = subprocess.Popen(
            [python, "-s", "-B", str(PROXY), str(port), str(packages), str(app)],
            cwd=app,
            env=environment | {"AzureWebJobsScriptRoot": str(app), "PYTHONPATH": str(path)},
            stderr=subprocess.STDOUT,
            stdout=self._log,
        )
        threading.Thread(target=self._watch, daemon=True).start()
        started.result(SECONDS)

    def EventStream(self, messages: Any, _context: Any) -> Any:
        """Serve the worker's stream; called by gRPC."""
        threading.Thread(target=self._receive, args=(messages,), daemon=True).start()
        yield from iter(self._requests.get, None)

    def close(self) -> None:
        """End the process and the server."""
        self._process.kill()
        self._process.wait()
        self._requests.put(None)
        self._server.stop(None).wait()
        self._log.close()

    def kill(self) -> None:
        """End the process as a host that scales in does, without a word."""
        self._process.terminate()
        self._process.wait()

    def init(self, directory: Path) -> Any:
        """Send the first request of all; ``directory`` is the app's, or that of the placeholder."""
        return self._ask(
            "worker_init_response",
            worker_init_request=self._protos.WorkerInitRequest(
                capabilities={}, function_app_directory=str(directory), host_version="4.1048.200.0"
            ),
        )

    def specialize(self, settings: dict[str, str]) -> Any:
        """Turn a worker that waited for any app into that of this app."""
        return self._ask(
            "function_environment_reload_response",
            function_environment_reload_request=self._protos.FunctionEnvironmentReloadRequest(
                environment_variables=settings, function_app_directory=str(self._app)
            ),
        )

    def index(self) -> Any:
        """Ask for the functions, keep them by their names, and let the worker load each."""
        answer = self._ask(
            "function_metadata_response",
            functions_metadata_request=self._protos.FunctionsMetadataRequest(function_app_directory=str(self._app)),
        )
        for each in answer.function_metadata_results:
            self.functions[each.name] = each
            loaded = self._ask(
                "function_load_response",
                function_load_request=self._protos.FunctionLoadRequest(function_id=each.function_id, metadata=each),
            )
            assert loaded.result.status == self._protos.StatusResult.Success
        return answer

    def succeeded(self, answer: Any) -> bool:
        """Return whether an answer says so."""
        return bool(answer.result.status == self._protos.StatusResult.Success)

    def deliver(self, function: str, body: str, dequeue_count: int = 1) -> tuple[str, Future[Any]]:
        """Send a queue message, decoded from base64, with what the extension says of it; return its invocation."""
        now = datetime.now(UTC)
        typed = self._protos.TypedData
        metadata = {
            "DequeueCount": typed(json=json.dumps(dequeue_count)),
            "ExpirationTime": typed(json=json.dumps("9999-12-31T23:59:59+00:00")),
            "Id": typed(string=str(uuid.uuid4())),
            "InsertionTime": typed(json=json.dumps(now.isoformat(timespec="seconds"))),
            "NextVisibleTime": typed(json=json.dumps((now + timedelta(minutes=10)).isoformat(timespec="seconds"))),
            "PopReceipt": typed(string="AgAAAAMAAAAAAAAAtc1pXQFg3AE="),
            "QueueTrigger": typed(string=body),
            "sys": typed(json=json.dumps({"MethodName": function, "RandGuid": str(uuid.uuid4()), "UtcNow": str(now)})),
        }
        return self._invoke(function, typed(string=body), metadata)

    def tick(self, function: str) -> tuple[str, Future[Any]]:
        """Send the timer's time, with what the timer's extension keeps of it; return its invocation."""
        now = datetime.now(UTC)
        status = {key: now.isoformat() for key in ("Last", "LastUpdated", "Next")}
        info = {"IsPastDue": False, "Schedule": {"AdjustForDST": True}, "ScheduleStatus": status}
        return self._invoke(function, self._protos.TypedData(json=json.dumps(info)), {})

    def cancel(self, invocation: str) -> None:
        """Ask for an invocation to be given up, as the host does when it is to end."""
        self._send(invocation_cancel=self._protos.FunctionRpc_pb2.InvocationCancel(invocation_id=invocation))

    def _invoke(self, function: str, data: Any, metadata: dict[str, Any]) -> tuple[str, Future[Any]]:
        described = self.functions[function]
        ((name, _),) = described.bindings.items()
        invocation = str(uuid.uuid4())
        future = self._expect(invocation)
        self._send(
            invocation_request=self._protos.InvocationRequest(
                function_id=described.function_id,
                input_data=[self._protos.ParameterBinding(data=data, name=name)],
                invocation_id=invocation,
                trigger_metadata=metadata,
            )
        )
        return invocation, future

    def _ask(self, answer: str, **request: Any) -> Any:
        future = self._expect(answer)
        self._send(**request)
        return future.result(SECONDS)

    def _expect(self, key: str) -> Future[Any]:
        with self._lock:
            return self._answers.setdefault(key, Future())

    def _receive(self, messages: Any) -> None:
        try:
            for message in messages:
                kind = message.WhichOneof("content")
                content = getattr(message, kind)
                key = content.invocation_id if kind == "invocation_response" else kind
                with self._lock:
                    future = self._answers.pop(key, None)
                if future is not None:
                    future.set_result(content)
        except grpc.RpcError:
            # The process is gone, which has a thread of its own that tells.
            return

    def _send(self, **content: Any) -> None:
        self._requests.put(self._protos.StreamingMessage(request_id=str(uuid.uuid4()), **content))

    def _watch(self) -> None:
        self._process.wait()
        with self._lock:
            answers = list(self._answers.values())
            self._answers.clear()
        for each in answers:
            each.set_exception(WorkerEndedError(f"Exit code {self._process.returncode}; see {self._log.name}."))


def base_environment() -> dict[str, str]:
    """Return what a process needs of this machine."""
    return {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
