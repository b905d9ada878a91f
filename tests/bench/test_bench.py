"""The benchmark measures what it says and tells what is missing; how long anything takes is not asserted here."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.bench import __main__ as bench
from tests.bench import azure_cli, curl
from tests.bench.http_calls import Account
from tests.bench.measurement import PeerMissing, Result, Target
from tests.bench.processes import PROJECT
from tests.bench.rows import row

CORES = len(os.sched_getaffinity(0))
# What each topic tells at least, as the beginnings of its measures.
MEASURES = {
    "audit": ["first pass, 10,000", "a lost event repaired, 100,000", "listing, 10,000", "memory of the sweep"],
    "executions": ["speed-up of 4 executions", "requests for each file"],
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
