"""Azure Container Registry as the program uses it: a sign-in by a token of Entra's, manifests, and begun uploads.

Sources: https://azure.github.io/acr/AAD-OAuth.html and the OCI distribution specification.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from tests.engine.standin.cloud import Cloud
from tests.engine.standin.kinds import TENANT
from tests.engine.standin.names import MARKER, secret_of
from tests.engine.standin.replies import Answer, json_answer
from tests.engine.standin.sign_in import Principal, holder

AUDIENCE: Final = "https://containerregistry.azure.net"
FORM: Final = "application/x-www-form-urlencoded"
KIND: Final = "application/vnd.docker.distribution.manifest.v2+json"

# How long a registry's own tokens live: the one that others are made of, and those. Sources:
# https://github.com/Azure/acr/issues/798 and the claims in https://azure.github.io/acr/AAD-OAuth.html
REFRESH_SECONDS: Final = 3 * 3600
ACCESS_SECONDS: Final = 75 * 60

# What a principal may do by the right that a test gave it, see ``registry_right`` of the cloud.
RIGHTS: Final = {"none": set[str](), "pull": {"pull"}, "push": {"pull", "push"}}

# The user whose password is a token.
TOKEN_USER: Final = "00000000-0000-0000-0000-000000000000"


def answer_registry(
    cloud: Cloud, host: str, method: str, path: str, target: str, headers: Mapping[str, str], body: bytes
) -> Answer:
    """Answer a request to a registry's login server."""
    content = cloud.read()
    if not any(each["outputs"].get("loginServer") == host for each in content["resources"].values()):
        return Answer(503)
    if path in ("/oauth2/exchange", "/oauth2/token"):
        if method != "POST" or headers.get("content-type", "").partition(";")[0] != FORM:
            return json_answer(405, {"errors": [{"code": "UNSUPPORTED"}]})
        form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        cloud.log(path.rpartition("/")[2], host)
        return (_exchange if path.endswith("/exchange") else _access)(content, host, form)
    name, kind, reference = _parts(path)
    wanted = {"pull", "push"} if method in ("POST", "PUT") or kind == "uploads" else {"pull"}
    claims = _claims(headers.get("authorization", "").removeprefix("Bearer "), host, "access_token")
    if claims is None or claims["repository"] != name or not wanted <= set(claims["actions"]):
        scope = f"repository:{name}:{','.join(sorted(wanted))}"
        challenge = f'Bearer realm="https://{host}/oauth2/token",service="{host}",scope="{scope}"'
        return _error(401, "UNAUTHORIZED", {"WWW-Authenticate": challenge})
    if kind == "uploads":
        return _upload(cloud, host, name, method, reference)
    cloud.log(f"manifest {method}", f"{host}/{name}:{reference}")
    address = f"{host}/{name}{'@' if ':' in reference else ':'}{reference}"
    if method == "PUT":
        return _put(cloud, f"{host}/{name}", address, body)
    digest = content["images"].get(address)
    if digest is None:
        return _error(404, "MANIFEST_UNKNOWN")
    manifest = content["manifests"][digest].encode()
    return Answer(200, manifest, {"Content-Type": KIND, "Docker-Content-Digest": digest})


def login_problem(content: Mapping[str, Any], server: str, username: str, password: str) -> str | None:
    """Return why a registry lets nobody push who signs in like this, or None where it does."""
    names = [each["name"] for each in content["resources"].values() if each["outputs"].get("loginServer") == server]
    if not names:
        return f"there is no registry {server}"
    if username != TOKEN_USER:
        right = (username, password) == (names[0], secret_of(names[0]))
        return None if right else f"unauthorized: the password of {server} is wrong"
    if _claims(password, server, "refresh_token") is None:
        return f"unauthorized: the token for {server} is not valid"
    return None if "push" in RIGHTS[content["registry_right"]] else "denied: requested access to the resource is denied"


def refresh_token_of(host: str, seconds: float = REFRESH_SECONDS) -> str:
    """Return a registry's own token; each is another."""
    return _token({"aud": host, "exp": time.time() + seconds, "grant_type": "refresh_token"})


