"""The stand-in for the docker provider: images built by one machine's engine and pushed to registries.

It does what the real provider was seen to do (pulumi-docker 5.2 with Docker and a registry), not what would be handy:
nothing at all without an engine, and nothing in one engine that another has built.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any, Final

from pulumi.runtime.proto import provider_pb2

from tests.engine.standin.cloud import Cloud, CloudError
from tests.engine.standin.context import context_digest
from tests.engine.standin.plugin import EMPTY, Context, Plugin, diff_response, refuse, serve
from tests.engine.standin.registries import login_problem
from tests.engine.standin.wire import SECRET, SIGNATURE, UNKNOWN, Properties, decode, difference, encode, has_unknown

IMAGE: Final = "docker:index/image:Image"
PUSH: Final = "docker:index/registryImage:RegistryImage"
TAG: Final = "docker:index/tag:Tag"

# Where the real provider keeps the inputs of an image.
OLD_INPUTS: Final = "__inputs"

COMPUTED: Final = {PUSH: "sha256Digest", TAG: "sourceImageId"}

# Names the file of this machine's engine; without the file there is none.
ENGINE_VARIABLE: Final = "STANDIN_DOCKER_ENGINE"

NO_ENGINE: Final = (
    "docker native provider returned an unexpected error from Configure: failed to connect to any docker daemon"
)
NO_HELPER: Final = (
    'error listing credentials - err: exec: "docker-credential-{0}": executable file not found in $PATH, out: ``'
)


class Engine:
    """The Docker engine of one machine, in a file that holds its ``images`` (digest by name) and its build ``cache``.

    ``helper`` names a credential helper that the machine's Docker configuration asks for and that is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of_environment(cls) -> Engine:
        """Return the engine of this machine, which may not be there."""
        return cls(Path(os.environ[ENGINE_VARIABLE]))

    @property
    def answers(self) -> bool:
        """Whether there is one."""
        return self.path.is_file()

    def start(self, *, helper: str | None = None) -> None:
        """Have an engine without images."""
        self.write({"cache": {}, "helper": helper, "images": {}})

    def stop(self) -> None:
        """Have none."""
        self.path.unlink()

    def read(self) -> dict[str, Any]:
        """Return its content."""
        content: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return content

    def write(self, content: dict[str, Any]) -> None:
        """Keep its content."""
        self.path.write_text(json.dumps(content), encoding="utf-8")


