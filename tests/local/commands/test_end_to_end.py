"""The whole pipeline on this machine, seen by a client of the storage account alone."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from pathlib import Path

import psutil
import pytest

from infra.local.processes.waiting import wait_until
from pipeline_app.contract import Receipt
from tests.local.fakes import Eventually
from tests.local.runs import Client, Run, leftovers, may_mount

MEBIBYTE = 2**20


def check_outputs(client: Client, receipt: Receipt) -> None:
    """See that every result that a receipt names is there, in full, below the input's output folder."""
    directory = client.names.output_directory(receipt.input.name)
    for output in receipt.outputs:
        content = client.read(output.name)
        assert output.name.startswith(f"{directory}/")
        assert (len(content), hashlib.sha256(content).hexdigest()) == (output.size, output.sha256)


@pytest.mark.parametrize(
    "name",
    [
        "plain.csv",
        "folder/in a folder.csv",
        "ünïcødé/日本語 🙂.csv",
        "percent%2Fslash%20.csv",
        "hash#mark.csv",
        "plus+plus.csv",
        "quotes \" and '.csv",
        "question?and&equals=.csv",
        "long/" + "n" * 895,
    ],
    ids=lambda name: ascii(name[:20]),
)
def test_any_name_gets_its_receipt_and_results(client: Client, name: str) -> None:
    content = f"content of {name}".encode()
    receipt = client.receipt(name, client.upload(name, content))
    assert receipt.status == "succeeded"
    assert receipt.error is None
    assert receipt.input.name == f"incoming/{name}"
    assert receipt.input.size == len(content)
    assert receipt.input.sha256 == hashlib.sha256(content).hexdigest()
    assert [output.name.rsplit("/", 1)[1] for output in receipt.outputs] == ["result.txt"]
    check_outputs(client, receipt)
    assert client.read(receipt.outputs[0].name).decode() == f"{len(content)} {receipt.input.sha256}"


