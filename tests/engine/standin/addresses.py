"""What Azure's own addresses answer to the dynamic resources: sign-in, deployments, registries, and file shares."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.engine.standin.cloud import Cloud
from tests.engine.standin.service import MARKER, secret_of

TOKEN = f"{MARKER}-token"


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(
    cloud: Cloud, statuses: list[int], host: str, method: str, target: str, headers: Mapping[str, str], body: bytes
) -> Answer:
    """Answer a request to one of the hosts; ``statuses`` are used up first by calls that need a role."""
    path = unquote(urlsplit(target).path)
    query = {key: values[0] for key, values in parse_qs(urlsplit(target).query).items()}
    if host == "login.microsoftonline.com":
        return _sign_in(path)
    if host == "management.azure.com":
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return _json(401, {"error": {"code": "AuthenticationFailed", "message": "no token"}})
        if statuses:
            return _json(statuses.pop(0), {"error": {"code": "AuthorizationFailed", "message": "not yet"}})
        return _manage(cloud, method, path, body)
    if host.endswith(".azurecr.io"):
        return _registry(cloud, host, method, path, query, headers, body)
    account = host.partition(".")[0]
    if not headers.get("authorization", "").startswith(f"SharedKey {account}:"):
        return _storage_error(403, "AuthenticationFailed")
    return _share(cloud, account, method, path.strip("/"), query, headers, body)


def _sign_in(path: str) -> Answer:
    authority = f"https://login.microsoftonline.com/{path.split('/')[1]}"
    if path.endswith("/discovery/instance"):
        hosts = ["login.microsoftonline.com"]
        alias = {"aliases": hosts, "preferred_cache": hosts[0], "preferred_network": hosts[0]}
        return _json(200, {"metadata": [alias], "tenant_discovery_endpoint": f"{authority}/v2.0"})
    if path.endswith("/.well-known/openid-configuration"):
        return _json(
            200,
            {
                "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
                "issuer": f"{authority}/v2.0",
                "token_endpoint": f"{authority}/oauth2/v2.0/token",
            },
        )
    return _json(200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})


def _manage(cloud: Cloud, method: str, path: str, body: bytes) -> Answer:
    owner, _, operation = path.partition("/extensions/") if "/extensions/" in path else path.rpartition("/")
    cloud.log(operation, owner)
    if owner not in cloud.ids():
        return _json(404, {"error": {"code": "ResourceNotFound", "message": owner}})
    if operation == "listKeys" and method == "POST":
        return _json(200, {"keys": [{"keyName": "key1", "value": secret_of(owner.rpartition("/")[2])}]})
    if operation == "listCredentials" and method == "POST":
        name = owner.rpartition("/")[2]
        return _json(200, {"passwords": [{"name": "password", "value": secret_of(name)}], "username": name})
    if operation != "onedeploy" or method != "PUT":
        return _json(405, {"error": {"code": "NotPlayed", "message": f"{method} {path}"}})
    package = urlsplit(json.loads(body)["properties"]["packageUri"])
    url = package._replace(query="").geturl()
    fault = cloud.fault("function-code")
    with cloud.open() as content:
        blobs = [each["outputs"]["url"] for each in content["resources"].values() if each["type"].endswith(":Blob")]
        if url not in blobs or "sig=" not in package.query:
            return _json(422, {"error": {"code": "InvalidPackageUri", "message": "the package cannot be fetched"}})
        if fault != "before":
            content["resources"][path] = {"inputs": {"package": url}, "name": "", "outputs": {}, "type": "deployment"}
    if fault is not None:
        return _json(401, {"error": {"code": "AuthenticationFailed", "message": "injected"}})
    return _json(200, {"properties": {"id": "1", "status": 4}})


def _registry(
    cloud: Cloud,
    host: str,
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
) -> Answer:
    """Answer as an Azure Container Registry.

    Sources: https://azure.github.io/acr/Token-BasicAuth.html and the OCI distribution specification.
    """
    content = cloud.read()
    registry = next(
        (each for each in content["resources"].values() if each["outputs"].get("loginServer") == host), None
    )
    if registry is None:
        return Answer(503)
    if path == "/oauth2/token":
        pair = f"{registry['name']}:{secret_of(registry['name'])}"
        if headers.get("authorization") != f"Basic {base64.b64encode(pair.encode()).decode()}":
            return _json(401, {"errors": [{"code": "UNAUTHORIZED"}]})
        return _json(200, {"access_token": f"{TOKEN}:{query['service']}:{query['scope']}"})
    name, _, reference = path.removeprefix("/v2/").partition("/manifests/")
    scope = f"repository:{name}:{'pull,push' if method == 'PUT' else 'pull'}"
    if headers.get("authorization") != f"Bearer {TOKEN}:{host}:{scope}":
        challenge = f'Bearer realm="https://{host}/oauth2/token",service="{host}",scope="{scope}"'
        return Answer(401, headers={"WWW-Authenticate": challenge})
    cloud.log(f"manifest {method}", f"{host}/{name}:{reference}")
    address = f"{host}/{name}{'@' if ':' in reference else ':'}{reference}"
    if method == "PUT":
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        fault = cloud.fault("worker-image-latest") if reference == "latest" else None
        if fault == "before":
            return _json(403, {"errors": [{"code": "DENIED", "message": "injected"}]})
        with cloud.open() as content:
            if f"{host}/{name}@{digest}" not in content["images"]:
                return _json(400, {"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]})
            content["images"][address] = digest
        if fault:
            return _json(403, {"errors": [{"code": "DENIED", "message": "injected"}]})
        return Answer(201, headers={"Docker-Content-Digest": digest})
    digest = content["images"].get(address)
    if digest is None:
        return _json(404, {"errors": [{"code": "MANIFEST_UNKNOWN"}]})
    manifest = content["manifests"][digest].encode()
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    return Answer(200, manifest, {"Content-Type": kind, "Docker-Content-Digest": digest})


def _share(
    cloud: Cloud,
    account: str,
    method: str,
    name: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
) -> Answer:
    share_name, _, path = name.partition("/")
    with cloud.open() as content:
        resources = content["resources"]
        end = f"/storageAccounts/{account}/fileServices/default/shares/{share_name}"
        share = next((each for each in resources if each.endswith(end)), None)
        if share is None:
            return _storage_error(404, "ShareNotFound")
        key = f"{share}/files/{path}"
        content["log"].append([f"file {method}", key])
        if query.get("restype") == "directory":
            if key in resources:
                return _storage_error(409, "ResourceAlreadyExists")
            resources[key] = {"inputs": {}, "name": path, "outputs": {}, "type": "folder"}
            return Answer(201, headers=_headers())
    if method == "PUT" and query.get("comp") == "range":
        return _write(cloud, key, headers, body)
    if method == "PUT":
        fault = cloud.fault(f"worker-config-{path.replace('/', '-')}")
        if fault == "before":
            return _storage_error(403, "AuthenticationFailed")
        with cloud.open() as content:
            size = int(headers["x-ms-content-length"])
            content["resources"][key] = {"inputs": {}, "name": path, "outputs": {}, "text": "\0" * size, "type": "file"}
        return Answer(201, headers=_headers()) if fault is None else _storage_error(403, "AuthenticationFailed")
    with cloud.open() as content:
        if key not in content["resources"]:
            return _storage_error(404, "ResourceNotFound")
        if method == "DELETE":
            del content["resources"][key]
            return Answer(202, headers=_headers())
        text = str(content["resources"][key]["text"]).encode()
    if method == "HEAD":
        return Answer(200, headers=_headers())
    ranges = {"Content-Range": f"bytes 0-{len(text) - 1}/{len(text)}", "Content-Type": "application/octet-stream"}
    return Answer(206, text, _headers() | ranges)


def _write(cloud: Cloud, key: str, headers: Mapping[str, str], body: bytes) -> Answer:
    start = int(headers["x-ms-range"].partition("=")[2].partition("-")[0])
    with cloud.open() as content:
        text = content["resources"][key]["text"].encode()
        content["resources"][key]["text"] = (text[:start] + body + text[start + len(body) :]).decode()
    return Answer(201, headers=_headers())


def _headers() -> dict[str, str]:
    return {"ETag": '"1"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT", "x-ms-version": "2025-01-05"}


def _json(status: int, value: Any) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _storage_error(status: int, code: str) -> Answer:
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return Answer(status, text.encode(), _headers() | {"Content-Type": "application/xml", "x-ms-error-code": code})