class Docker(Plugin):
    """Images in the registries of the simulated cloud, through the engine of this machine."""

    package = "pulumi_docker"

    def __init__(self) -> None:
        self.cloud = Cloud.of_environment()
        self.engine = Engine.of_environment()

    def Configure(self, request: Any, context: Context) -> Any:
        """Refuse where no engine answers, whatever is to be done."""
        if not self.engine.answers:
            refuse(context, CloudError(NO_ENGINE))
        return super().Configure(request, context)

    def Check(self, request: Any, context: Context) -> Any:
        """Add the hash of its context to an image, where the context is known."""
        inputs = decode(request.news)
        if _token(request.urn) == IMAGE:
            build = inputs["build"]
            if not has_unknown(build.get("dockerfile")):
                if not Path(build["dockerfile"]).is_file():
                    refuse(context, CloudError(f"could not open dockerfile at relative path {build['dockerfile']!r}"))
                folder = "" if has_unknown(build["context"]) else build["context"]
                build["contextDigest"] = context_digest(Path(folder), Path(build["dockerfile"]))
        return provider_pb2.CheckResponse(inputs=encode(inputs))

    def Diff(self, request: Any, context: Context) -> Any:
        """Build anew in place what an image differs in; make tags and pushes anew, but for a push's login."""
        old, new = decode(request.olds), decode(request.news)
        token = _token(request.urn)
        if token == IMAGE:
            changed = {path: False for path in difference(old[OLD_INPUTS], new) if not _is_login(path)}
            return diff_response(changed)
        in_place = {"authConfig", "keepRemotely"}
        paths = {path: path.partition(".")[0] not in in_place for path in difference(decode(request.old_inputs), new)}
        return diff_response(paths, delete_before_replace=token == PUSH and any(paths.values()))

    def Create(self, request: Any, context: Context) -> Any:
        """Build and push an image, tag one, or push a tag."""
        token, inputs = _token(request.urn), decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(_preview(token, inputs)))
        try:
            outputs = self._tried(request.urn.rpartition("::")[2], token, inputs)
        except CloudError as error:
            refuse(context, error)
        names = {IMAGE: "imageName", PUSH: "sha256Digest", TAG: "targetImage"}
        return provider_pb2.CreateResponse(id=outputs[names[token]], properties=encode(outputs))

    def Read(self, request: Any, context: Context) -> Any:
        """Look a push up in its registry, and lose it where that fails; return of all else what is known already."""
        properties = decode(request.properties)
        if _token(request.urn) == PUSH:
            content = self.cloud.read()
            try:
                _log_in(content, properties["authConfig"], "address", properties["name"])
                properties["sha256Digest"] = content["images"][properties["name"]]
            except (CloudError, KeyError):
                return provider_pb2.ReadResponse()
            return provider_pb2.ReadResponse(id=request.id, inputs=request.inputs, properties=encode(properties))
        return provider_pb2.ReadResponse(id=request.id, inputs=request.inputs, properties=request.properties)

    def Update(self, request: Any, context: Context) -> Any:
        """Build and push an image again; other inputs that change in place are only kept."""
        token, inputs = _token(request.urn), decode(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=encode(_preview(token, inputs)))
        if token != IMAGE:
            computed = COMPUTED[token]
            return provider_pb2.UpdateResponse(
                properties=encode(inputs | {computed: decode(request.olds).get(computed)})
            )
        try:
            outputs = self._tried(request.urn.rpartition("::")[2], token, inputs)
        except CloudError as error:
            refuse(context, error)
        return provider_pb2.UpdateResponse(properties=encode(outputs))

    def Delete(self, request: Any, context: Context) -> Any:
        """Leave images where they are, as the real provider does with ``keepRemotely``."""
        if _token(request.urn) == PUSH and not decode(request.properties).get("keepRemotely"):
            refuse(context, CloudError("deleting a tag takes every tag of the same digest along"))
        return EMPTY

    def _tried(self, subject: str, token: str, inputs: Properties) -> Properties:
        """Carry out what is asked for a subject, unless a fault lets it fail before or its answer get lost after."""
        fault = self.cloud.fault(subject)
        if fault == "before":
            raise CloudError(f"{subject} is not to be made now")
        outputs = self._apply(token, inputs)
        if fault == "after":
            raise CloudError(f"the answer about {subject} got lost")
        return outputs

    def _apply(self, token: str, inputs: Properties) -> Properties:
        if has_unknown(inputs):
            raise CloudError(f"UnknownValue: a request was to be made with a value that is not known yet: {inputs}")
        engine = self.engine.read()
        if token == IMAGE and engine["helper"]:
            raise CloudError(NO_HELPER.format(engine["helper"]))
        if token == IMAGE:
            _build(engine, inputs)
            self.engine.write(engine)
        with self.cloud.open() as content:
            content["log"].append(["docker", token])
            source = inputs[{IMAGE: "imageName", PUSH: "name", TAG: "sourceImage"}[token]]
            if source not in engine["images"]:
                raise CloudError(f"No such image: {source}")
            if token == TAG:
                engine["images"][inputs["targetImage"]] = engine["images"][source]
                self.engine.write(engine)
                return inputs | {COMPUTED[token]: _digest(engine["images"][source])}
            # What was built stays in the engine when the push is refused.
            login, key = (inputs["registry"], "server") if token == IMAGE else (inputs["authConfig"], "address")
            _log_in(content, login, key, source)
            digest = _push(content, source, engine["images"][source])
        if token == PUSH:
            return inputs | {COMPUTED[token]: digest}
        return {
            OLD_INPUTS: {SIGNATURE: SECRET, "value": inputs},
            "baseImageName": inputs["imageName"],
            "context": inputs["build"]["context"],
            "dockerfile": inputs["build"]["dockerfile"],
            "imageName": inputs["imageName"],
            "platform": inputs["build"]["platform"],
            "registryServer": inputs["registry"]["server"],
            "repoDigest": f"{inputs['imageName'].rpartition(':')[0]}@{digest}",
        }


def _build(engine: dict[str, Any], inputs: Properties) -> None:
    """Build an image: what this engine has built before is what it was; any other engine makes something else of it."""
    content = json.dumps([inputs["build"]["contextDigest"], inputs["build"].get("args", {})], sort_keys=True)
    manifest = json.dumps({"config": {"created": secrets.token_hex(8)}, "schemaVersion": 2}, indent=3)
    engine["images"][inputs["imageName"]] = engine["cache"].setdefault(content, manifest)


def _digest(manifest: str) -> str:
    return f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"


def _is_login(path: str) -> bool:
    return path.startswith("registry.") and path != "registry.server"


def _log_in(content: dict[str, Any], login: Properties, server_key: str, image: str) -> None:
    server, username = login[server_key], login["username"]
    if not image.startswith(f"{server}/"):
        raise CloudError(f"{image} is not to be pushed to {server}")
    if problem := login_problem(content, server, username, login["password"]):
        raise CloudError(problem)
    content["log"].append([f"push as {username}", image])


def _push(content: dict[str, Any], name: str, manifest: str) -> str:
    digest = _digest(manifest)
    content["manifests"][digest] = manifest
    content["images"][name] = content["images"][f"{name.rpartition(':')[0]}@{digest}"] = digest
    return digest


def _preview(token: str, inputs: Properties) -> Properties:
    # An image answers with its inputs alone, so that all else is unknown.
    return inputs if token == IMAGE else inputs | {COMPUTED[token]: UNKNOWN}


def _token(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def main() -> None:
    """Serve the provider."""
    serve(Docker())
