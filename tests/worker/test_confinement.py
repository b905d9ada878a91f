"""What a keeper hands on to applications: folders, ports and powers; and that nothing of them outlasts their run."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline_app.contract import FileJob
from pipeline_app.worker import keeper_process
from pipeline_app.worker.attempt import Fetched, Outcome, Ran
from pipeline_app.worker.confinement import landlock
from pipeline_app.worker.confinement.rights import SECRET_PORTS, Network, without
from pipeline_app.worker.job import JobProcessor
from pipeline_app.worker.keepers import Keepers, NotConfined
from pipeline_app.worker.process import Keeper, StepResult
from tests.worker.probes import allowed, listening, run

from .world import INPUT, OUTPUT, World, process

pytestmark = [
    pytest.mark.skipif(landlock.version() < landlock.SIGNALS_VERSION, reason="needs Linux 6.12 or later with Landlock"),
    pytest.mark.usefixtures("adopting"),
]


def found(keeper: Keeper, folder: Path, expression: str) -> Any:
    """Return what an expression is for an application, as JSON has it."""
    result, text = run(keeper, folder, f"import json, os, socket, sys\nprint(json.dumps({expression}))")
    assert result == StepResult(error=None, exit_code=0), text
    return json.loads(text)


CONNECTS = "__import__('socket').socket().connect_ex(('127.0.0.1', {port}))"
REFUSED = 13


@pytest.mark.parametrize(
    ("network", "open_port", "closed_port"), [("full", 0, 0), ("no-metadata", 0, REFUSED), ("none", REFUSED, REFUSED)]
)
def test_what_applications_may_connect_to(tmp_path: Path, network: Network, open_port: int, closed_port: int) -> None:
    with listening() as one, listening() as two, listening() as three:
        endpoints = [f"http://127.0.0.1:{port}/metadata/identity/oauth2/token" for port in (two, three)]
        with Keeper(allowed(tmp_path, network, endpoints=endpoints)) as keeper:
            codes = [found(keeper, tmp_path, CONNECTS.format(port=port)) for port in (one, two, three)]
    assert codes == [open_port, closed_port, closed_port]


@pytest.mark.parametrize("port", [80, 2377, 32526])
def test_ports_where_azure_gives_out_secrets_are_closed(tmp_path: Path, port: int) -> None:
    assert port in SECRET_PORTS
    codes = []
    for network in ("no-metadata", "full"):
        with Keeper(allowed(tmp_path, network)) as keeper:
            codes.append(found(keeper, tmp_path, CONNECTS.format(port=port)))
    # Whether somebody listens there on this machine does not matter.
    assert codes in ([REFUSED, 111], [REFUSED, 0])


@pytest.mark.parametrize("name", ["IDENTITY_ENDPOINT", "IMDS_ENDPOINT", "MSI_ENDPOINT"])
def test_a_worker_closes_the_port_that_a_variable_names(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (world.folder / "work").mkdir(exist_ok=True)
    settings = replace(world.settings, network="no-metadata")
    codes = []
    with listening() as port:
        for value in ("", f"http://127.0.0.1:{port}/token"):
            monkeypatch.setenv(name, value)
            with Keepers(settings, settings.scratch) as keepers, keepers.place() as place:
                codes.append(found(place.keeper, world.folder, CONNECTS.format(port=port)))
    assert codes == [0, REFUSED]


def test_an_endpoint_without_a_port_has_its_schemes(tmp_path: Path) -> None:
    def closed(endpoint: str) -> tuple[int, ...] | None:
        return allowed(tmp_path, "no-metadata", endpoints=[endpoint]).closed_ports

    assert closed("https://10.0.0.4/token") == (80, 443, 2377, 32526)
    assert closed("http://10.0.0.4/token") == (80, 2377, 32526)


def test_what_is_hidden_in_a_readable_folder_is_left_out(tmp_path: Path) -> None:
    for name in ("a/secret/x", "a/open/x", "b/x"):
        (tmp_path / "programs" / name).parent.mkdir(parents=True)
        (tmp_path / "programs" / name).write_text(name)
    (tmp_path / "programs" / "b" / "way").symlink_to(tmp_path / "programs" / "a" / "secret")
    secret = tmp_path / "programs" / "a" / "secret"
    assert without(tmp_path / "programs", [secret]) == [
        str(tmp_path / "programs" / "a" / "open"),
        str(tmp_path / "programs" / "b"),
    ]
    given = allowed(tmp_path, hidden=[secret])
    with Keeper(given) as keeper:
        reads = "[os.access(p, os.R_OK) and bool(tried(p)) for p in {paths}]"
        paths = [str(tmp_path / "programs" / each) for each in ("a/open/x", "a/secret/x", "b/x", "b/way/x")]
        tried = (
            "def tried(p):\n    try:\n        return open(p).read()\n    except PermissionError:\n        return ''\n"
        )
        source = f"import os\n{tried}print({reads.format(paths=paths)})"
        _, text = run(keeper, tmp_path, source)
    assert text.strip() == "[True, False, True, False]"


def test_the_share_can_be_listed_and_read_but_for_its_log(tmp_path: Path) -> None:
    share = tmp_path / "share"
    for name in ("config/runtime.json", "logs/app.log", "model.bin"):
        (share / name).parent.mkdir(parents=True, exist_ok=True)
        (share / name).write_text(name)
    with Keeper(allowed(tmp_path, hidden=[share / "logs"])) as keeper:
        assert found(keeper, tmp_path, f"sorted(os.listdir({str(share)!r}))") == ["config", "logs", "model.bin"]
        for name, readable in (("config/runtime.json", True), ("model.bin", True), ("logs/app.log", False)):
            result, text = run(keeper, tmp_path, f"print(open({str(share / name)!r}).read())")
            assert (result.exit_code == 0) == readable, text
            assert ("PermissionError" in text) != readable


def test_an_application_has_no_powers_and_gains_none(tmp_path: Path) -> None:
    with Keeper(allowed(tmp_path)) as keeper:
        _, text = run(keeper, tmp_path, "print(open('/proc/self/status').read())")
        status = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1"
        assert int(found(keeper, tmp_path, "open('/proc/self/oom_score_adj').read()")) > 0
        assert found(keeper, tmp_path, "__import__('resource').getrlimit(4)") == [0, 0]


class Two:
    """Two files that are processed one after the other by one slot, whose stages a test calls as it likes."""

    def __init__(self, world: World) -> None:
        self.processor: JobProcessor = world.processor()
        self.world = world

    def run(self, data: bytes, name: str) -> Ran:
        self.world.upload(data, name)
        message = self.world.queue.receive(60)
        assert message is not None
        fetched = self.processor.fetch(self.processor.claim(message))  # type: ignore[arg-type]
        assert isinstance(fetched, Fetched)
        ran = self.processor.run(fetched)
        assert isinstance(ran, Ran)
        return ran


# The input is the code to run; it may leave "$2/result".
EXECUTE = '. "$1"'
FORGE = """
for f in $(cat "$NOTES/path"); do
    echo forged > "$f"; rm -f "$f"; echo forged > "$f"
