"""What Azure's own addresses answer to the dynamic resources: sign-in, deployments, registries, blobs and shares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from tests.engine.standin import sites
from tests.engine.standin.cloud import Cloud
from tests.engine.standin.data_plane import answer_data
from tests.engine.standin.names import account_key
from tests.engine.standin.pipeline import executions, group_log, group_view
from tests.engine.standin.registries import answer_registry
from tests.engine.standin.replies import Answer, json_answer, storage_error, storage_headers
from tests.engine.standin.shares import answer_file
from tests.engine.standin.sign_in import Principal, holder, sign_in

BLOB: Final = ".blob.core.windows.net"
DIRECTORY: Final = "login.microsoftonline.com"
FILE: Final = ".file.core.windows.net"
FUNCTIONS: Final = ["dispatch", "sweep"]
GITHUB: Final = "token.actions.githubusercontent.com"
MANAGER: Final = "management.azure.com"
QUEUE: Final = ".queue.core.windows.net"
REGISTRY: Final = ".azurecr.io"


def answer(
    cloud: Cloud, statuses: list[int], host: str, method: str, target: str, headers: Mapping[str, str], body: bytes
) -> Answer:
    """Answer a request to one of the hosts; ``statuses`` are used up first by calls that need a role."""
    path = unquote(urlsplit(target).path)
    if host == DIRECTORY:
        return _sign_in(cloud, path, body)
    if host == GITHUB:
        asked = headers.get("authorization") == "Bearer invented" and "audience=api%3A%2F%2F" in target
        return json_answer(200, {"value": "assertion"}) if asked else json_answer(401, {})
    if host == MANAGER:
        found = holder(headers.get("authorization", ""))
        if not isinstance(found, Principal):
            return json_answer(401, {"error": {"code": found, "message": found}})
        if list(found) != cloud.read()["principal"]:
            text = f"The client {found.client} ({found.method}) does not have authorization"
            return json_answer(403, {"error": {"code": "AuthorizationFailed", "message": text}})
        if statuses:
            return json_answer(statuses.pop(0), {"error": {"code": "AuthorizationFailed", "message": "not yet"}})
        return _manage(cloud, method, path, target, body)
    if host.endswith(QUEUE):
        return answer_data(cloud, host.removesuffix(QUEUE), "queue", method, target, headers, body)
    if host.endswith(BLOB) and headers.get("authorization", "").startswith("SharedKey "):
        return answer_data(cloud, host.removesuffix(BLOB), "blob", method, target, headers, body)
    if host.endswith(BLOB):
        return _package(cloud, host.removesuffix(BLOB), method, path, target)
    if host.endswith(REGISTRY):
        return answer_registry(cloud, host, method, path, target, headers, body)
    return answer_file(cloud, host.removesuffix(FILE), method, target, headers, body)


def _sign_in(cloud: Cloud, path: str, body: bytes) -> Answer:
    authority = f"https://{DIRECTORY}/{path.split('/')[1]}"
    if path.endswith("/discovery/instance"):
        hosts = [DIRECTORY]
        alias = {"aliases": hosts, "preferred_cache": hosts[0], "preferred_network": hosts[0]}
        return json_answer(200, {"metadata": [alias], "tenant_discovery_endpoint": f"{authority}/v2.0"})
    if path.endswith("/.well-known/openid-configuration"):
        return json_answer(
            200,
            {
                "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
                "issuer": f"{authority}/v2.0",
                "token_endpoint": f"{authority}/oauth2/v2.0/token",
            },
        )
    cloud.log("sign-in", path)
    return json_answer(200, {"access_token": sign_in(body), "expires_in": 3600, "token_type": "Bearer"})


def _manage(cloud: Cloud, method: str, path: str, target: str, body: bytes) -> Answer:
    if "api-version" not in parse_qs(urlsplit(target).query):
        return json_answer(400, {"error": {"code": "MissingApiVersionParameter", "message": target}})
    # The last two parts of an id are the type and the name of what is in the resource group.
    parts = path.split("/")
    owner, operation = "/".join(parts[:9]), "/".join(parts[9:])
    cloud.log(operation, owner)
    if owner not in cloud.ids():
        return json_answer(404, {"error": {"code": "ResourceNotFound", "message": owner}})
    name = parts[8]
    if "/registries/" in owner:
        known = (method, operation) == ("GET", "")
        return json_answer(200, {"id": owner, "name": name}) if known else json_answer(404, {})
    if (method, operation) == ("POST", "listKeys"):
        with cloud.open() as content:
            key = account_key(content, name)
        return json_answer(200, {"keys": [{"keyName": "key1", "value": key}]})
    if (method, operation) == ("GET", "executions"):
        return json_answer(200, {"value": executions(cloud.read(), owner)})
    if "/containerGroups/" in owner and method == "GET":
        content = cloud.read()
        if not operation:
            return json_answer(200, group_view(content, owner))
        return json_answer(200, {"content": group_log(content, owner)})
    fault = None
    if operation == "extensions/onedeploy":
        fault = cloud.fault("function-code")
        if fault == "before":
            return json_answer(401, {"error": {"code": "AuthenticationFailed", "message": "injected"}})
    with cloud.open() as content:
        if operation == "extensions/onedeploy" and (error := _package_problem(content["resources"], body)):
            return json_answer(422, {"error": {"code": "InvalidPackageUri", "message": error}})
        site = content["sites"].setdefault(owner, sites.new_site())
        status, headers, value = sites.reply(site, owner, method, operation, body, FUNCTIONS)
        if site["package"]:
            deployed = {"inputs": {"package": site["package"]}, "name": "", "outputs": {}, "type": "deployment"}
            content["resources"][f"{owner}/extensions/onedeploy"] = deployed
    if fault is not None:
        return json_answer(401, {"error": {"code": "AuthenticationFailed", "message": "injected"}})
    return json_answer(status, value, headers)


def _package_problem(resources: Mapping[str, Mapping[str, object]], body: bytes) -> str | None:
    properties = json.loads(body)["properties"]
    package = urlsplit(properties["packageUri"])
    blobs = [
        each["outputs"]["url"]  # type: ignore[index]
        for each in resources.values()
        if str(each["type"]).endswith(":Blob")
    ]
    if package._replace(query="").geturl() not in blobs or "sig=" not in package.query:
        return "the package cannot be fetched"
    return None if properties.get("remoteBuild") is False else "the package has its dependencies and needs no build"


def _package(cloud: Cloud, account: str, method: str, path: str, target: str) -> Answer:
    """Answer for the copy that the platform made of the package that a site runs."""
    if method != "HEAD" or "sig=" not in target:
        return storage_error(403, "AuthenticationFailed")
    for site in cloud.read()["sites"].values():
        package = urlsplit(site["package"] or "")
        container = package.path.strip("/").partition("/")[0]
        if package.netloc == f"{account}{BLOB}" and path == f"/{container}/released-package.zip":
            return Answer(
                200, headers=storage_headers() | {"Last-Modified": site["copied"], "x-ms-blob-type": "BlockBlob"}
            )
    return storage_error(404, "BlobNotFound")
