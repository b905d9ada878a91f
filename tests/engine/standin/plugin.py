"""What both stand-in providers share: the gRPC server that the engine starts as a plugin."""

from __future__ import annotations

import contextlib
import importlib.metadata
from concurrent import futures
from typing import Any, Final, NoReturn, TypeAlias

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from tests.engine.standin.cloud import CloudError
from tests.engine.standin.wire import Properties, encode

Context: TypeAlias = grpc.ServicerContext

EMPTY: Final = empty_pb2.Empty()
MAX_MESSAGE: Final = 400 * 1024 * 1024


class PartlyCreatedError(CloudError):
    """An operation that failed after the resource had come to be."""

    def __init__(self, message: str, resource_id: str, inputs: Properties, outputs: Properties) -> None:
        super().__init__(message)
        self.inputs = inputs
        self.outputs = outputs
        self.resource_id = resource_id


class Plugin(provider_pb2_grpc.ResourceProviderServicer):
    """A provider without configuration checks; subclasses serve their resources.

    Attributes:
        config: the provider's configuration by key.
        package: the SDK that the program uses it by.
    """

    config: dict[str, str]
    package: str

    def Attach(self, request: Any, context: Context) -> Any:
        """Take note of the engine, which is not called back."""
        return EMPTY

    def Cancel(self, request: Any, context: Context) -> Any:
        """Let running operations end."""
        return EMPTY

    def CheckConfig(self, request: Any, context: Context) -> Any:
        """Take any configuration."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def Configure(self, request: Any, context: Context) -> Any:
        """Keep the configuration; as with the real providers, the engine itself keeps track of secrets."""
        self.config = {key.rpartition(":")[2]: value for key, value in request.variables.items()}
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def DiffConfig(self, request: Any, context: Context) -> Any:
        """See no change that matters."""
        return provider_pb2.DiffResponse()

    def GetPluginInfo(self, request: Any, context: Context) -> Any:
        """Claim to be of the version that the program's SDK asks for."""
        return plugin_pb2.PluginInfo(version=importlib.metadata.version(self.package))


def diff_response(changed: dict[str, bool], *, delete_before_replace: bool = False) -> provider_pb2.DiffResponse:
    """Return what the engine is told; ``changed`` maps paths to whether the change there needs a new resource."""
    kinds = provider_pb2.PropertyDiff
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
        deleteBeforeReplace=delete_before_replace,
        detailedDiff={
            path: kinds(inputDiff=True, kind=kinds.UPDATE_REPLACE if replace else kinds.UPDATE)
            for path, replace in changed.items()
        },
        diffs=sorted({path.partition(".")[0].partition("[")[0] for path in changed}),
        hasDetailedDiff=True,
        replaces=sorted(path for path, replace in changed.items() if replace),
    )


def refuse(context: Context, error: Exception) -> NoReturn:
    """End a call with an error, with the resource's state where it exists all the same."""
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
    if isinstance(error, PartlyCreatedError):
        status.details.add().Pack(
            provider_pb2.ErrorResourceInitFailed(
                id=error.resource_id,
                inputs=encode(error.inputs),
                properties=encode(error.outputs),
                reasons=[str(error)],
            )
        )
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, str(error))
    raise AssertionError("abort always raises.")


def serve(plugin: Plugin) -> None:
    """Serve until the engine ends this process; the port goes to the standard output, where the engine reads it."""
    options = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(plugin, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    # The engine interrupts its plugins when it is done with them.
    with contextlib.suppress(KeyboardInterrupt):
        server.wait_for_termination()
