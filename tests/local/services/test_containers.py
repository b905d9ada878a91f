"""Container groups as processes."""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.local.processes.supervisor import Supervisor
from infra.local.services import containers
from infra.local.services.arm import TransitioningError
from infra.local.services.containers import ContainerGroup
from infra.local.services.engines import Definition, DockerEngine, ProcessEngine
from infra.local.services.images import Image
from infra.local.services.liveness import Probe
from tests.local.fakes import Eventually, Recorder


def define(folder: Path, script: str, environment: Mapping[str, str] | None = None) -> Definition:
    image = Image(digest="00", environment={"RELEASE_VERSION": "1"}, folder=folder / "image", name="registry/app")
    return Definition(
        command=["sh", "-c", script],
        container="worker",
        environment=environment or {},
        id="/subscriptions/s/x",
        image=image,
        location="westeurope",
        mounts={"/mnt/files": folder / "share"},
        name="worker-1",
    )


def group(folder: Path, script: str, supervisor: Supervisor, watcher: Recorder) -> ContainerGroup:
    engine = ProcessEngine(folder / "containers", folder / "logs", folder)
    return ContainerGroup(define(folder, script), engine, supervisor, watcher)


def state(group: ContainerGroup) -> tuple[str, str, int | None]:
    """Return the group's state, its container's state, and its exit code."""
    properties = group.view()["properties"]
    current = properties["containers"][0]["properties"]["instanceView"]["currentState"]
    return properties["instanceView"]["state"], current["state"], current.get("exitCode")


def begin(group: ContainerGroup) -> None:
    started = group.start()
    assert started is not None
    assert started.wait(10)


@pytest.mark.parametrize(("code", "name"), [(0, "Succeeded"), (3, "Failed")])
def test_a_run_ends_in_the_state_of_its_exit_code_and_can_be_started_again(
    supervisor: Supervisor, tmp_path: Path, watcher: Recorder, eventually: Eventually, code: int, name: str
) -> None:
    made = group(tmp_path, f"while [ ! -e go ]; do sleep 0.05; done; exit {code}", supervisor, watcher)
    assert state(made) == ("Stopped", "Waiting", None)
    for _ in range(2):
        begin(made)
        assert state(made) == ("Running", "Running", None)
        assert made.start() is None
        (tmp_path / "containers" / "worker-1" / "go").touch()
        eventually(lambda: state(made) == (name, "Terminated", code))
        (tmp_path / "containers" / "worker-1" / "go").unlink()


def test_a_stop_transitions_until_the_process_has_ended(
    supervisor: Supervisor, tmp_path: Path, watcher: Recorder, eventually: Eventually
) -> None:
    script = 'trap "while [ ! -e go ]; do sleep 0.05; done; exit 0" TERM; touch up; while :; do sleep 0.05; done'
    made = group(tmp_path, script, supervisor, watcher)
    begin(made)
    home = tmp_path / "containers" / "worker-1"
    eventually((home / "up").exists)
    made.stop()
    for call in (made.start, made.stop, made.restart):
        with pytest.raises(TransitioningError):
            call()
    (home / "go").touch()
    eventually(lambda: state(made)[0] == "Stopped")
    made.stop()
    begin(made)
    assert state(made)[0] == "Running"


@pytest.mark.parametrize(("script", "name"), [("true", "Succeeded"), ("exit 3", "Failed")])
def test_a_stop_has_no_effect_on_an_ended_group(
    supervisor: Supervisor, tmp_path: Path, watcher: Recorder, eventually: Eventually, script: str, name: str
) -> None:
    made = group(tmp_path, script, supervisor, watcher)
    begin(made)
    eventually(lambda: state(made)[0] == name)
    made.stop()
    assert state(made)[0] == name
    begin(made)


def test_a_group_is_said_to_run_for_a_while_after_its_container_has_ended(
    supervisor: Supervisor, tmp_path: Path, watcher: Recorder, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "LAG_SECONDS", 3600.0)
    made = group(tmp_path, "true", supervisor, watcher)
    begin(made)
    eventually(lambda: state(made) == ("Running", "Terminated", 0))
    # It "runs already", so nothing is started.
    assert made.start() is None
    assert supervisor.running() == []
    monkeypatch.setattr(containers, "LAG_SECONDS", 0.0)
    assert state(made) == ("Succeeded", "Terminated", 0)
    begin(made)


