"""Azure Files as the program's config files use it: folders, files that begin as zeros, ranges, and renames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.engine.standin.cloud import Cloud
from tests.engine.standin.names import account_key
from tests.engine.standin.replies import Answer, storage_error, storage_headers
from tests.engine.standin.shared_key import is_signed


def answer_file(
    cloud: Cloud, account: str, method: str, target: str, headers: Mapping[str, str], body: bytes
) -> Answer:
    """Answer a request to an account's file endpoint, which only the account's present key may make."""
    parts = urlsplit(target)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    with cloud.open() as content:
        key = account_key(content, account)
    if not is_signed(key, account, method, parts.path, query, headers):
        return storage_error(403, "AuthenticationFailed")
    share_name, _, path = unquote(parts.path).strip("/").partition("/")
    fault = None
    if method == "PUT" and query.get("comp") == "rename":
        fault = cloud.fault(f"worker-config-{path.replace('/', '-')}")
        if fault == "before":
            return storage_error(403, "AuthenticationFailed")
    with cloud.open() as content:
        answer = _answer(content, account, share_name, path, method, query, headers, body)
    return answer if fault is None else storage_error(403, "AuthenticationFailed")


def _answer(
    content: dict[str, Any],
    account: str,
    share_name: str,
    path: str,
    method: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
) -> Answer:
    resources = content["resources"]
    end = f"/storageAccounts/{account}/fileServices/default/shares/{share_name}"
    share = next((each for each in resources if each.endswith(end)), None)
    if share is None:
        return storage_error(404, "ShareNotFound")
    key = f"{share}/files/{path}"
    content["log"].append([f"file {method}", key])
    parent = path.rpartition("/")[0]
    if method == "PUT" and parent and f"{share}/files/{parent}" not in resources:
        return storage_error(404, "ParentNotFound")
    if method == "PUT" and query.get("restype") == "directory":
        if key in resources:
            return storage_error(409, "ResourceAlreadyExists")
        resources[key] = {"inputs": {}, "name": path, "outputs": {}, "type": "folder"}
        return Answer(201, headers=storage_headers())
    if method == "PUT" and query.get("comp") == "rename":
        return _rename(content, share, key, headers)
    if method == "PUT" and query.get("comp") == "range":
        start = int(headers["x-ms-range"].partition("=")[2].partition("-")[0])
        text = resources[key]["text"].encode()
        return _shown(content, key, (text[:start] + body + text[start + len(body) :]).decode())
    if method == "PUT":
        return _shown(content, key, "\0" * int(headers["x-ms-content-length"]))
    if key not in resources:
        return storage_error(404, "ResourceNotFound")
    if method == "DELETE":
        del resources[key]
        return Answer(202, headers=storage_headers())
    text = str(resources[key]["text"]).encode()
    if method == "HEAD":
        return Answer(200, headers=storage_headers())
    ranges = {"Content-Range": f"bytes 0-{len(text) - 1}/{len(text)}", "Content-Type": "application/octet-stream"}
    return Answer(206, text, storage_headers() | ranges)


def _rename(content: dict[str, Any], share: str, key: str, headers: Mapping[str, str]) -> Answer:
    if content["sharing_violations"]:
        # A container that has the file open keeps it from being replaced.
        content["sharing_violations"] -= 1
        return storage_error(409, "SharingViolation")
    resources = content["resources"]
    source = unquote(urlsplit(headers["x-ms-file-rename-source"]).path).strip("/").partition("/")[2]
    if key in resources and headers.get("x-ms-file-rename-replace-if-exists") != "true":
        return storage_error(409, "ResourceAlreadyExists")
    if f"{share}/files/{source}" not in resources:
        return storage_error(404, "ResourceNotFound")
    return _shown(content, key, resources.pop(f"{share}/files/{source}")["text"], 200)


def _shown(content: dict[str, Any], key: str, text: str, status: int = 201) -> Answer:
    """Give a file a content, and take note of it: whoever reads the share may see it from now on."""
    path = key.partition("/shares/")[2].partition("/files/")[2]
    content["resources"][key] = {"inputs": {}, "name": path, "outputs": {}, "text": text, "type": "file"}
    content["shown"].append([path, text])
    return Answer(status, headers=storage_headers())
