"""What a person sees."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from infra.local.view import LiveView, PlainView, short
from infra.local.watcher import Stage, pass_on
from tests.local.fakes import Recorder


@pytest.fixture
def console() -> Console:
    """A terminal of which the text can be read."""
    return Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)


def picture(view: LiveView, console: Console) -> str:
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def test_the_plain_view_writes_each_thing_on_a_line_with_its_time() -> None:
    stream = io.StringIO()
    view = PlainView(stream)
    with view.shown():
        view.made("azure-native:storage:Queue", "jobs", 0.25)
        view.stage("incoming/a.csv", "failed", "The reason.")
        view.warn("worker-1", "look here")
        view.log("worker-1", "a line")
        view.say("Ready.")
    lines = [line.split("  ", 1)[1].strip() for line in stream.getvalue().splitlines()]
    texts = [line.lstrip("0123456789. ") for line in lines]
    assert texts == [
        "made storage.Queue jobs (0.2 s)",
        "incoming/a.csv: failed (The reason.)",
        "worker-1: WARNING: look here",
        "worker-1: a line",
        "Ready.",
    ]


def test_no_view_shows_what_only_proves_that_the_pipeline_works(console: Console) -> None:
    stream = io.StringIO()
    live = LiveView(console)
    for view in (PlainView(stream), live):
        view.stage("incoming/.pipeline-canary/1/canary.csv", "uploaded")
    assert stream.getvalue() == ""
    assert "canary" not in picture(live, console)


def test_the_live_view_shows_resources_until_there_are_files(console: Console) -> None:
    view = LiveView(console)
    view.made("azure-native:storage:Queue", "jobs[0]", 0.25)
    assert "storage.Queue jobs[0]" in picture(view, console)
    view.stage("incoming/a [1].csv", "uploaded")
    shown = picture(view, console)
    assert "storage.Queue" not in shown
    assert "incoming/a [1].csv" in shown


def test_the_live_view_shows_each_file_s_way_and_starts_it_anew_when_it_is_uploaded_again(console: Console) -> None:
    view = LiveView(console)
    stages: list[Stage] = ["uploaded", "event", "job", "processing", "failed"]
    for stage in stages:
        view.stage("incoming/a.csv", stage, "The reason." if stage == "failed" else "")
    shown = picture(view, console)
    assert shown.count("0.0 s") == 5
    assert "The reason." in shown
    view.stage("incoming/a.csv", "uploaded")
    shown = picture(view, console)
    assert shown.count("0.0 s") == 1
    assert "failed" not in shown


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("azure-native:storage:BlobContainer", "storage.BlobContainer"),
        ("docker:index/image:Image", "docker.Image"),
        ("pulumi-python:dynamic/web:OneDeploy", "web.OneDeploy"),
    ],
)
def test_tokens_are_shown_by_what_is_telling(token: str, text: str) -> None:
    assert short(token) == text


@pytest.mark.parametrize(
    ("line", "warnings", "logs"),
    [
        ("2026-11-24T06:43:15.124Z INFO claimed", [], [("w", "claimed")]),
        ("2026-11-24T06:43:15.124Z WARNING odd", [("w", "odd")], []),
        ("2026-11-24T06:43:15.124Z ERROR bad", [("w", "bad")], []),
        ("WARNING: of the application itself", [], [("w", "WARNING: of the application itself")]),
    ],
)
def test_log_lines_are_passed_on_by_their_level(
    watcher: Recorder, line: str, warnings: list[tuple[str, str]], logs: list[tuple[str, str]]
) -> None:
    pass_on(watcher, "w", line)
    assert (watcher.warnings, watcher.logs) == (warnings, logs)
