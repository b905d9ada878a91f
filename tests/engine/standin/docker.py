"""The stand-in for the docker provider: images built from a hash of their context, and tags pushed to registries."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from pulumi.runtime.proto import provider_pb2

from tests.engine.standin.cloud import Cloud, CloudError
from tests.engine.standin.context import context_digest
from tests.engine.standin.plugin import EMPTY, Context, Plugin, diff_response, refuse, serve
from tests.engine.standin.service import secret_of
from tests.engine.standin.wire import SECRET, SIGNATURE, UNKNOWN, Properties, decode, difference, encode, has_unknown

IMAGE: Final = "docker:index/image:Image"
PUSH: Final = "docker:index/registryImage:RegistryImage"
TAG: Final = "docker:index/tag:Tag"

# Where the real provider keeps the inputs of an image.
OLD_INPUTS: Final = "__inputs"

COMPUTED: Final = {PUSH: "sha256Digest", TAG: "sourceImageId"}


class Docker(Plugin):
    """Images in the registries of the simulated cloud, and one Docker engine for all."""

    package = "pulumi_docker"

    def __init__(self) -> None:
        self.cloud = Cloud.of_environment()

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
        """Build anew in place what an image differs in; make tags and pushes anew."""
        old, new = decode(request.olds), decode(request.news)
        token = _token(request.urn)
        if token == IMAGE:
            changed = {path: False for path in difference(old[OLD_INPUTS], new) if not _is_login(path)}
            return diff_response(changed)
        ignored = {"authConfig", "keepRemotely"}
        paths = [path for path in difference(decode(request.old_inputs), new) if path.partition(".")[0] not in ignored]
        return diff_response(dict.fromkeys(paths, True), delete_before_replace=token == PUSH and bool(paths))

    def Create(self, request: Any, context: Context) -> Any:
        """Build and push an image, tag one, or push a tag."""
        token, inputs = _token(request.urn), decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(_preview(token, inputs)))
        subject = request.urn.rpartition("::")[2]
        try:
            fault = self.cloud.fault(subject)
            if fault == "before":
                raise CloudError(f"{subject} is not to be made now")
            outputs = self._apply(token, inputs)
            if fault == "after":
                raise CloudError(f"the answer about {subject} got lost")
        except CloudError as error:
            refuse(context, error)
        names = {IMAGE: "imageName", PUSH: "sha256Digest", TAG: "targetImage"}
        return provider_pb2.CreateResponse(id=outputs[names[token]], properties=encode(outputs))

    def Read(self, request: Any, context: Context) -> Any:
        """Return what is known already, as the real provider does."""
        return provider_pb2.ReadResponse(id=request.id, inputs=request.inputs, properties=request.properties)

    def Update(self, request: Any, context: Context) -> Any:
        """Build and push an image again; other inputs that change in place are only kept."""
        token, inputs = _token(request.urn), decode(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=encode(_preview(token, inputs)))
        try:
            return provider_pb2.UpdateResponse(properties=encode(self._apply(token, inputs)))
        except CloudError as error:
            refuse(context, error)

    def Delete(self, request: Any, context: Context) -> Any:
        """Leave images where they are, as the real provider does with ``keepRemotely``."""
        if _token(request.urn) == PUSH and not decode(request.properties).get("keepRemotely"):
            refuse(context, CloudError("deleting a tag takes every tag of the same digest along"))
        return EMPTY

    def _apply(self, token: str, inputs: Properties) -> Properties:
        if has_unknown(inputs):
            raise CloudError(f"UnknownValue: a request was to be made with a value that is not known yet: {inputs}")
        with self.cloud.open() as content:
            content["log"].append(["docker", token])
            # The engine's own images are kept beside those of the registries, under names that no registry has.
            images = content["images"]
            if token == IMAGE:
                _log_in(content, inputs["registry"], "server", inputs["imageName"])
                text = json.dumps([inputs["build"]["contextDigest"], inputs["build"].get("args", {})], sort_keys=True)
                digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
                images[inputs["imageName"]] = images[f"local:{inputs['imageName']}"] = digest
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
            source = f"local:{inputs['sourceImage'] if token == TAG else inputs['name']}"
            if source not in images:
                raise CloudError(f"No such image: {source.partition(':')[2]}")
            if token == TAG:
                images[f"local:{inputs['targetImage']}"] = images[source]
            else:
                _log_in(content, inputs["authConfig"], "address", inputs["name"])
                images[inputs["name"]] = images[source]
            return inputs | {COMPUTED[token]: images[source]}


def _is_login(path: str) -> bool:
    return path.startswith("registry.") and path != "registry.server"


def _log_in(content: dict[str, Any], login: Properties, server_key: str, image: str) -> None:
    server = login[server_key]
    names = [each["name"] for each in content["resources"].values() if each["outputs"].get("loginServer") == server]
    if not names or not image.startswith(f"{server}/"):
        raise CloudError(f"there is no registry {server}, which {image} is to be pushed to")
    if login["password"] != secret_of(names[0]):
        raise CloudError(f"unauthorized: the password of {server} is wrong")


def _preview(token: str, inputs: Properties) -> Properties:
    # An image answers with its inputs alone, so that all else is unknown.
    return inputs if token == IMAGE else inputs | {COMPUTED[token]: UNKNOWN}


def _token(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def main() -> None:
    """Serve the provider."""
    serve(Docker())
