"""Whether the pipeline's own REST client works with a real token."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable

from infra.acceptance.asking import Question, Seen
from infra.acceptance.questions.roles import ASSIGNMENTS, assign, assignment_id
from infra.acceptance.site import Site
from infra.components.roles import Role
from pipeline_app.rest.endpoint import StorageError
from pipeline_app.rest.operations import list_page, message_count, put_message

CONTENT = b"a,b\n1,2\n"
FORCE_SECONDS = 900
NAME = "acceptance/a b\u00fc.csv"
QUEUE = "acceptance-rest"
ROLES = (Role.STORAGE_BLOB_DATA_CONTRIBUTOR, Role.STORAGE_QUEUE_DATA_CONTRIBUTOR)


def _ask(site: Site) -> Seen:
    account = site.output("appStorageAccountName")
    scope = f"{site.resource_group}/providers/Microsoft.Storage/storageAccounts/{account}"
    principal = str(site.claims()["oid"])
    given: list[str] = []
    site.account.make_queue(QUEUE)
    try:
        for role in ROLES:
            name = str(uuid.uuid4())
            reply = assign(site, scope, role, principal, name)
            # Whoever has it already, since an owner gave it, needs it no second time.
            if reply.code != "RoleAssignmentExists":
                reply.value(f"Giving the role {role.name}")
                given.append(name)
        steps = _steps(site)
    finally:
        site.account.drop_queue(QUEUE)
        for name in given:
            site.azure.arm("DELETE", assignment_id(scope, name), ASSIGNMENTS)
    bad = [f"{step}: {problem}" for step, problem in steps.items() if problem]
    return Seen(
        advice=(
            "Worker and function speak to storage by this client alone, with their identity's token: compare the "
            "refused request with https://learn.microsoft.com/rest/api/storageservices/."
        ),
        as_expected=not bad,
        details=dict(steps),
        text="; ".join(bad) if bad else f"{', '.join(steps)}: all went well.",
    )


def _steps(site: Site) -> dict[str, str]:
    """Do each step of a round trip; return its problem, or nothing, by its name."""
    blobs, queues = site.rest()
    container = site.account.names.container
    path = f"{container}/{NAME}"
    results: dict[str, str] = {}
    with contextlib.closing(blobs), contextlib.closing(queues):

        def put_blob() -> str:
            blobs.call("PUT", path, None, {"x-ms-blob-type": "BlockBlob"}, CONTENT)
            return ""

        def get_blob() -> str:
            return "" if blobs.call("GET", path).body == CONTENT else "the content is another one"

        def list_blobs() -> str:
            found = [each.name for each in list_page(blobs, container, "acceptance/").blobs]
            return "" if NAME in found else f"the listing has {found}"

        def delete_blob() -> str:
            blobs.call("DELETE", path)
            return ""

        def put_on_queue() -> str:
            put_message(queues, QUEUE, "<seen & done>")
            return ""

        def count_queue() -> str:
            count, _ = message_count(queues, QUEUE)
            return "" if count == 1 else f"the queue counts {count}"

        for name, step in (
            ("put", put_blob),
            ("get", get_blob),
            ("list", list_blobs),
            ("delete", delete_blob),
            ("queue put", put_on_queue),
            ("queue count", count_queue),
        ):
            results[name] = _patiently(site, step)
    return results


def _patiently(site: Site, step: Callable[[], str]) -> str:
    """Do a step, again while the role is not in force yet; return its problem, or nothing."""
    end = site.clock.now() + FORCE_SECONDS
    while True:
        try:
            return step()
        except StorageError as error:
            if error.status != 403 or site.clock.now() > end:
                return str(error)
        site.clock.sleep(10)


QUESTION = Question(
    ask=_ask,
    expected="Yes: put, get, list and delete of a blob, put and count of a queue.",
    limit_minutes=35,
    minutes=6,
    name="bearer-rest-client",
    source="https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory",
    text="Does the pipeline's own REST client work with a real token of Microsoft Entra ID?",
)
