"""What a person sees."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from infra.local.watching.view import LiveView, PlainView, short
from infra.local.watching.watcher import Stage, pass_on
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


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 24), (120, 30), (40, 10), (80, 5), (30, 24)])
@pytest.mark.parametrize("count", [3, 20, 300])
def test_the_live_view_fits_any_terminal_and_shows_the_newest_files_last(width: int, height: int, count: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None)
    view = LiveView(console)
    for number in range(1, count + 1):
        name = f"incoming/a-folder-with-a-long-name/数据-{number:03}.csv"
        for stage in ("uploaded", "event", "job", "processing", *(["failed"] if number % 3 == 0 else [])):
            view.stage(name, stage, "A reason. " * 20 if stage == "failed" else "")  # type: ignore[arg-type]
        view.log("worker-1", "a line that is longer than the terminal is wide, by far, " * 3)
    lines = picture(view, console).splitlines()
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    files = [line for line in lines if ".csv" in line]
    if height > 5:
        # A name may be cut, but not its end, as long as there is any room.
        assert f"{count:03}.csv" in files[-1]
        hidden = count - len(files)
        assert any(line.startswith(f"{hidden} earlier: ") for line in lines) == (hidden > 0)
    if (width, height, count) == (80, 24, 20):
        # Five of the lines are those that the parts wrote, and two are the heading and the count.
        assert len(files) == 16
        assert lines[0] == "4 earlier: 1 failed, 3 under way"


def test_no_view_sends_a_terminal_what_it_would_obey(console: Console) -> None:
    evil = "\x1b[2J\x1b]0;pwned\x07\u202e\rover"
    stream = io.StringIO()
    live = LiveView(console)
    with console.capture() as capture:
        for view in (PlainView(stream), live):
            view.stage(f"incoming/{evil}", "failed", evil)
            view.log("worker-1", evil)
            view.warn("worker-1", evil)
            view.say(evil)
            view.made("a:b:c", evil, 0.1)
    assert not set("\x1b\x07\u202e\r") & set(stream.getvalue() + capture.get() + picture(live, console))
    assert "x1b[2J" in picture(live, console)


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
        # What the worker writes, and what the function's host writes of an event.
        ('{"level": "INFO", "event": "claimed", "text": "claimed"}', [], [("w", "claimed")]),
        (
            '{"level": "ERROR", "event": "log", "text": "bad", "traceback": "T\\n| x"}',
            [("w", "bad")],
            [("w", "  T"), ("w", "  | x")],
        ),
        ('2026-11-24T06:43:15.124Z WARNING {"event": "ignored", "text": "odd\\r\\u001b"}', [("w", "odd\\r\\x1b")], []),
        ('{"event": "of somebody else"}', [], [("w", '{"event": "of somebody else"}')]),
    ],
)
def test_log_lines_are_passed_on_by_their_level(
    watcher: Recorder, line: str, warnings: list[tuple[str, str]], logs: list[tuple[str, str]]
) -> None:
    pass_on(watcher, "w", line)
    assert (watcher.warnings, watcher.logs) == (warnings, logs)