@pytest.mark.parametrize("size", [0, 200 * MEBIBYTE], ids=["empty", "200 MiB"])
def test_any_size_gets_its_receipt_and_results(client: Client, size: int) -> None:
    content = os.urandom(MEBIBYTE) * (size // MEBIBYTE)
    receipt = client.receipt("sized.bin", client.upload("sized.bin", content))
    assert receipt.status == "succeeded"
    assert receipt.input.size == size
    assert receipt.input.sha256 == hashlib.sha256(content).hexdigest()
    check_outputs(client, receipt)


def test_a_failing_application_gets_a_failed_receipt_with_its_exit_code_and_log(client: Client) -> None:
    receipt = client.receipt("fails.txt", client.upload("fails.txt", b"fail"))
    assert (receipt.status, receipt.exit_code, receipt.outputs) == ("failed", 7, ())
    assert receipt.error
    assert b"the reason why" in client.read(client.names.log_name("incoming/fails.txt"))


def test_a_hanging_application_is_ended_with_its_children_and_gets_a_failed_receipt(run: Run, client: Client) -> None:
    receipt = client.receipt("hangs.txt", client.upload("hangs.txt", b"hang"))
    assert receipt.status == "failed"
    assert receipt.error
    assert "3 seconds" in receipt.error
    assert not [line for line in leftovers(run.data) if "sleep" in line]


def test_an_application_that_writes_nothing_gets_a_receipt_without_outputs(client: Client) -> None:
    receipt = client.receipt("silent.txt", client.upload("silent.txt", b"silent"))
    assert receipt.exit_code == 0
    assert receipt.outputs == ()


def test_a_tree_of_folders_keeps_its_shape(client: Client) -> None:
    receipt = client.receipt("tree.txt", client.upload("tree.txt", b"tree"))
    names = {output.name.removeprefix("outgoing/tree.txt/") for output in receipt.outputs}
    assert names == {"a/b/c.txt", "a/d.txt", "ü #+%2F.txt"}
    check_outputs(client, receipt)


def test_an_overwritten_input_gets_a_new_receipt(client: Client) -> None:
    receipts = [client.receipt("twice.txt", client.upload("twice.txt", content)) for content in (b"one", b"three")]
    assert [receipt.input.size for receipt in receipts] == [3, 5]


def test_many_files_at_once_each_get_one_receipt(client: Client) -> None:
    etags = {f"many/{number}.txt": client.upload(f"many/{number}.txt", str(number).encode()) for number in range(20)}
    receipts = [client.receipt(name, etag) for name, etag in etags.items()]
    assert {receipt.input.name for receipt in receipts} == {f"incoming/{name}" for name in etags}
    assert {receipt.status for receipt in receipts} == {"succeeded"}


def test_an_event_that_is_ignored_makes_no_job_and_one_that_is_not_does(
    run: Run, client: Client, eventually: Eventually
) -> None:
    client.container.get_blob_client("incoming/appended.log").create_append_blob()
    client.receipt("put.csv", client.upload("put.csv", b"x"))
    eventually(lambda: "incoming/put.csv: job" in run.text())
    eventually(lambda: "Ignored an event" in run.text())
    assert "incoming/appended.log: event" in run.text()
    assert "incoming/appended.log: job" not in run.text()


@pytest.mark.parametrize("kind", ["lease", "snapshot"])
def test_what_somebody_did_to_old_results_does_not_keep_a_new_version_out(client: Client, kind: str) -> None:
    name, directory = f"{kind}.txt", f"outgoing/{kind}.txt"
    client.receipt(name, client.upload(name, b"tree"))
    for each in [blob.name for blob in client.container.list_blobs(name_starts_with=f"{directory}/")]:
        blob = client.container.get_blob_client(each)
        if kind == "snapshot":
            blob.create_snapshot()
        elif each.endswith(("/run.log", "/receipt.json")):
            blob.acquire_lease(15)
    receipt = client.receipt(name, client.upload(name, b"new content"))
    assert (receipt.status, receipt.attempt, receipt.warning) == ("succeeded", 1, None)
    check_outputs(client, receipt)
    there = sorted(blob.name for blob in client.container.list_blobs(name_starts_with=f"{directory}/"))
    assert there == [f"{directory}/receipt.json", f"{directory}/result.txt", f"{directory}/run.log"]


def test_a_lease_for_ever_ends_a_new_version_without_a_run_and_says_how_to_end_it(
    run: Run, client: Client, eventually: Eventually
) -> None:
    leases = []
    for name, held in (("held-log.txt", "run.log"), ("held-receipt.txt", "receipt.json")):
        client.receipt(name, client.upload(name, b"x"))
        leases.append(client.container.get_blob_client(f"outgoing/{name}/{held}").acquire_lease(-1))
    receipt = client.receipt("held-log.txt", client.upload("held-log.txt", b"new"))
    assert receipt.status == "failed"
    assert receipt.error
    assert "'outgoing/held-log.txt/run.log'" in receipt.error
    assert "az storage blob lease break" in receipt.error
    client.upload("held-receipt.txt", b"new")
    buried = "buried 'incoming/held-receipt.txt' attempt=1 in the poison queue"
    eventually(lambda: buried in run.text())
    log = (client.share / "logs" / "app.log").read_text()
    assert buried in log
    # The application says what it was told to do, each time it runs.
    attempts = [part for part in log.split("[pipeline] ") if part.startswith("'incoming/held-")]
    assert sum("told to" in attempt for attempt in attempts) == 2
    for lease in leases:
        lease.break_lease(0)
    for name in ("held-log.txt", "held-receipt.txt"):
        assert client.receipt(name, client.upload(name, b"newer")).status == "succeeded"


def test_no_terminal_obeys_a_log_on_the_share(client: Client) -> None:
    name = "\u202egpj.txt"
    assert client.receipt(name, client.upload(name, b"escape")).status == "succeeded"
    said = (client.share / "logs" / "app.log").read_bytes()
    assert b"\x1b" not in said
    assert "\u202e".encode() not in said
    assert rb"\x1b[31mred" in said
    log = client.read(client.names.log_name(f"incoming/{name}"))
    assert b"\x1b" not in log
    assert b"\n| \\x1b[31mred\n| \\x1b]0;title\\x07\n" in log


def test_what_is_not_below_the_input_path_is_left_alone(client: Client) -> None:
    client.container.upload_blob("incoming.txt", b"x", overwrite=True)
    client.container.upload_blob("elsewhere/incoming/x.txt", b"x", overwrite=True)
    client.receipt("after.txt", client.upload("after.txt", b"x"))
    outputs = {blob.name for blob in client.container.list_blobs(name_starts_with="outgoing/")}
    assert not [name for name in outputs if "incoming" in name]


def test_outputs_never_become_inputs(client: Client) -> None:
    client.receipt("once.txt", client.upload("once.txt", b"x"))
    names = {blob.name for blob in client.container.list_blobs()}
    assert not [name for name in names if name.startswith("outgoing/outgoing") or "receipt.json/" in name]


def test_a_config_that_somebody_wrote_over_on_the_share_runs_for_no_file_and_fails_none(
    run: Run, client: Client, eventually: Eventually
) -> None:
    path = client.share / "config" / "runtime.json"
    before = path.read_text()
    config = json.loads(before)
    path.write_text(json.dumps(config | {"args": [*config["args"], "the new argument"]}))
    try:
        etag = client.upload("edited.txt", b"x")
        log = run.data / "logs" / "worker-1.log"
        eventually(lambda: "runtime.json is not the one that this stack put there" in log.read_text(encoding="utf-8"))
        assert client.find_receipt("edited.txt", etag) is None
    finally:
        path.write_text(before)
    receipt = client.receipt("edited.txt", etag)
    assert (receipt.status, receipt.attempt) == ("succeeded", 1)
    assert b"the new argument" not in client.read("outgoing/edited.txt/run.log")


def test_an_application_cannot_write_where_it_is_installed_as_in_the_image(run: Run, client: Client) -> None:
    receipt = client.receipt("prefix.txt", client.upload("prefix.txt", b"prefix"))
    assert receipt.status == "failed"
    assert re.search("Permission denied|Read-only file system", str(receipt.log_tail))
    assert list(run.data.glob("images/*/opt/app/bin/*")) == [next(run.data.glob("images/*/opt/app/bin/obedient"))]


@pytest.mark.skipif(not may_mount(), reason="This machine lets nobody mount for a process alone; elsewhere it does.")
def test_a_copy_of_what_is_installed_can_be_written_to_as_in_the_image(client: Client) -> None:
    receipt = client.receipt("copy.txt", client.upload("copy.txt", b"copy"))
    assert receipt.status == "succeeded", receipt.log_tail
    check_outputs(client, receipt)


def worker_is_gone(run: Run) -> bool:
    return "worker-1" not in run.children()


def test_an_idle_worker_ends_and_the_next_upload_starts_it(run: Run, client: Client, eventually: Eventually) -> None:
    eventually(lambda: worker_is_gone(run))
    receipt = client.receipt("wakes.txt", client.upload("wakes.txt", b"x"))
    assert receipt.status == "succeeded"


def kill_main(process: psutil.Process) -> None:
    """Kill what the launcher started, as a crash would."""
    for child in process.children():
        child.kill()


def test_a_killed_worker_costs_a_run_and_not_the_file(run: Run, client: Client, eventually: Eventually) -> None:
    etag = client.upload("killed.txt", b"hang")
    eventually(lambda: any("sleep" in line for line in leftovers(run.data)))
    client.upload("waits.txt", b"x")
    kill_main(run.children()["worker-1"])
    assert wait_until(lambda: not [line for line in leftovers(run.data) if "sleep" in line], 5)
    receipt = client.receipt("killed.txt", etag)
    # It failed by itself as often as any file may, whatever became of the run before.
    assert receipt.attempt == 3
    assert "3 seconds" in str(receipt.error)


def test_a_killed_function_host_comes_back(run: Run, client: Client, eventually: Eventually) -> None:
    name = next(name for name in run.children() if name.startswith("function"))
    before = run.children()[name].pid
    kill_main(run.children()[name])
    eventually(lambda: name in run.children() and run.children()[name].pid != before)
    receipt = client.receipt("after-host.txt", client.upload("after-host.txt", b"x"))
    assert receipt.status == "succeeded"


def test_the_outputs_tell_a_client_all_it_needs_and_are_for_the_owner_alone(run: Run) -> None:
    outputs = run.ready()
    wanted = {"appStorageConnectionString", "appStorageContainer", "inputPath", "outputPath", "shareDirectory"}
    assert wanted <= set(outputs)
    assert (run.data / "outputs.json").stat().st_mode & 0o077 == 0


def test_all_that_a_run_makes_is_for_its_user_alone(run: Run, client: Client) -> None:
    client.receipt("private", client.upload("private", b"1"))
    # What is unzipped or installed has modes of its own, in folders that let nobody else in.
    given = {"artifact", "function", "images"}
    made = [path for path in run.data.rglob("*") if path.relative_to(run.data).parts[0] not in given]
    assert {path.name for path in made} >= {"app.log", "secret", "worker-1.log", "runtime.json"}
    assert [str(path) for path in [run.data, *made] if path.lstat().st_mode & 0o077] == []
    assert stat.S_IMODE((run.data / "images").stat().st_mode) == 0o700


def test_no_key_or_signature_is_in_a_log(run: Run) -> None:
    key = run.ready()["appStorageConnectionString"].split("AccountKey=")[1].split(";")[0]
    for log in (run.data / "logs").iterdir():
        text = log.read_text(errors="replace")
        assert key not in text, log
        assert "sig=" not in text.replace("sig=…", ""), log


def test_share_folder_holds_the_application_s_log(client: Client) -> None:
    client.receipt("logged.txt", client.upload("logged.txt", b"x"))
    assert Path(client.share / "logs" / "app.log").exists()
