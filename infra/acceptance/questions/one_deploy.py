"""What OneDeploy answers, where it says to look, and how that ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from azure.storage.blob import BlobSasPermissions, generate_blob_sas

from infra.acceptance.asking import NotAnswered, Question, Seen
from infra.acceptance.azure import Reply
from infra.acceptance.site import APP, Site

BLOB = "azure-native:storage:Blob"
FUNCTIONS = frozenset({"dispatch", "sweep"})
END_SECONDS = 900
PACKAGE = "function-package"
SUCCESS = 4
UNFINISHED = frozenset({-1, 0, 1, 2})
VERSION = "2024-04-01"


def _ask(site: Site) -> Seen:
    app = str(site.resource(APP)["id"])
    body = {"properties": {"packageUri": _signed_package(site), "remoteBuild": False}}
    first = site.azure.arm("PUT", f"{app}/extensions/onedeploy", VERSION, body)
    if not first.ok:
        raise NotAnswered(f"OneDeploy was refused with {first.told}: {first.message}")
    location = first.headers.get("location", "")
    place = location if _is_azures(location, site) else f"{app}/deployments/latest"
    looks: list[str] = []

    def look() -> Reply | None:
        reply = site.azure.arm("GET", place, VERSION)
        status = _status(reply)
        told = f"{reply.told} status {status}"
        if not looks or looks[-1] != told:
            looks.append(told)
        # The platform may not know a deployment yet that it has accepted.
        return None if status is None or status in UNFINISHED else reply

    try:
        end = _status(site.clock.wait(look, "the deployment to end", seconds=END_SECONDS))
    except NotAnswered:
        # Where the way to look leads nowhere, that is the answer.
        end = None
    listed = site.azure.arm("GET", f"{app}/functions", VERSION).value("Listing the functions")
    names = sorted(str(each["name"]).rpartition("/")[2] for each in listed.get("value") or [])
    details = {
        "body": _shape(first.body),
        "functions": names,
        "location": location.partition("?")[0],
        "looks": looks,
        "status": first.status,
    }
    good = end == SUCCESS and set(names) >= FUNCTIONS and first.status in (200, 201, 202)
    return Seen(
        advice=(
            "Hold infra/deployer/package_deploy.py against the answers in the JSON file: it decides by them whether "
            "the code is deployed."
        ),
        as_expected=good and (bool(location) or _has_status(first)),
        details=details,
        text=(
            f"{first.status}, Location {'is there' if location else 'is missing'}, "
            f"{'with' if _has_status(first) else 'without'} a status in the body; it ended with {end} "
            f"({looks[-1]}); functions: {', '.join(names) or 'none'}."
        ),
    )


def _signed_package(site: Site) -> str:
    """Return the address of the package that is deployed, signed for half an hour of reading."""
    url = str(site.resource(BLOB, PACKAGE)["outputs"]["url"])
    parts = urlsplit(url)
    account = parts.netloc.partition(".")[0]
    container, _, blob = unquote(parts.path).lstrip("/").partition("/")
    now = datetime.now(UTC)
    signature = generate_blob_sas(
        account_key=site.account_key(account),
        account_name=account,
        blob_name=blob,
        container_name=container,
        expiry=now + timedelta(minutes=30),
        permission=BlobSasPermissions(read=True),
        protocol="https",
        start=now - timedelta(minutes=5),
    )
    return f"{url}?{signature}"


def _is_azures(location: str, site: Site) -> bool:
    """Tell whether an address may have the token: Resource Manager's, or that of the app's deployment site."""
    host = urlsplit(location).hostname or ""
    return host == urlsplit(site.azure.manager).hostname or host.endswith((".azurewebsites.net", ".azurewebsites.us"))


def _has_status(reply: Reply) -> bool:
    return _status(reply) is not None


def _shape(body: Any) -> Any:
    """Return a body without the values of its texts, among which a signed address may be."""
    if isinstance(body, dict):
        return {key: _shape(value) for key, value in sorted(body.items())}
    return body if isinstance(body, bool | int | None) else type(body).__name__


def _status(reply: Reply) -> int | None:
    body: dict[str, Any] = reply.body if isinstance(reply.body, dict) else {}
    properties = body.get("properties")
    status = (properties if isinstance(properties, dict) else body).get("status")
    return status if isinstance(status, int) and not isinstance(status, bool) else None


QUESTION = Question(
    ask=_ask,
    expected="200 to 202, a Location or a status to follow, the end status 4, and both functions listed.",
    limit_minutes=25,
    minutes=4,
    name="one-deploy",
    source="https://github.com/projectkudu/kudu/wiki/Deploying-from-a-zip-file-or-url and "
    "https://github.com/Azure/azure-dev/issues/3658 (the codes); what Flex Consumption answers is inferred",
    text="What does OneDeploy answer, has it a Location, and how does the deployment end?",
)
