"""The benchmark measures what it says and tells what is missing; how long anything takes is not asserted here."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from infra.local.services.azurite import Access
from pipeline_app.contract import StorageNames
from tests.bench import __main__ as bench
from tests.bench import azure_cli, curl, report
from tests.bench.applications import Interval
from tests.bench.chart import draw
from tests.bench.http_calls import Account, Answer, Connection
from tests.bench.imports import top
from tests.bench.latency import delayed
from tests.bench.measurement import PeerMissing, Result, Row, Samples, Target, number, text_of
from tests.bench.processes import PROJECT
from tests.bench.recording import Call, recorded
from tests.bench.replay import FILE, MESSAGE, POP_RECEIPT, template
from tests.bench.small_files import span
from tests.bench.storage import Seen
from tests.bench.waiting import share

CORES = len(os.sched_getaffinity(0))
# What each topic tells at least, as the beginnings of its measures.
MEASURES = {
    "idle": ["requests of an idle worker", "its requests", "polls of the function's host", "runs of the sweep"],
    "large": ["download", "upload", "download, 30 ms away", "upload, 30 ms away", "memory of the worker"],
    "latency": ["application runs, 30 ms away", "application runs, on loopback"],
    "parallel": [f"speed-up of {CORES} {of}" for of in ("slots", "workers", "workers, 30 ms away")],
    "small": ["wall time", "processor time of the client", "wall time, 30 ms to the storage"],
    "starts": ["worker, start to first claim", "function, import", "Pulumi program under mocks"],
    "sweep": [
        "a sweep of the first pass",
        "a sweep with everything settled",
        "explain",
        "processor time of a sweep with everything settled",
        "processor time of a sweep with everything settled, 20 files, 30 ms away",
    ],
    "table": ["a report of a table", "memory of the report"],
    "upload": ["upload to claim", "upload to claim, 99th percentile", "upload to receipt"],
}


def row(*, target: Target | None = None, peer: bool = True, inverse: bool = False) -> Row:
    return Row(
        inverse=inverse,
        measure="a measure",
        ours=Samples((2.0, 4.0)),
        peer=Samples((2.0, 2.0)) if peer else None,
        peer_name="a peer",
        target=target,
        topic="a topic",
        unit="ms",
    )


@pytest.mark.parametrize("topic", MEASURES)
def test_quick_form_of_each_topic_gives_its_rows(topic: str) -> None:
    if topic == "large" and shutil.which("curl") is None:
        pytest.skip("No curl: install it, such as with 'apt-get install curl'.")
    results = bench.measure([topic], full=False, quick=True, rounds=1, say=print, with_az=False)
    rows = results[topic].rows
    for measure in MEASURES[topic]:
        assert any(each.measure.startswith(measure) for each in rows), measure
    for each in rows:
        assert all(math.isfinite(value) and value > 0 for value in each.ours.values), each.measure
        assert each.peer is None or all(value > 0 for value in each.peer.values), each.measure


def test_quick_form_of_the_image_gives_its_rows() -> None:
    result = bench.measure(["image"], full=False, quick=True, rounds=1, say=print, with_az=False)["image"]
    if result.skipped:
        pytest.skip(result.skipped[0])
    values = {each.measure: each.ours.median for each in result.rows}
    assert 0 < values["moved after a change of one line of the worker"] < values["on top of it, compressed"]


def test_missing_peer_is_told_and_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(_setting: object) -> Result:
        raise PeerMissing("There is no such peer. Install it.")

    monkeypatch.setattr(bench, "TOPICS", {**bench.TOPICS, "large": gone})
    with pytest.raises(SystemExit) as ended:
        bench.main(only=["large"], with_az=False)
    assert ended.value.code == 1
    assert "There is no such peer. Install it." in capsys.readouterr().out


def test_nothing_missing_is_success_whatever_the_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    missed = Result(rows=[row(target=Target("at most", 0.001))], skipped=["Something was left out."])
    monkeypatch.setattr(bench, "TOPICS", {**bench.TOPICS, "large": lambda _setting: missed})
    with pytest.raises(SystemExit) as ended:
        bench.main(only=["large"], with_az=False)
    assert ended.value.code == 0


def test_command_line_has_the_options_that_texts_name_and_refuses_unknown_topics() -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick", "--full", "--no-az", "--only", "nothing"]
    done = subprocess.run(command, capture_output=True, check=False, cwd=PROJECT, text=True, timeout=60)
    assert done.returncode == 2
    assert "'nothing' is none of small" in done.stderr


def test_without_curl_the_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(PeerMissing, match="no curl"):
        curl.Curl(Account("a", "a2V5", "http://127.0.0.1:1/a", "http://127.0.0.1:2/a"))


def test_azure_cli_that_cannot_be_installed_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failed = subprocess.CompletedProcess[str]([], 1, "", "no index")
    monkeypatch.setattr(azure_cli, "FOLDER", tmp_path / "azure-cli")
    monkeypatch.setattr(subprocess, "run", lambda *_arguments, **_options: failed)
    with pytest.raises(PeerMissing, match=r"no index.*--no-az"):
        azure_cli.installed(print)


def test_ratios_are_taken_round_by_round() -> None:
    assert row().ratio == Samples((1.0, 2.0))
    assert row(inverse=True).ratio == Samples((1.0, 0.5))
    assert row(peer=False).ratio is None


@pytest.mark.parametrize(
    ("target", "value", "verdict"),
    [
        (Target("at least", 0.8), 0.8, "met"),
        (Target("at least", 0.8), 0.6, "missed by 25%"),
        (Target("at most", 2.0), 2.0, "met"),
        (Target("at most", 2.0), 3.0, "missed by 50%"),
        (Target("at least", 95.0), 94.9, "missed by 0.1%"),
    ],
)
def test_verdict_says_by_how_much_a_target_is_missed(target: Target, value: float, verdict: str) -> None:
    assert target.verdict(value) == verdict


def test_target_speaks_of_the_ratio_where_there_is_a_peer() -> None:
    assert row(target=Target("at most", 3.0)).judged == Samples((1.0, 2.0))
    assert row(peer=False, target=Target("at most", 3.0)).judged == Samples((2.0, 4.0))


def test_spread_is_the_quartiles_of_enough_values() -> None:
    assert Samples((1.0, 2.0, 3.0)).spread == (1.0, 3.0)
    assert Samples((0.0, 1.0, 2.0, 3.0, 100.0)).spread == (1.0, 3.0)
    assert Samples(tuple(map(float, range(1, 201)))).percentile(99) == 198.0
    assert text_of(Samples((2.0, 4.0))) == "3 (2 to 4)"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.000206, "0.000206"), (12.345, "12.3"), (999.4, "999"), (12345.6, "12,346")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_table_and_markdown_have_every_row_and_what_is_left_out() -> None:
    results = {
        "one": Result(
            details=["a call"],
            missing=["a peer is not there"],
            rows=[row(target=Target("at most", 1.0))],
            skipped=["an engine is not there"],
        )
    }
    console = Console(record=True, width=200)
    report.show(results, console)
    for text in (console.export_text(), report.markdown(results)):
        for part in ("a measure", "a peer", "at most 1", "missed by 50%", "a call", "is not there", "an engine"):
            assert part in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "none"], "'none' is none of small, latency"),
        (["--markdown", "nowhere/table.md"], "there is no folder 'nowhere'"),
        (["--chart", "chart.gif"], "'chart.gif' ends in none of .png, .svg"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_measured(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "measure", None)
    app = typer.Typer()
    app.command()(bench.main)
    refused = CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "TERM": "dumb"})
    assert refused.exit_code == 2
    assert said in refused.output


def test_chart_has_a_bar_for_each_target(tmp_path: Path) -> None:
    rows = [row(target=Target("at most", 2.0)), row(), row(peer=False, target=Target("at least", 1.0))]
    draw(rows, tmp_path / "chart.svg")
    draw(rows, tmp_path / "chart.png")
    assert (tmp_path / "chart.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_time_counts_from_the_first_claim_to_the_last_delete() -> None:
    def seen(moment: float, method: str, path: str, status: int) -> Seen:
        return Seen(access=Access(method, f"account/{path}", {}, status), moment=moment)

    log = [
        seen(0, "PUT", "pipeline-files/incoming/a", 201),
        seen(1, "GET", "jobs/messages", 200),
        seen(2, "DELETE", "jobs/messages/1", 204),
        seen(4, "DELETE", "jobs/messages/2", 204),
        seen(8, "GET", "jobs/messages", 200),
        seen(9, "DELETE", "jobs/messages/1", 404),
    ]
    assert span(log) == 3


def test_share_is_of_the_time_between_the_first_start_and_the_last_end() -> None:
    runs = [Interval(end=2, name="a", start=1), Interval(end=5, name="b", start=3)]
    assert share(runs) == 75


def test_imports_are_summed_up_by_package() -> None:
    text = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:      2000 |       2000 | json\n"
        "import time:      1000 |       1000 |   azure.core.rest\n"
        "import time:      3000 |       4000 | azure.core\n"
    )
    assert top(text) == "imports take 6 ms under the profiler, most of it azure.core 4 ms, json 2 ms"
    with pytest.raises(ValueError, match="no report"):
        top("nothing")


def test_requests_through_the_delay_arrive_whole_and_in_order(connection_string: str) -> None:
    account = Account.parse(connection_string)
    body = os.urandom(3_000_000)
    with delayed(account, 0.02) as far:
        connection = Connection(far, far.blob)
        connection.must("PUT", "bench-delay", {"restype": "container"})
        for name in ("one", "two"):
            connection.must("PUT", f"bench-delay/{name}", headers={"x-ms-blob-type": "BlockBlob"}, body=body)
            assert connection.must("GET", f"bench-delay/{name}").body == body
        connection.must("DELETE", "bench-delay", {"restype": "container"})
        connection.close()


def test_recorded_requests_reach_the_storage_and_are_kept(connection_string: str) -> None:
    calls: list[Call] = []
    with recorded(Account.parse(connection_string), calls) as account:
        connection = Connection(account, account.blob)
        connection.must("PUT", "bench-recorded", {"restype": "container"})
        connection.must("PUT", "bench-recorded/a b", headers={"x-ms-blob-type": "BlockBlob"}, body=b"content")
        assert connection.must("GET", "bench-recorded/a b").body == b"content"
        assert connection.call("HEAD", "bench-recorded/none").status == 404
        connection.must("DELETE", "bench-recorded", {"restype": "container"})
        connection.close()
    assert [(call.method, call.path, call.answer.status) for call in calls] == [
        ("PUT", "bench-recorded", 201),
        ("PUT", "bench-recorded/a b", 201),
        ("GET", "bench-recorded/a b", 200),
        ("HEAD", "bench-recorded/none", 404),
        ("DELETE", "bench-recorded", 202),
    ]
    assert calls[1].body == b"content"
    assert "Authorization" not in calls[1].headers


def test_template_has_one_files_calls_and_no_others() -> None:
    names = StorageNames(container="c", input_path="incoming", output_path="outgoing")

    def message(number: int) -> bytes:
        text = json.dumps({"name": f"{names.input_path}/file-{number}.bin"})
        return (
            f"<QueueMessagesList><QueueMessage><MessageId>id-{number}</MessageId><MessageText>{text}</MessageText>"
            "</QueueMessage></QueueMessagesList>"
        ).encode()

    def call(method: str, path: str, answer: bytes = b"", **query: str) -> Call:
        service = "queue" if path.startswith("jobs") else "blob"
        return Call(
            answer=Answer(200, {}, answer),
            body=b"",
            headers={},
            method=method,
            path=path,
            query=query,
            service="queue" if service == "queue" else "blob",
        )

    calls = [
        call("GET", "jobs/messages", b"<QueueMessagesList/>"),
        call("GET", "jobs/messages", message(1)),
        call("GET", "c/incoming/file-1.bin"),
        call("GET", "jobs/messages", message(2)),
        call("GET", "c/incoming/file-2.bin"),
        call("DELETE", "jobs/messages/id-1", popreceipt="one"),
        call("DELETE", "jobs/messages/id-2", popreceipt="two"),
    ]
    steps = [(step.method, step.path, dict(step.query)) for step in template(calls, "file-2")]
    assert steps == [
        ("GET", "jobs/messages", {}),
        ("GET", f"c/incoming/{FILE}.bin", {}),
        ("DELETE", f"jobs/messages/{MESSAGE}", {"popreceipt": POP_RECEIPT}),
    ]
    with pytest.raises(ValueError, match="file-3"):
        template(calls, "file-3")
