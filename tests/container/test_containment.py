"""In the image, as its user, a file that takes over the application reaches no other file and not the worker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.acceptance.groups import PROBES
from infra.acceptance.questions import confinement
from infra.local.processes.waiting import wait_until
from tests.container.client import docker, state_of
from tests.container.conftest import Run
from tests.container.site import MOUNT, Site, ended, wait_for_end
from tests.hostile.attacks import ATTACKS, EXECUTOR, KEPT_ANYWAY, code

# What an application of this user could do to the worker's folder, wherever the kernel does not ask what it is confined
# to: change modes. The worker gets along with it.
LOCK = """
for folder in (source.parents[2], source.parents[1], source.parent):
    folder.chmod(0)
"""
# What is to be known of how an application runs.
POWERS = """
import resource
status = pathlib.Path("/proc/self/status").read_text()
shared = pathlib.Path("/dev/shm/left")
reached = {
    "powerless": "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status,
    "left": shared.exists(),
    "processes": resource.getrlimit(resource.RLIMIT_NPROC)[1],
    "user": os.getuid(),
}
shared.write_text("x")
"""


@pytest.fixture
def attacked(site: Site, tmp_path: Path) -> list[str]:
    """Have the application execute its input; return the options of a container."""
    (tmp_path / "app").write_text(f"#!/opt/venv/bin/python\n{EXECUTOR}")
    (tmp_path / "app").chmod(0o755)
    target = {"folder": "/opt", "identity": 80, "scratch": "/tmp"}
    config = {"args": ["{input}", "--output={output}", "", "{share}"], "env": {"TARGET": json.dumps(target)}}
    for name, text in (("config/runtime.json", json.dumps(config)), ("log/app.log", "what another file printed")):
        path = site.share / name
        path.parent.mkdir()
        path.write_text(text)
        # Azure Files is mounted with these rights for everybody.
        for each in (path, path.parent):
            each.chmod(0o777)
    options = site.options(
        APP_ALIAS="app",
        APP_LOG_FILE=f"{MOUNT}/log/app.log",
        APP_MAX_ATTEMPTS="1",
        APP_RUNTIME_CONFIG_FILE=f"{MOUNT}/config/runtime.json",
        PATH="/attack:/opt/venv/bin:/usr/bin:/bin",
    )
    return [*options, "--volume", f"{tmp_path / 'app'}:/attack/app"]


def test_no_attack_succeeds_and_the_next_file_is_whole(site: Site, attacked: list[str], run: Run) -> None:
    attacks = {name.replace(" ", "-").replace("'", ""): attack for name, attack in ATTACKS.items()}
    for name, attack in attacks.items():
        site.upload(f"incoming/{name}", code(attack))
    wait_for_end(run(*attacked))
    found = {}
    for name in attacks:
        receipt = site.receipt(name)
        assert (receipt.status, receipt.error, receipt.confined) == ("succeeded", None, True), (name, receipt)
        found[name] = json.loads(site.files.download_blob(f"outgoing/{name}/reached.json").readall())
    assert {name: reached for name, reached in found.items() if reached} == {}


def test_an_application_that_locks_the_workers_folders_costs_its_own_file_alone(
    site: Site, attacked: list[str], run: Run
) -> None:
    for number in range(3):
        site.upload(f"incoming/{number}-plain", b"reached = 1")
        site.upload(f"incoming/{number}-lock", code(LOCK))
    wait_for_end(run(*attacked))
    for number in range(3):
        receipt = site.receipt(f"{number}-plain")
        assert (receipt.status, receipt.error, receipt.attempt) == ("succeeded", None, 1)
        assert site.receipt(f"{number}-lock").attempt == 1


def test_an_application_has_no_powers_bounded_processes_and_finds_nothing_of_another(
    site: Site, attacked: list[str], run: Run
) -> None:
    for number in range(2):
        site.upload(f"incoming/{number}", code(POWERS))
    wait_for_end(run(*attacked))
    for number in range(2):
        found = json.loads(site.files.download_blob(f"outgoing/{number}/reached.json").readall())
        assert 4096 <= found.pop("processes") <= 4096 + 1000
        assert found == {"powerless": True, "left": False, "user": 10001}


def test_the_acceptance_command_can_ask_in_the_image_what_the_worker_would_do(run: Run) -> None:
    script = (PROBES / "confinement.py").read_text(encoding="utf-8")
    # Container Instances replaces the entry point by a group's command, and may begin in any folder.
    command = ["-c", script, confinement.CODE, "client", "127.0.0.1:80"]
    container = run("--entrypoint", "python3", "--workdir", "/", "--network", "none", command=command)
    assert wait_until(lambda: ended(container), seconds=120)
    log = docker("logs", container)
    assert state_of(container)["ExitCode"] == 0, log.stderr
    found = json.loads(log.stdout)
    assert found["confined"] == {
        "addresses": {"127.0.0.1:80": {"connect": 13, "Fast Open": 95, "Multipath TCP": 93}},
        "read": 13,
        "write": 13,
    }
    assert found["open"]["read"] == 0


@pytest.fixture
def without_landlock(attacked: list[str], tmp_path: Path) -> list[str]:
    """Return options of a container whose runtime refuses the system calls, as one that is older does."""
    calls = ["landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self"]
    rule = {"action": "SCMP_ACT_ERRNO", "errnoRet": 1, "names": calls}
    (tmp_path / "calls.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    return [*attacked, "--security-opt", f"seccomp={tmp_path / 'calls.json'}"]


def test_without_landlock_it_says_so_and_nobody_looks_into_the_worker(
    site: Site, without_landlock: list[str], run: Run
) -> None:
    attacks = {name.replace(" ", "-"): ATTACKS[name] for name in KEPT_ANYWAY} | {"write": "reached = 1"}
    for name, attack in attacks.items():
        site.upload(f"incoming/{name}", code(attack))
    log = wait_for_end(run(*without_landlock))
    assert any(line["event"] == "unconfined" for line in map(json.loads, log.splitlines()))
    found = {}
    for name in attacks:
        receipt = site.receipt(name)
        assert (receipt.status, receipt.error, receipt.confined) == ("succeeded", None, False), (name, receipt)
        found[name] = json.loads(site.files.download_blob(f"outgoing/{name}/reached.json").readall())
    assert {name: reached for name, reached in found.items() if reached} == {"write": 1}


def test_where_confinement_is_required_no_file_is_processed_without_it(
    site: Site, without_landlock: list[str], run: Run
) -> None:
    site.upload("incoming/a", b"reached = 1")
    container = run(*without_landlock, "--env", "APP_REQUIRE_CONFINEMENT=true")
    assert wait_until(lambda: ended(container), seconds=60)
    assert state_of(container)["ExitCode"] == 2
    log = docker("logs", container).stdout
    assert "The worker cannot run: The kernel" in log
    assert "pulumi config set requireConfinement false" in log
    assert site.jobs.get_queue_properties().approximate_message_count == 1
