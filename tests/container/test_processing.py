"""The image at work: files from Azurite, configs and log on a bind-mounted share, and the end of its time."""

from __future__ import annotations

import json

from infra.local.processes.waiting import wait_until
from pipeline_app.contract import FileJob
from tests.container.client import docker, state_of
from tests.container.conftest import PROJECT, RELEASE, Run
from tests.container.site import Site, wait_for_end


def test_it_drains_the_queue_on_a_read_only_root_and_exits_0(site: Site, run: Run) -> None:
    inputs = {path.name: path.read_bytes() for path in (PROJECT / "pipeline_app" / "sample_inputs").glob("*.csv")}
    for name, data in inputs.items():
        site.upload(f"incoming/{name}", data)
    container = run(*site.options(APP_IMAGE="registry/image@sha256:1"))
    log = wait_for_end(container)
    assert "applications are confined: Landlock" in log
    assert inputs
    for name in inputs:
        receipt = site.receipt(name)
        assert (receipt.status, receipt.release, receipt.image) == ("succeeded", RELEASE, "registry/image@sha256:1")
        assert f"outgoing/{name}/chart.svg" in {output.name for output in receipt.outputs}
        assert name in (site.share / "logs" / "app.log").read_text()
    assert site.jobs.get_queue_properties().approximate_message_count == 0


def test_an_application_that_takes_too_much_memory_costs_its_file_alone(site: Site, run: Run) -> None:
    # The engine kills the biggest process of the container, which is the application; the worker lives on.
    (site.share / "runtime.json").write_text(
        json.dumps({"args": ["-c", "import sys; exec(open(sys.argv[1]).read())", "{input}"]})
    )
    site.upload("incoming/greedy", b"x = bytearray(10**9)")
    site.upload("incoming/modest", b"x = bytearray(10**6)")
    options = site.options(APP_ALIAS="python", APP_MAX_ATTEMPTS="1")
    container = run("--memory", "256m", "--memory-swap", "256m", *options)
    wait_for_end(container)
    assert site.receipt("modest").status == "succeeded"
    greedy = site.receipt("greedy")
    assert greedy.status == "failed"
    assert greedy.error == "The application was ended by SIGKILL; it may have run out of memory."


def test_a_stop_gives_the_file_back_within_the_grace_period(site: Site, run: Run) -> None:
    (site.share / "runtime.json").write_text('{"args": ["3600"]}')
    site.upload("incoming/slow", b"")
    container = run(*site.options(APP_ALIAS="sleep"))
    assert wait_until(lambda: "claimed 'incoming/slow'" in docker("logs", container).stdout, seconds=30)
    docker("stop", "--time", "20", container)
    # 137 would say that the engine had to kill it after the grace period.
    assert state_of(container)["ExitCode"] == 0
    message = site.jobs.receive_message()
    assert message is not None
    assert FileJob.decode(message.content).given_back == 1