def _exchange(content: Mapping[str, Any], host: str, form: Mapping[str, str]) -> Answer:
    if form.get("grant_type") != "access_token" or form.get("service") != host:
        return _error(400, "UNSUPPORTED")
    found = holder(f"Bearer {form.get('access_token')}", AUDIENCE)
    if not isinstance(found, Principal) or form.get("tenant", TENANT) != TENANT:
        return _error(401, "UNAUTHORIZED")
    if list(found) != content["principal"] or not RIGHTS[content["registry_right"]]:
        return _error(401, "UNAUTHORIZED")
    return json_answer(200, {"refresh_token": refresh_token_of(host)})


def _access(content: Mapping[str, Any], host: str, form: Mapping[str, str]) -> Answer:
    if form.get("grant_type") != "refresh_token" or form.get("service") != host:
        return _error(400, "UNSUPPORTED")
    if _claims(form.get("refresh_token", ""), host, "refresh_token") is None:
        return _error(401, "UNAUTHORIZED")
    kind, _, rest = form.get("scope", "").partition(":")
    name, _, actions = rest.rpartition(":")
    if kind != "repository" or not name:
        return _error(400, "UNSUPPORTED")
    # A token has those of the wanted rights that its principal has.
    given = sorted(RIGHTS[content["registry_right"]] & set(actions.split(",")))
    claims = {
        "actions": given,
        "aud": host,
        "exp": time.time() + ACCESS_SECONDS,
        "grant_type": "access_token",
        "repository": name,
    }
    return json_answer(200, {"access_token": _token(claims)})


def _claims(token: str, host: str, kind: str) -> dict[str, Any] | None:
    parts = token.split(".")
    if len(parts) != 3 or parts[2] != MARKER:
        return None
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    valid = claims["aud"] == host and claims["grant_type"] == kind and claims["exp"] > time.time()
    return claims if valid else None


def _error(status: int, code: str, headers: Mapping[str, str] | None = None) -> Answer:
    return json_answer(status, {"errors": [{"code": code}]}, headers)


def _parts(path: str) -> tuple[str, str, str]:
    for kind, mark in (("manifests", "/manifests/"), ("uploads", "/blobs/uploads/")):
        name, found, reference = path.removeprefix("/v2/").partition(mark)
        if found:
            return name, kind, reference
    return "", "", ""


def _put(cloud: Cloud, repository: str, address: str, body: bytes) -> Answer:
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    fault = cloud.fault("worker-image-latest") if address == f"{repository}:latest" else None
    if fault == "before":
        return json_answer(403, {"errors": [{"code": "DENIED", "message": "injected"}]})
    with cloud.open() as content:
        if f"{repository}@{digest}" not in content["images"]:
            return _error(400, "MANIFEST_BLOB_UNKNOWN")
        content["images"][address] = digest
    if fault:
        return json_answer(403, {"errors": [{"code": "DENIED", "message": "injected"}]})
    return Answer(201, headers={"Docker-Content-Digest": digest})


def _token(claims: Mapping[str, Any]) -> str:
    whole = json.dumps({**claims, "jti": secrets.token_hex(8)}).encode()
    return f"registry.{base64.urlsafe_b64encode(whole).decode().rstrip('=')}.{MARKER}"


def _upload(cloud: Cloud, host: str, name: str, method: str, upload: str) -> Answer:
    with cloud.open() as content:
        uploads = content["uploads"]
        if method == "POST" and not upload:
            upload = secrets.token_hex(8)
            uploads.append(f"{host}/{name}/{upload}")
            return Answer(202, headers={"Location": f"/v2/{name}/blobs/uploads/{upload}?_state={MARKER}"})
        if method == "DELETE" and f"{host}/{name}/{upload}" in uploads:
            uploads.remove(f"{host}/{name}/{upload}")
            return Answer(204)
    return _error(404, "BLOB_UPLOAD_UNKNOWN")
