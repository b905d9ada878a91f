"""Azure Container Registry as the program's tags use it: a sign-in as the admin user, and manifests of images."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tests.engine.standin.cloud import Cloud
from tests.engine.standin.names import MARKER, secret_of
from tests.engine.standin.replies import Answer, json_answer

KIND: Final = "application/vnd.docker.distribution.manifest.v2+json"
TOKEN: Final = f"{MARKER}-registry-token"


def answer_registry(
    cloud: Cloud, host: str, method: str, path: str, target: str, headers: Mapping[str, str], body: bytes
) -> Answer:
    """Answer a request to a registry's login server.

    Sources: https://azure.github.io/acr/Token-BasicAuth.html and the OCI distribution specification.
    """
    query = {key: values[0] for key, values in parse_qs(urlsplit(target).query).items()}
    content = cloud.read()
    registry = next(
        (each for each in content["resources"].values() if each["outputs"].get("loginServer") == host), None
    )
    if registry is None:
        return Answer(503)
    if path == "/oauth2/token":
        pair = f"{registry['name']}:{secret_of(registry['name'])}"
        if headers.get("authorization") != f"Basic {base64.b64encode(pair.encode()).decode()}":
            return json_answer(401, {"errors": [{"code": "UNAUTHORIZED"}]})
        return json_answer(200, {"access_token": f"{TOKEN}:{query['service']}:{query['scope']}"})
    name, _, reference = path.removeprefix("/v2/").partition("/manifests/")
    scope = f"repository:{name}:{'pull,push' if method == 'PUT' else 'pull'}"
    if headers.get("authorization") != f"Bearer {TOKEN}:{host}:{scope}":
        challenge = f'Bearer realm="https://{host}/oauth2/token",service="{host}",scope="{scope}"'
        return Answer(401, headers={"WWW-Authenticate": challenge})
    cloud.log(f"manifest {method}", f"{host}/{name}:{reference}")
    address = f"{host}/{name}{'@' if ':' in reference else ':'}{reference}"
    if method == "PUT":
        return _put(cloud, f"{host}/{name}", address, body)
    digest = content["images"].get(address)
    if digest is None:
        return json_answer(404, {"errors": [{"code": "MANIFEST_UNKNOWN"}]})
    manifest = content["manifests"][digest].encode()
    return Answer(200, manifest, {"Content-Type": KIND, "Docker-Content-Digest": digest})


def _put(cloud: Cloud, repository: str, address: str, body: bytes) -> Answer:
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    fault = cloud.fault("worker-image-latest") if address == f"{repository}:latest" else None
    if fault == "before":
        return json_answer(403, {"errors": [{"code": "DENIED", "message": "injected"}]})
    with cloud.open() as content:
        if f"{repository}@{digest}" not in content["images"]:
            return json_answer(400, {"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]})
        content["images"][address] = digest
    if fault:
        return json_answer(403, {"errors": [{"code": "DENIED", "message": "injected"}]})
    return Answer(201, headers={"Docker-Content-Digest": digest})