def test_a_start_while_it_starts_is_no_conflict_and_one_while_it_restarts_is(
    supervisor: Supervisor, tmp_path: Path, watcher: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = group(tmp_path, "exec sleep 60", supervisor, watcher)
    going_on = threading.Event()
    launch = made._launch

    def slowly() -> None:
        assert going_on.wait(10)
        launch()

    monkeypatch.setattr(made, "_launch", slowly)
    started = made.start()
    assert started is not None
    assert made.start() is None
    with pytest.raises(TransitioningError):
        made.stop()
    going_on.set()
    assert started.wait(10)
    going_on.clear()
    made.restart()
    with pytest.raises(TransitioningError):
        made.start()
    going_on.set()


def test_a_restart_runs_a_new_process(
    supervisor: Supervisor, tmp_path: Path, watcher: Recorder, eventually: Eventually
) -> None:
    made = group(tmp_path, "echo $$ >> pids; exec sleep 60", supervisor, watcher)
    begin(made)
    pids = tmp_path / "containers" / "worker-1" / "pids"
    eventually(pids.exists)
    made.restart()
    eventually(lambda: len(set(pids.read_text().split())) == 2)
    eventually(lambda: state(made)[0] == "Running")
    assert len(supervisor.running()) == 1


def test_the_environment_is_the_group_s_and_the_image_s_alone(
    supervisor: Supervisor, tmp_path: Path, watcher: Recorder, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAK", "1")
    engine = ProcessEngine(tmp_path / "containers", tmp_path / "logs", tmp_path)
    definition = define(tmp_path, "env; echo end", {"APP_X": "y"})
    ContainerGroup(definition, engine, supervisor, watcher).start()
    eventually(lambda: ("worker-1", "end") in watcher.logs)
    values = dict(text.split("=", 1) for _, text in watcher.logs if "=" in text)
    assert "LEAK" not in values
    assert values["APP_X"] == "y"
    assert values["RELEASE_VERSION"] == "1"
    assert values["PATH"].startswith(str(tmp_path / "image" / "opt" / "app" / "bin"))
    assert 0 < int(values["APP_HEALTH_PORT"]) < 65536
    assert values["APP_HEALTH_ADDRESS"] == "127.0.0.1"


def test_many_starts_at_once_run_one_process(supervisor: Supervisor, tmp_path: Path, watcher: Recorder) -> None:
    made = group(tmp_path, "exec sleep 60", supervisor, watcher)
    outcomes: list[str] = []

    def start() -> None:
        try:
            done = made.start()
        except TransitioningError:
            outcomes.append("busy")
        else:
            outcomes.append("runs already" if done is None else "started")
            if done:
                done.wait(10)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("started") == 1
    assert len(supervisor.running()) == 1


def test_no_setting_s_value_is_on_docker_s_command_line(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    engine = DockerEngine("run", tmp_path / "containers", tmp_path / "logs")
    command = engine.command(define(tmp_path, "true", {"SECRET": "hush"}), 1234)
    line = " ".join(command.arguments)
    assert "hush" not in line
    assert command.environment["SECRET"] == "hush"
    assert "--env SECRET" in line
    # It is in this machine's network, so what listens everywhere could be reached from everywhere.
    assert "--network host" in line
    assert "--env APP_HEALTH_ADDRESS" in line
    assert command.environment["APP_HEALTH_ADDRESS"] == "127.0.0.1"
    assert f"--volume {tmp_path / 'share'}:/mnt/files" in line
    assert command.arguments[-4:] == ["sha256:00", "sh", "-c", "true"]


SERVE = """
import http.server, signal, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        open("asked", "a").write(self.path)
        if "slow" in sys.argv:
            time.sleep(60)
        self.send_response(int(sys.argv[2]))
        self.end_headers()
    def log_message(self, *arguments): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def probed(folder: Path, script: str, supervisor: Supervisor, watcher: Recorder) -> ContainerGroup:
    """Make a group whose probe finds out what is wrong within a second or so."""
    probe = Probe(
        failure_threshold=3,
        initial_delay_seconds=1.0,
        path="/healthz",
        period_seconds=0.1,
        port=5000,
        timeout_seconds=0.2,
    )
    (folder / "serve.py").write_text(SERVE)
    definition = dataclasses.replace(define(folder, script), probe=probe)
    return ContainerGroup(
        definition, ProcessEngine(folder / "containers", folder / "logs", folder), supervisor, watcher
    )


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ("500", 143, "answered 500, 3 times in a row"),
        ("200 slow", 143, "did not answer within 0.2 seconds, 3 times in a row"),
        ("500 deaf", 137, "answered 500"),
    ],
)
def test_a_container_that_shows_no_life_is_ended_and_can_be_started_again(
    supervisor: Supervisor,
    tmp_path: Path,
    watcher: Recorder,
    eventually: Eventually,
    arguments: str,
    code: int,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(containers, "STOP_GRACE_SECONDS", 0.5)
    script = f'exec "{sys.executable}" "{tmp_path}/serve.py" $APP_HEALTH_PORT {arguments}'
    made = probed(tmp_path, script, supervisor, watcher)
    begin(made)
    eventually(lambda: state(made) == ("Failed", "Terminated", code))
    assert any(reason in text for _, text in watcher.warnings)
    begin(made)
    assert state(made)[0] == "Running"


def test_a_container_that_is_suspended_is_ended(
    supervisor: Supervisor, tmp_path: Path, watcher: Recorder, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "STOP_GRACE_SECONDS", 0.5)
    made = probed(tmp_path, "kill -STOP $$", supervisor, watcher)
    begin(made)
    eventually(lambda: state(made)[:2] == ("Failed", "Terminated"))
    assert supervisor.running() == []


def test_a_container_that_answers_is_left_alone(
    supervisor: Supervisor, tmp_path: Path, watcher: Recorder, eventually: Eventually
) -> None:
    script = f'exec "{sys.executable}" "{tmp_path}/serve.py" $APP_HEALTH_PORT 204'
    made = probed(tmp_path, script, supervisor, watcher)
    begin(made)
    asked = tmp_path / "containers" / "worker-1" / "asked"
    eventually(lambda: asked.exists() and asked.read_text().count("/healthz") >= 5)
    assert state(made)[0] == "Running"
