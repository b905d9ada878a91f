"""The local run with real containers in the place of processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.container.client import docker
from tests.container.conftest import PROJECT


@pytest.mark.parametrize("runner", ["containerAppsJob", "containerInstances"])
def test_the_demo_runs_in_real_containers_and_leaves_none(base_image: str, tmp_path: Path, runner: str) -> None:
    command = [sys.executable, "-m", "infra.local", "demo", "--containers", "--data", str(tmp_path / "data")]
    demo = subprocess.run(
        [*command, "--config", f"baseImage={base_image}", "--config", f"runner={runner}"],
        capture_output=True,
        check=False,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=500,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    inputs = [path for path in (PROJECT / "pipeline_app" / "sample_inputs").rglob("*") if path.is_file()]
    results = tmp_path / "data" / "results"
    assert inputs
    assert len(list(results.rglob("receipt.json"))) == len(list(results.rglob("report.html"))) == len(inputs)
    # Other tests have containers of their own at the same time; this run's have its share mounted.
    found = docker("ps", "--all", "--quiet").stdout.split()
    assert [each for each in found if str(tmp_path) in docker("inspect", each, check=False).stdout] == []
