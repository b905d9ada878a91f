"""The throw-away stack on the real engine: it is destroyed whatever happens, and never takes the place of another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.acceptance.pulumi_command import SessionCommand
from infra.acceptance.settings import stack_config
from infra.acceptance.stage import PulumiStage, StageOptions
from tests.engine.deployment import NewSite, Site

NAME = "throwaway"
ARGUMENTS = ["--stack", NAME, "--only", "refresh-drift"]
WAIT_SECONDS = 300


@pytest.fixture(scope="module")
def site(new_site: NewSite) -> Site:
    """A copy of the project and an empty cloud."""
    return new_site("acceptance")


def start(site: Site, *arguments: str) -> subprocess.Popen[str]:
    """Start the command in the copy, as from a terminal: in a process group of its own."""
    site.proxy.cloud = site.cloud
    return subprocess.Popen(
        [sys.executable, "-m", "infra.acceptance", *arguments],
        cwd=site.project,
        encoding="utf-8",
        env={**os.environ, **site.environment, "COLUMNS": "200"},
        start_new_session=True,
        stderr=subprocess.STDOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[str], typed: str = "") -> tuple[int, str]:
    """Type something, and return exit code and what was shown."""
    text, _ = process.communicate(typed, timeout=WAIT_SECONDS)
    return process.returncode, text


def assert_gone(site: Site) -> None:
    """See that neither the cloud nor the project has anything of the stack."""
    assert site.cloud.ids() == set()
    assert not (site.project / f"Pulumi.{NAME}.yaml").exists()
    listed = site.command.run(["stack", "ls", "--json"], str(site.project), site.environment).stdout
    assert NAME not in {each["name"] for each in json.loads(listed)}


def test_a_stack_is_deployed_asked_and_destroyed(site: Site, tmp_path: Path) -> None:
    answers, table = tmp_path / "answers.json", tmp_path / "table.md"
    code, text = finish(start(site, *ARGUMENTS, "--json", str(answers), "--markdown", str(table)), typed=f"{NAME}\n")

    record = json.loads(answers.read_text(encoding="utf-8"))
    assert [each["verdict"] for each in record["answers"]] == ["as expected"], text
    assert code == 0, text
    assert record["left"] is None
    assert "| **refresh-drift**" in table.read_text(encoding="utf-8")
    assert {operation for operation, _ in site.cloud.take_log()} >= {"created", "delete"}
    assert_gone(site)


def test_without_the_name_typed_nothing_happens(site: Site) -> None:
    site.cloud.take_log()
    code, text = finish(start(site, *ARGUMENTS), typed="no\n")

    assert code == 2
    assert "Nothing was done." in text
    assert "US dollars" in text
    # It was seen that somebody is signed in, and nothing else was asked.
    assert {operation for operation, _ in site.cloud.take_log()} <= {"sign-in"}
    assert_gone(site)


def test_a_stack_that_is_there_is_refused_before_anything(site: Site) -> None:
    site.cloud.take_log()
    site.deployment(NAME)
    # It was made on another machine, so that only the backend knows of it.
    (site.project / f"Pulumi.{NAME}.yaml").unlink()
    try:
        code, text = finish(start(site, *ARGUMENTS, "--yes"))
    finally:
        site.command.run(["stack", "rm", "--yes", NAME], str(site.project), site.environment)

    assert code == 2
    assert "exists already" in text
    assert site.cloud.take_log() == []


def test_a_deploy_that_fails_in_the_middle_is_destroyed(site: Site, tmp_path: Path) -> None:
    answers = tmp_path / "answers.json"
    site.cloud.fail_once("before", ["worker-1"])
    try:
        code, text = finish(start(site, *ARGUMENTS, "--yes", "--json", str(answers)))
    finally:
        site.cloud.fail_once(None, [])

    record = json.loads(answers.read_text(encoding="utf-8"))
    assert code == 1, text
    assert "worker-1 is not to be made now" in record["failure"]
    assert [each["verdict"] for each in record["answers"]] == ["not answered"]
    assert_gone(site)


def test_an_interrupt_of_the_deploy_ends_with_everything_destroyed(site: Site) -> None:
    site.cloud.take_log()
    process = start(site, *ARGUMENTS, "--yes")
    until(lambda: any(operation == "created" for operation, _ in site.cloud.read()["log"]))
    # A terminal sends Ctrl-C to the whole group; twice, as an impatient person does.
    os.killpg(process.pid, signal.SIGINT)
    os.killpg(process.pid, signal.SIGINT)
    code, text = finish(process)

    assert code == 130, text
    assert "It was interrupted." in text
    assert_gone(site)


def test_what_a_refresh_would_change_is_named_and_what_cannot_be_destroyed_too(site: Site) -> None:
    lines: list[str] = []
    stage = PulumiStage(options(site), lines.append)
    stage.create()
    stage.up()
    untouched = stage.drift()
    with site.cloud.open() as content:
        # Somebody deletes a queue, and puts an app of their own on the plan.
        del content["resources"][next(key for key in content["resources"] if key.endswith("/queues/jobs-poison"))]
        plan = next(key for key in content["resources"] if key.rpartition("/")[0].endswith("/serverfarms"))
        foreign = {"inputs": {"serverFarmId": plan}, "name": "foreign", "outputs": {}, "type": "foreign"}
        content["resources"]["/foreign"] = foreign
    drifted = stage.drift()
    left = stage.destroy()
    with site.cloud.open() as content:
        del content["resources"]["/foreign"]
    assert stage.destroy() is None

    assert untouched == []
    assert drifted == ["files-jobs-poison: delete"]
    assert left is not None
    assert plan in left.resources
    assert "has the app(s) foreign" in left.problem
    assert left.commands[0] == f"pulumi destroy --yes --stack {NAME}"
    assert any(command.startswith("az group delete --yes --name") for command in left.commands)
    assert_gone(site)


def options(site: Site) -> StageOptions:
    """Return the options of a stage in the site, from this process."""
    site.proxy.cloud = site.cloud
    command = SessionCommand()
    command.command = site.command.command
    return StageOptions(
        command=command,
        config=stack_config({}, site.project),
        environment=site.environment,
        name=NAME,
        pause_seconds=0,
        project=site.project,
    )


def until(condition: Callable[[], Any]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
