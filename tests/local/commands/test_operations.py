"""Looking after files while a run serves: explain, retry and backfill as a person calls them."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob import BlobSasPermissions, StandardBlobTier, generate_blob_sas
from azure.storage.queue import QueueClient

from infra.local.commands.run import PROJECT
from infra.local.processes.waiting import wait_until
from pipeline_app.contract import plain_etag
from tests.local.fakes import Eventually
from tests.local.runs import Client, Run


def call(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.local", *arguments, "--data", str(data)],
        capture_output=True,
        check=False,
        cwd=PROJECT,
        text=True,
        timeout=60,
    )


def told(run: Run, *arguments: str) -> str:
    result = call(run.data, *arguments)
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout
    return result.stdout


def upload_without_event(client: Client, name: str, content: bytes) -> str:
    """Upload an input in a way that the local Event Grid does not take for an upload; return its ETag."""
    blob = client.container.get_blob_client(f"{client.names.input_path}/{name}")
    account = blob.credential
    sas = generate_blob_sas(
        account.account_name,
        blob.container_name,
        blob.blob_name,
        account_key=account.account_key,
        expiry=datetime.now(UTC) + timedelta(hours=1),
        permission=BlobSasPermissions(create=True, write=True),
    )
    headers = {"x-ms-blob-type": "BlockBlob"}
    request = urllib.request.Request(f"{blob.url}?{sas}&comp=", content, headers, method="PUT")  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return plain_etag(answer.headers["ETag"])


def test_the_story_of_a_file_that_succeeded(run: Run, client: Client) -> None:
    etag = client.upload("folder/good one.txt", b"x")
    client.receipt("folder/good one.txt", etag)
    for name in ("folder/good one.txt", "incoming/folder/good one.txt"):
        story = told(run, "explain", name)
        assert f"'incoming/folder/good one.txt' is there: 1 bytes, version {etag}" in story
        assert "No message for it is in sight." in story
        assert "INFO claimed 'incoming/folder/good one.txt' attempt=1" in story
        assert "INFO succeeded 'incoming/folder/good one.txt' attempt=1 outputs=1" in story
        assert "'outgoing/folder/good one.txt/receipt.json' says succeeded, attempt 1" in story
        assert "Its 1 result(s) are there with the sizes that it names." in story
        assert story.rstrip().endswith("Nothing: it is done.")


def test_the_story_of_a_file_that_failed_says_why_and_what_to_do(run: Run, client: Client) -> None:
    client.receipt("bad.txt", client.upload("bad.txt", b"fail"))
    story = told(run, "explain", "bad.txt")
    assert "says failed, attempt 2" in story
    assert "The application exited with code 7" in story
    assert "the reason why" in story
    assert "then 'retry incoming/bad.txt' has the file processed again" in story


def test_a_file_that_was_never_uploaded_is_told_with_its_neighbours(run: Run, client: Client) -> None:
    client.receipt("never-mind.txt", client.upload("never-mind.txt", b"x"))
    result = call(run.data, "explain", "never-mined.txt")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "neither an input nor a receipt of 'never-mined.txt'" in result.stderr
    assert "Did you mean 'never-mind.txt'" in result.stderr


def test_a_file_that_waits_for_the_stacks_config_is_told_so_and_needs_no_retry(
    run: Run, client: Client, eventually: Eventually
) -> None:
    config = client.share / "config" / "runtime.json"
    good = config.read_text()
    config.write_text('{"args": ["{nonsense}"]}')
    try:
        etag = client.upload("waits.txt", b"x")
        eventually(lambda: "'pulumi up' puts it back" in told(run, "explain", "waits.txt"))
        assert client.find_receipt("waits.txt", etag) is None
    finally:
        config.write_text(good)
    receipt = client.receipt("waits.txt", etag)
    assert (receipt.status, receipt.attempt) == ("succeeded", 1)


def test_a_failed_file_succeeds_when_it_is_retried_after_its_cause_was_mended(run: Run, client: Client) -> None:
    etag = client.upload("mended.txt", b"mendable")
    failed = client.receipt("mended.txt", etag)
    assert failed.status == "failed"
    (client.share / "mended").touch()
    result = call(run.data, "retry", "mended.txt", "no such file.txt")
    assert result.returncode == 1
    assert "no such file.txt" in result.stderr
    assert "look at outgoing/mended.txt/receipt.json" in result.stdout
    renewed = plain_etag(client.container.get_blob_client("incoming/mended.txt").get_blob_properties().etag)
    assert renewed != etag
    assert renewed in result.stdout
    receipt = client.receipt("mended.txt", renewed)
    assert receipt.status == "succeeded"
    # Its own event brought it, and no sweep.
    assert not receipt.event_id.startswith("sweep-")


def test_names_that_cannot_be_retried_keep_no_other_from_it(run: Run, client: Client) -> None:
    etags = {}
    for name, tier in (("cool.txt", StandardBlobTier.COOL), ("cold.txt", StandardBlobTier.COLD)):
        blob = client.container.get_blob_client(f"incoming/{name}")
        etags[name] = plain_etag(blob.upload_blob(b"x", overwrite=True, standard_blob_tier=tier)["etag"])
        client.receipt(name, etags[name])
    result = call(run.data, "retry", "cool.txt", "no such 1.txt", "\udcff.txt", "no such 2.txt", "cold.txt")
    assert result.returncode == 1
    assert [line for line in result.stderr.splitlines() if "Traceback" in line] == []
    for told in ("no such 1.txt", "udcff.txt", "no such 2.txt"):
        assert told in result.stderr
    for name, etag in etags.items():
        assert f"incoming/{name} is processed again" in result.stdout
        properties = client.container.get_blob_client(f"incoming/{name}").get_blob_properties()
        assert plain_etag(properties.etag) != etag
        assert str(properties.blob_tier).lower() == name.removesuffix(".txt")
        assert client.receipt(name, plain_etag(properties.etag)).status == "succeeded"


def test_an_archived_file_is_failed_at_once_and_succeeds_when_it_is_retried_after_its_tier_was_set(
    run: Run, client: Client
) -> None:
    blob = client.container.get_blob_client("incoming/archived.txt")
    etag = plain_etag(blob.upload_blob(b"x", standard_blob_tier=StandardBlobTier.ARCHIVE)["etag"])
    receipt = client.receipt("archived.txt", etag)
    assert (receipt.status, receipt.attempt) == ("failed", 1)
    assert "it is in the archive tier" in str(receipt.error)
    assert "'retry incoming/archived.txt'" in told(run, "explain", "archived.txt")
    refused = call(run.data, "retry", "archived.txt")
    assert refused.returncode == 1
    assert "Set its tier to hot, cool or cold" in refused.stderr
    blob.set_standard_blob_tier("Cold")
    told(run, "retry", "archived.txt")
    renewed = blob.get_blob_properties()
    assert client.receipt("archived.txt", plain_etag(renewed.etag)).status == "succeeded"
    assert renewed.blob_tier == "Cold"


@pytest.mark.parametrize("held", ["receipt.json", "result.txt", "run.log"])
def test_what_holds_an_older_version_s_blob_is_told_and_a_retry_succeeds_once_it_is_ended(
    run: Run, client: Client, held: str
) -> None:
    name = f"held {held}.txt"
    client.receipt(name, client.upload(name, b"x"))
    blob = client.container.get_blob_client(f"outgoing/{name}/{held}")
    lease = blob.acquire_lease(-1)
    etag = client.upload(name, b"xx")
    if held == "receipt.json":
        assert wait_until(lambda: f"buried 'incoming/{name}'" in run.text(), 30)
    else:
        receipt = client.receipt(name, etag)
        assert (receipt.status, receipt.attempt, receipt.outputs) == ("failed", 1, ())
        assert f"'outgoing/{name}/{held}'" in str(receipt.error)
    story = told(run, "explain", name)
    way_out = f"az storage blob lease break --container-name pipeline-files --blob-name 'outgoing/{name}/{held}'"
    assert "a lease of infinite duration, which never ends by itself" in story
    assert way_out in story
    assert f"retry 'incoming/{name}'" in story
    lease.break_lease(0)
    told(run, "retry", name)
    renewed = plain_etag(client.container.get_blob_client(f"incoming/{name}").get_blob_properties().etag)
    assert client.receipt(name, renewed).status == "succeeded"


def test_a_leased_input_cannot_be_retried_and_says_why(run: Run, client: Client) -> None:
    client.receipt("leased.txt", client.upload("leased.txt", b"x"))
    lease = client.container.get_blob_client("incoming/leased.txt").acquire_lease(-1)
    refused = call(run.data, "retry", "leased.txt")
    assert refused.returncode == 1
    assert "'incoming/leased.txt' cannot become a new version" in refused.stderr
    assert "az storage blob lease break" in refused.stderr
    lease.break_lease(0)
    told(run, "retry", "leased.txt")


@pytest.mark.parametrize("command", ["explain", "retry"])
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a\\b.csv", "it has a backslash"),
        ("b.csv.", "a part that ends in a dot"),
        ("../b.csv", "'.' or '..' between slashes"),
        ("b\x07.csv", r"the character '\x07'"),
        ("b" * 1100, "it has 1100 characters, more than 1024"),
    ],
)
def test_a_name_that_azure_refuses_is_told_with_what_is_wrong(run: Run, command: str, name: str, problem: str) -> None:
    refused = call(run.data, command, name)
    assert refused.returncode == 1
    assert problem in refused.stderr
    assert "So there is no such file." in refused.stderr
    assert "Bad Request" not in refused.stderr


def test_an_append_blob_is_processed_when_it_has_rested(run: Run, client: Client) -> None:
    blob = client.container.get_blob_client("incoming/shipped.log")
    blob.create_append_blob()
    for _ in range(3):
        blob.append_block(b"line\n")
    etag = plain_etag(blob.get_blob_properties().etag)
    assert "of the type AppendBlob" in told(run, "explain", "shipped.log")
    # The sweep waits for two minutes; a person need not.
    assert "Queued incoming/shipped.log" in told(run, "backfill")
    receipt = client.receipt("shipped.log", etag)
    assert (receipt.status, receipt.input.size) == ("succeeded", 15)


def test_a_file_whose_event_was_dropped_is_processed_by_a_backfill_and_nothing_else_is_queued(
    run: Run, client: Client
) -> None:
    client.receipt("there.txt", client.upload("there.txt", b"x"))
    etag = upload_without_event(client, "dropped.txt", b"x")
    story = told(run, "explain", "dropped.txt")
    assert "No message for it is in sight." in story
    assert "its event is on the way" in story
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert told(run, "backfill", "--since", tomorrow).splitlines() == ["0 input(s) without a receipt were queued."]
    assert client.find_receipt("dropped.txt", etag) is None
    assert told(run, "backfill").splitlines() == [
        "Queued incoming/dropped.txt",
        "1 input(s) without a receipt were queued.",
    ]
    receipt = client.receipt("dropped.txt", etag)
    assert receipt.status == "succeeded"
    assert receipt.event_id.startswith("backfill-")
    assert told(run, "backfill").splitlines() == ["0 input(s) without a receipt were queued."]


def test_a_job_that_nobody_can_read_is_found_in_the_poison_queue(run: Run, client: Client) -> None:
    etag = upload_without_event(client, "unreadable.txt", b"x")
    text = run.ready()["appStorageConnectionString"]
    with (
        QueueClient.from_connection_string(text, "jobs") as jobs,
        QueueClient.from_connection_string(text, "jobs-poison") as poison,
    ):
        jobs.send_message('{"version": 99, "name": "incoming/unreadable.txt"}')
        # Messages of other tests may be there already.
        assert wait_until(lambda: any("unreadable" in each.content for each in poison.peek_messages(32)), 30)
    assert "Look at the message in 'jobs-poison'" in told(run, "explain", "unreadable.txt")
    assert client.find_receipt("unreadable.txt", etag) is None


def test_a_time_that_is_none_is_refused(run: Run) -> None:
    result = call(run.data, "backfill", "--since", "yesterday")
    assert result.returncode == 2
    assert "'yesterday' is no time" in result.stderr


@pytest.mark.parametrize("arguments", [("explain", "a"), ("retry", "a"), ("backfill",)])
def test_without_a_run_each_command_says_how_to_start_one(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = call(tmp_path / "nothing", *arguments)
    assert result.returncode == 1
    assert "No local run serves" in result.stderr
    assert not (tmp_path / "nothing").exists()
