"""The sample application, installed once for all tests."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from infra.local.services.images import CACHE as CACHE_FOLDER
from infra.local.services.images import network_settings

ROOT = Path(__file__).parents[2] / "pipeline_app"
INPUTS = sorted((ROOT / "sample_inputs").rglob("*.csv"))
SETTINGS = {
    "APP_ALIAS": "csvreport",
    "APP_FILE": "csvreport",
    "APP_INSTALLER_FILE": "install.sh",
    "APP_SETUP_ARGS": "",
    "PATH": "/usr/bin:/bin",
    "RELEASE_VERSION": "1.4.0.dev7",
}
# As in a local run, so that the tests fetch the libraries once.
CACHE = ROOT.parent / CACHE_FOLDER


def install(
    artifact: Path, prefix: Path, *, python: str = sys.executable, **settings: str
) -> subprocess.CompletedProcess[str]:
    environment = {**network_settings(), **SETTINGS, "APP_PREFIX": str(prefix), **settings}
    command = [python, "-m", "pipeline_app.install", str(artifact)]
    return subprocess.run(command, capture_output=True, check=False, cwd=ROOT.parent, env=environment, text=True)


def copied(folder: Path) -> Path:
    """Return a copy of the artifact."""
    return Path(shutil.copytree(ROOT / "sample", folder / "artifact", ignore=shutil.ignore_patterns("__pycache__")))


def run(command: Path, config: str, *, given: Path, output: Path) -> subprocess.CompletedProcess[str]:
    """Run the command with the arguments of a config, as the worker does."""
    arguments = json.loads((ROOT / "config" / config).read_text())["args"]
    filled = [each.replace("{input}", str(given)).replace("{output}", str(output)) for each in arguments]
    return subprocess.run([str(command), *filled], capture_output=True, check=False, env={}, text=True)
