"""What an identity may do in a storage account: its roles and their conditions, through real clients and the front."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from infra.components.conditions import uploader_condition, worker_condition
from infra.components.roles import Role
from infra.components.stack_roles import PROCESS_FILES, TAKE_MESSAGES, OwnRole
from infra.local.services.azurite import StorageAccount
from infra.local.services.built_in_roles import BUILT_IN, Permissions
from infra.local.services.conditions import ConditionError, parse
from infra.local.services.identity import Directory
from infra.local.services.rights import rights_in
from pipeline_app.contract import JOBS_QUEUE, RECEIPT_NAME, StorageConnection, StorageNames
from pipeline_app.rest.endpoint import StorageError
from pipeline_app.worker.azure_blobs import AzureBlobStore
from pipeline_app.worker.azure_queue import AzureJobQueue
from pipeline_app.worker.azure_storage import connect
from tests.accounts import fresh_refusals

ACCOUNT = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/testaccount"
CONTAINER = f"{ACCOUNT}/blobServices/default/containers/files"
QUEUE = f"{ACCOUNT}/queueServices/default/queues"
NAMES = StorageNames(container="files", input_path="incoming", output_path="outgoing")
ROLES = {"own-files": PROCESS_FILES, "own-messages": TAKE_MESSAGES}


@dataclass(frozen=True, kw_only=True)
class World:
    """An account that knows its identities' roles, and what opens it as an identity with some roles."""

    account: StorageAccount
    directory: Directory

    def client_of(self, name: str, *grants: tuple[str, str, str | None]) -> str:
        """Return the connection of a new identity with roles: each a scope, a role and a condition."""
        self.directory.add_identity(name, f"principal of {name}")
        for scope, role, condition in grants:
            assert self.directory.add_role(f"principal of {name}", scope, role, parse(condition) if condition else None)
        return self.account.connection_of(name)


@pytest.fixture(scope="module")
def world(account: StorageAccount) -> World:
    directory = Directory()
    for name, role in ROLES.items():
        directory.define(name, Permissions(actions=role.actions, data_actions=role.data_actions))

    def tell() -> None:
        account.guard(lambda client_id: rights_in(ACCOUNT, directory.assignments(client_id)))

    directory.on_change(tell)
    tell()
    with account.blobs() as blobs, account.queues() as queues:
        blobs.create_container("files")
        blobs.create_container("others")
        for name in (JOBS_QUEUE, "events"):
            queues.create_queue(name)
    return World(account=account, directory=directory)


@pytest.fixture(autouse=True)
def clean(world: World) -> Iterator[None]:
    """Each test begins with an input and a receipt, and may refuse what it likes."""
    with ContainerClient.from_connection_string(world.account.connection_string, "files") as files:
        for name in ("incoming/a.csv", f"outgoing/a.csv/{RECEIPT_NAME}", "incoming-not/a.csv"):
            files.upload_blob(name, b"x", overwrite=True)
        yield
    fresh_refusals()


def refused(call: Callable[[], object]) -> bool:
    """Tell whether a request is answered as one for which no role is there; any other failure is raised."""
    try:
        call()
    except HttpResponseError as error:
        if error.status_code != 403 or "AuthorizationPermissionMismatch" not in str(error):
            raise
        return True
    except StorageError as error:
        if (error.status, error.code) != (403, "AuthorizationPermissionMismatch"):
            raise
        return True
    return False


@pytest.fixture(scope="module", params=["own", "built-in"])
def worker(request: pytest.FixtureRequest, world: World) -> Iterator[tuple[AzureBlobStore, AzureJobQueue, str]]:
    """The worker's own storage, with what the stack gives it."""
    own = request.param == "own"
    text = world.client_of(
        f"worker-{request.param}",
        (
            CONTAINER,
            "own-files" if own else Role.STORAGE_BLOB_DATA_CONTRIBUTOR.value,
            worker_condition(NAMES.input_path, NAMES.output_path),
        ),
        (f"{QUEUE}/{JOBS_QUEUE}", "own-messages" if own else Role.STORAGE_QUEUE_DATA_CONTRIBUTOR.value, None),
    )
    blobs, jobs = connect(StorageConnection(connection_string=text), NAMES.container)
    yield blobs, jobs, text
    blobs.close()
    jobs.close()