done
echo of b > "$2/result"
"""


@pytest.mark.parametrize("confined", [True, False])
def test_a_receipt_tells_what_its_run_left_though_the_next_one_rewrites_it(
    world: World, confined: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES", str(world.folder / "notes"))
    if not confined:
        world.unconfine()
    world.app(EXECUTE)
    two = Two(world)
    first = two.run(b'echo of a > "$2/result"', INPUT)
    # The attacker knows where the results of the file before it lie.
    results = [path for path in first.scratch.rglob("result")]
    assert len(results) == 1
    (world.folder / "notes" / "path").write_text("\n".join(map(str, results)))
    second = two.run(FORGE.encode(), "incoming/b")
    outcome = two.processor.publish(first).outcome
    assert two.processor.publish(second).outcome is Outcome.SUCCEEDED
    if confined:
        assert outcome is Outcome.SUCCEEDED
    else:
        # What was forged is not published; the file is processed again, which costs it no attempt.
        assert outcome is Outcome.GIVEN_BACK
        (world.folder / "notes" / "path").unlink()
        assert world.process().outcome is Outcome.SUCCEEDED
    receipt = world.receipt()
    (output,) = receipt.outputs
    assert world.store.content(f"{OUTPUT}/result") == b"of a\n"
    assert (receipt.attempt, receipt.confined, output.size) == (1, confined, 5)


def test_a_run_finds_nothing_of_the_one_before(world: World) -> None:
    world.app(EXECUTE)
    world.upload(b'touch "$PWD/a" "$2/b" "$TMPDIR/c" "$HOME/d"; mkdir -p "$PWD/e/f"; chmod 0 "$PWD/e" "$TMPDIR"')
    assert world.process().outcome is Outcome.SUCCEEDED
    places = '"$PWD" "$2" "$TMPDIR" "$(dirname "$1")" "$HOME"'
    world.upload(
        f'find {places} ! -name "$(basename "$1")" ! -name found ! -type d > "$2/found"'.encode(), "incoming/b"
    )
    assert world.process().outcome is Outcome.SUCCEEDED
    assert world.store.content("outgoing/b/found") == b""


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let keepers find a kernel that has Landlock and refuses to confine."""
    source = (
        "import errno, os; from pipeline_app.worker.confinement import landlock\n"
        "def refuse(self): raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))\n"
        "landlock.Ruleset.restrict = refuse\n"
    )
    keeper = keeper_process._KEEPER.replace("from pipeline", f"\n{source}from pipeline")
    monkeypatch.setattr(keeper_process, "_KEEPER", keeper)


def test_a_kernel_that_has_landlock_and_refuses_it_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(monkeypatch)
    world.app('cp "$1" "$2/x"')
    world.upload()
    assert world.process().outcome is Outcome.SUCCEEDED
    assert world.receipt().confined is False
    assert "refuses: [Errno 7] Argument list too long" in caplog.text


def test_where_confinement_is_required_a_kernel_that_refuses_it_processes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch)
    world.settings = dataclasses.replace(world.settings, require_confinement=True)
    with pytest.raises(NotConfined, match=r"refuses: .*requireConfinement"):
        world.processor()


def test_a_keeper_that_loses_its_confinement_later_gives_the_file_back_and_ends_the_worker(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settings = dataclasses.replace(world.settings, require_confinement=True)
    world.app('kill -9 "$PPID"; sleep 60')
    world.upload()
    processor = world.processor()
    refuse(monkeypatch)
    for _ in range(2):
        message = world.queue.receive(60)
        assert message is not None
        try:
            process(processor, message)
        except NotConfined:
            break
        world.queue.clock += 600
    else:
        pytest.fail("It went on without confinement.")
    assert FileJob.decode(world.queue.messages[0].content).given_back == 1


def test_a_keeper_that_was_lost_before_its_first_application_is_replaced(world: World) -> None:
    world.app('cp "$1" "$2/x"')
    world.upload()
    world.processor()
    for keeper in psutil.Process().children():
        if keeper.status() != psutil.STATUS_ZOMBIE and "confinement.keeper" in " ".join(keeper.cmdline()):
            keeper.kill()
    assert world.process().outcome is Outcome.SUCCEEDED
    assert (world.receipt().attempt, world.receipt().confined) == (1, True)
