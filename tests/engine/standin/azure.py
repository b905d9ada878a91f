"""The stand-in for the azure-native provider: naming, validation, diffs and requests as the real one makes them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import uuid
from pathlib import Path
from typing import Any, Final

from pulumi.runtime.proto import provider_pb2

from tests.engine.standin import service
from tests.engine.standin.cloud import Cloud, CloudError
from tests.engine.standin.jobs import check_environment_deletion
from tests.engine.standin.kinds import KINDS, Kind
from tests.engine.standin.plugin import EMPTY, Context, PartlyCreatedError, Plugin, diff_response, refuse, serve
from tests.engine.standin.roles import check_deletion
from tests.engine.standin.schema import preview_outputs, problems
from tests.engine.standin.sign_in import ARM_AUDIENCE, provider_principal, token_of
from tests.engine.standin.wire import Properties, decode, difference, encode, has_unknown

SCHEMA_VARIABLE: Final = "STANDIN_SCHEMA"

# The mark that the real provider leaves in the inputs of what it named at random: replacements may then overlap.
RANDOMLY_NAMED: Final = "__createBeforeDelete"


class AzureNative(Plugin):
    """Resources in the cloud of the environment."""

    package = "pulumi_azure_native"

    def __init__(self) -> None:
        self.cloud = Cloud.of_environment()
        self.schema: dict[str, Any] = json.loads(Path(os.environ[SCHEMA_VARIABLE]).read_text(encoding="utf-8"))

    def Check(self, request: Any, context: Context) -> Any:
        """Name the resource, fill in its location, and validate its properties."""
        token, name = _token_and_name(request.urn)
        kind = KINDS.get(token)
        if kind is None:
            refuse(context, CloudError(f"NotPlayed: the stand-in does not play {token}"))
        olds, news = decode(request.olds), decode(request.news)
        failures = problems(self.schema[token]["inputs"], news)
        key = kind.name_parameter
        if key not in news:
            news[key] = olds.get(key) or _new_name(kind, name, request.randomSeed)
            if kind.naming != "copy" and (key not in olds or olds.get(RANDOMLY_NAMED)):
                news[RANDOMLY_NAMED] = True
        if "location" in self.schema[token]["inputs"]["properties"] and "location" not in news:
            news["location"] = olds.get("location", self.config.get("location", ""))
            if not news["location"]:
                failures.append("missing required property 'location'")
        if not has_unknown(news[key]) and not re.fullmatch(kind.name_pattern, str(news[key])):
            failures.append(f"'{key}' is {news[key]!r}, which does not match expression '{kind.name_pattern}'")
        return provider_pb2.CheckResponse(
            failures=[provider_pb2.CheckFailure(reason=reason) for reason in failures], inputs=encode(news)
        )

    def Diff(self, request: Any, context: Context) -> Any:
        """Compare old and new inputs; parts of the id and a few more need a new resource."""
        kind = KINDS[_token_and_name(request.urn)[0]]
        old = decode(request.old_inputs)
        replacing = {*kind.parameters, *kind.force_new}
        changed = {path: _root(path) in replacing for path in difference(old, decode(request.news))}
        return diff_response(
            changed, delete_before_replace=any(changed.values()) and not old.get(RANDOMLY_NAMED, False)
        )

    def Create(self, request: Any, context: Context) -> Any:
        """Make the resource, unless one of its id is there already."""
        token, name = _token_and_name(request.urn)
        inputs = decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(
                properties=encode(preview_outputs(self.schema[token]["outputs"], inputs))
            )
        try:
            resource_id, outputs = self._create(token, name, inputs)
        except CloudError as error:
            refuse(context, error)
        return provider_pb2.CreateResponse(id=resource_id, properties=encode(outputs))

    def Read(self, request: Any, context: Context) -> Any:
        """Return what is there now."""
        self.cloud.log("read", request.id)
        resource = self.cloud.read()["resources"].get(request.id)
        if resource is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=request.id, inputs=request.inputs, properties=encode(resource["outputs"]))

    def Update(self, request: Any, context: Context) -> Any:
        """Change the resource in place, where the service allows it."""
        token, _ = _token_and_name(request.urn)
        inputs = decode(request.news)
        if request.preview:
            olds = decode(request.olds)
            outputs = preview_outputs(self.schema[token]["outputs"], inputs)
            outputs |= {key: olds[key] for key in ("location", "name") if key in olds}
            return provider_pb2.UpdateResponse(properties=encode(outputs))
        try:
            with self.cloud.open() as content:
                content["log"].append(["update", request.id])
                resource = content["resources"].get(request.id)
                if resource is None:
                    raise CloudError(f"ResourceNotFound: there is no {request.id}")
                _refuse_unknown(inputs)
                service.check_update(token, resource["inputs"], inputs)
                service.check_references(content, token, inputs)
                outputs = service.outputs(token, request.id, inputs, set(self.schema[token]["outputs"]))
                resource |= {"inputs": inputs, "outputs": outputs}
        except CloudError as error:
            refuse(context, error)
        return provider_pb2.UpdateResponse(properties=encode(outputs))

    def Delete(self, request: Any, context: Context) -> Any:
        """Remove the resource and all that lives in it; a vault's name stays held."""
        try:
            with self.cloud.open() as content:
                content["log"].append(["delete", request.id])
                resources = content["resources"]
                if _token_and_name(request.urn)[0] == "azure-native:keyvault:Secret":
                    # The provider deletes a secret on the data plane, where a deployer without a role of its own has
                    # no rights. Source: ``keyVaultSecret`` in pulumi-azure-native's ``custom_keyvault.go``.
                    raise CloudError("Forbidden: Caller is not authorized to perform action on resource")
                check_deletion(content, request.id)
                check_environment_deletion(content, request.id)
                users = [
                    each["name"] for each in resources.values() if each["inputs"].get("serverFarmId") == request.id
                ]
                if users:
                    raise CloudError(f"Conflict: the plan has the app(s) {', '.join(users)}")
                alone = KINDS[_token_and_name(request.urn)[0]].singleton
                kind = resources.get(request.id, {}).get("type")
                for each in [request.id] if alone else _with_content(resources, request.id):
                    if kind == service.GROUP and resources[each]["type"] == service.SETTING:
                        # It stays behind, for the next group of that name.
                        continue
                    gone = resources.pop(each)
                    content["sites"].pop(each, None)
                    if gone["type"].endswith(":Vault"):
                        content["vaults"].append(gone["name"].lower())
                    if gone["type"].endswith(":Registry"):
                        server = f"{gone['name']}.azurecr.io/"
                        content["images"] = {k: v for k, v in content["images"].items() if not k.startswith(server)}
        except CloudError as error:
            refuse(context, error)
        return EMPTY

    def Invoke(self, request: Any, context: Context) -> Any:
        """Answer a function, which must not be asked about what is not known yet."""
        arguments = decode(request.args)
        try:
            if request.tok != "azure-native:authorization:getClientConfig":
                self.cloud.log("invoke", request.tok)
            _refuse_unknown(arguments)
            if request.tok == "azure-native:authorization:getClientToken":
                answer = self._token(str(arguments.get("endpoint") or ARM_AUDIENCE))
            else:
                answer = service.invoke(self.cloud.read(), request.tok, arguments)
        except CloudError as error:
            refuse(context, error)
        return provider_pb2.InvokeResponse(**{"return": encode(answer)})

    def Configure(self, request: Any, context: Context) -> Any:
        """Sign in as the configuration and the environment say, and tell the cloud who that is."""
        response = super().Configure(request, context)
        with self.cloud.open() as content:
            content["principal"] = list(provider_principal(self.config, os.environ))
        return response

    def _token(self, audience: str) -> Properties:
        principal = provider_principal(self.config, os.environ)
        return {"token": token_of(principal, audience, self.cloud.read()["token_seconds"])}

    def _create(self, token: str, name: str, inputs: Properties) -> tuple[str, Properties]:
        _refuse_unknown(inputs)
        kind = KINDS[token]
        resource_id = kind.resource_id(inputs)
        fault = self.cloud.fault(name)
        with self.cloud.open() as content:
            content["log"].append(["create", resource_id])
            service.check_new(content, token, resource_id, inputs)
            if fault == "before":
                raise CloudError(f"InternalServerError: {name} is not to be made now")
            outputs = service.outputs(token, resource_id, inputs, set(self.schema[token]["outputs"]))
            content["log"].append(["created", resource_id])
            content["resources"][resource_id] = {
                "inputs": inputs,
                "name": str(inputs[kind.name_parameter]),
                "outputs": outputs,
                "type": token,
            }
            if token == service.SETTING:
                # Applying a setting restarts a container group.
                content["log"].append(["restart", inputs["resourceUri"]])
            if token.endswith(":StorageAccount") and content["defender"]:
                service.defend(content, resource_id)
        if fault == "after" and token.endswith(":Blob"):
            # Blobs are put up on the data plane, whose errors carry no state.
            raise CloudError(f"ConnectionReset: the answer to the upload of {name} got lost")
        if fault == "after":
            raise PartlyCreatedError(f"OperationTimedOut: {name} did not come up", resource_id, inputs, outputs)
        return resource_id, outputs


def _with_content(resources: Properties, resource_id: str) -> list[str]:
    return [each for each in resources if f"{each}/".startswith(f"{resource_id}/")]


def _new_name(kind: Kind, name: str, seed: bytes) -> str:
    random = hashlib.sha256(seed).hexdigest() if seed else secrets.token_hex(16)
    match kind.naming:
        case "copy":
            return name
        case "random":
            return f"{name}{random[:8]}"
        case "uuid":
            return str(uuid.UUID(random[:32]))


def _refuse_unknown(values: Properties) -> None:
    if has_unknown(values):
        raise CloudError(f"UnknownValue: a request was to be made with a value that is not known yet: {values}")


def _root(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]


def _token_and_name(urn: str) -> tuple[str, str]:
    types, _, name = urn.split("::", 2)[2].partition("::")
    return types.rpartition("$")[2], name


def main() -> None:
    """Serve the provider."""
    serve(AzureNative())