def test_the_worker_does_all_of_its_work(
    worker: tuple[AzureBlobStore, AzureJobQueue, str], world: World, tmp_path: Path
) -> None:
    blobs, jobs, _ = worker
    assert blobs.head("incoming/a.csv") is not None
    assert blobs.download("incoming/a.csv", tmp_path / "a.csv").size == 1
    assert blobs.head("incoming/none.csv") is None
    assert [each.name for each in blobs.list("outgoing/a.csv/")] == [f"outgoing/a.csv/{RECEIPT_NAME}"]
    assert [each.name for each in blobs.list("incoming/a.csv")] == ["incoming/a.csv"]
    etag = blobs.put_bytes("outgoing/a.csv/run.log", b"log", expected=None, metadata={"state": "working"})
    (tmp_path / "large").write_bytes(bytes(9 * 1024 * 1024))
    blobs.put_file("outgoing/a.csv/large", tmp_path / "large", expected=None, metadata={}, writer="w")
    assert blobs.read("outgoing/a.csv/run.log", etag, 0, 3) == b"log"
    for each in list(blobs.list("outgoing/a.csv/")):
        blobs.delete(each.name, each.etag)

    with QueueClient.from_connection_string(world.account.connection_string, JOBS_QUEUE) as queue:
        queue.send_message("a job")
    message = jobs.receive(30)
    assert message is not None
    jobs.renew(message, 30)
    jobs.give_back(message, message.content, 0)
    again = jobs.receive(30)
    assert again is not None
    jobs.delete(again)
    assert jobs.is_empty()


def test_the_worker_changes_no_input_and_sees_nothing_beside_its_paths(
    worker: tuple[AzureBlobStore, AzureJobQueue, str],
) -> None:
    blobs, _, text = worker
    assert refused(lambda: blobs.put_bytes("incoming/b.csv", b"x", expected=None, metadata={}))
    assert refused(lambda: blobs.put_bytes("outgoing.csv", b"x", expected=None, metadata={}))
    assert refused(lambda: blobs.delete("incoming/a.csv", "0x1"))
    with ContainerClient.from_connection_string(text, "files") as files:
        # Paths are told apart by their letters' case, and by the slash behind them.
        for name in ("incoming-not/a.csv", "Incoming/a.csv", "incoming"):
            assert refused(files.get_blob_client(name).get_blob_properties)
        for prefix in (None, "", "incoming", "incom", "outgoing", "other/"):
            assert refused(lambda prefix=prefix: list(files.list_blobs(name_starts_with=prefix)))  # type: ignore[misc]
        assert not refused(lambda: list(files.list_blobs(name_starts_with="incoming/")))
        assert refused(files.get_blob_client("incoming/a.csv").create_snapshot)
        assert refused(lambda: files.get_blob_client("incoming/a.csv").set_blob_metadata({"a": "b"}))
        assert refused(lambda: files.get_blob_client("incoming/a.csv").acquire_lease())
    with ContainerClient.from_connection_string(text, "others") as others:
        assert refused(lambda: others.upload_blob("outgoing/a.csv", b"x"))


def test_the_worker_s_roles_reach_one_queue(worker: tuple[AzureBlobStore, AzureJobQueue, str]) -> None:
    _, _, text = worker
    with (
        QueueClient.from_connection_string(text, "events") as events,
        QueueClient.from_connection_string(text, JOBS_QUEUE) as jobs,
    ):
        assert refused(events.receive_message)
        assert refused(events.get_queue_properties)
        assert refused(lambda: events.send_message("x"))
        assert not refused(jobs.get_queue_properties)


def test_a_role_of_the_stack_s_own_deletes_and_makes_no_container_and_no_queue(world: World) -> None:
    text = world.client_of(
        "own",
        (CONTAINER, "own-files", worker_condition("incoming", "outgoing")),
        (f"{QUEUE}/jobs", "own-messages", None),
    )
    with (
        ContainerClient.from_connection_string(text, "files") as files,
        QueueClient.from_connection_string(text, "jobs") as jobs,
    ):
        for call in (files.delete_container, files.create_container, files.get_container_properties):
            assert refused(call)
        for queue_call in (jobs.clear_messages, jobs.create_queue, jobs.delete_queue):
            assert refused(queue_call)


def test_a_built_in_role_could_delete_the_container_whatever_its_condition_says(world: World) -> None:
    """So the stack makes roles of its own, and the documents say what a stack without them risks."""
    with world.account.blobs() as blobs:
        blobs.create_container("gone")
    scope = f"{ACCOUNT}/blobServices/default/containers/gone"
    text = world.client_of("b", (scope, Role.STORAGE_BLOB_DATA_CONTRIBUTOR.value, worker_condition("in", "out")))
    with ContainerClient.from_connection_string(text, "gone") as gone:
        assert not refused(gone.delete_container)


def test_whoever_uploads_changes_inputs_alone_and_reads_the_rest(world: World) -> None:
    text = world.client_of("uploader", (CONTAINER, "own-files", uploader_condition("incoming")))
    with ContainerClient.from_connection_string(text, "files", max_single_put_size=4, max_block_size=4) as files:
        files.upload_blob("incoming/mine.csv", b"in several blocks")
        files.upload_blob("incoming/mine.csv", b"one", overwrite=True)
        assert files.download_blob(f"outgoing/a.csv/{RECEIPT_NAME}").readall() == b"x"
        assert {each.name for each in files.list_blobs()} >= {"incoming/mine.csv", "incoming-not/a.csv"}
        files.delete_blob("incoming/mine.csv")
        for name in (
            f"outgoing/a.csv/{RECEIPT_NAME}",
            "outgoing/forged.csv/receipt.json",
            "incoming-not/b.csv",
            "b.csv",
        ):
            assert refused(lambda name=name: files.upload_blob(name, b"x", overwrite=True))  # type: ignore[misc]
        assert refused(lambda: files.delete_blob(f"outgoing/a.csv/{RECEIPT_NAME}"))
        assert refused(files.delete_container)


def test_an_identity_without_a_role_may_do_nothing_and_a_role_counts_once_it_is_given(world: World) -> None:
    text = world.client_of("nobody")
    with ContainerClient.from_connection_string(text, "files") as files:
        blob = files.get_blob_client("incoming/a.csv")
        assert refused(blob.get_blob_properties)
        world.directory.add_role("principal of nobody", CONTAINER, Role.STORAGE_BLOB_DATA_READER.value)
        assert not refused(blob.get_blob_properties)
        assert refused(lambda: blob.upload_blob(b"x", overwrite=True))
    with ContainerClient.from_connection_string(text, "others") as others:
        assert refused(lambda: list(others.list_blobs()))


def test_a_role_on_the_account_or_above_it_reaches_everything_in_it_and_none_beside_it(world: World) -> None:
    for name, scope in (("account", ACCOUNT), ("group", "/subscriptions/s/resourceGroups/rg")):
        text = world.client_of(name, (scope, Role.STORAGE_BLOB_DATA_OWNER.value, None))
        with ContainerClient.from_connection_string(text, f"own-{name}") as own:
            own.create_container()
            own.upload_blob("locks/host", b"")
    text = world.client_of("beside", (f"{ACCOUNT}2", Role.STORAGE_BLOB_DATA_OWNER.value, None))
    with ContainerClient.from_connection_string(text, "files") as files:
        assert refused(lambda: list(files.list_blobs()))


READS = "ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{READS} AND", "ends in the middle"),
        (f"({READS}", "where a bracket should be closed"),
        (f"{READS} {READS}", "goes on with"),
        ("", "ends in the middle"),
        ("AND", "where an expression should be"),
        ("ActionMatches{'Microsoft.Storage/everything'}", "'Microsoft.Storage/everything'"),
        ("SubOperationMatches{'Blob.Tell'}", "'Blob.Tell'"),
        ("@Resource[blobs:path] StringStartsWith 'a'", r"@Resource\[blobs:path\]"),
        (READS + "; DROP", "cannot be read from '; DROP' on"),
    ],
)
def test_a_condition_that_azure_would_refuse_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ConditionError, match=reason):
        parse(text)


def test_operators_bind_as_azure_has_them() -> None:
    a, b, c = ("SubOperationMatches{'Blob.List'}", READS, f"!{READS}")
    assert parse(f"{a} OR {b} AND NOT {c}") == [
        "any",
        ["suboperation", "Blob.List"],
        ["all", parse(b), ["not", ["not", parse(b)]]],
    ]


@pytest.mark.parametrize("role", [PROCESS_FILES, TAKE_MESSAGES], ids=lambda role: role.title)
def test_a_role_of_the_stack_s_own_allows_nothing_that_the_built_in_one_does_not(role: OwnRole) -> None:
    instead = BUILT_IN[role.instead.value]
    assert set(role.actions) < set(instead.actions)
    assert set(role.data_actions) <= set(instead.data_actions)
