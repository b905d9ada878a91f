"""The command-line client of the Docker engine."""

from __future__ import annotations

import json
import subprocess


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a docker command and return its output."""
    answer = subprocess.run(["docker", *arguments], capture_output=True, check=False, text=True, timeout=600)
    assert answer.returncode == 0 or not check, f"docker {' '.join(arguments)}:\n{answer.stdout}\n{answer.stderr}"
    return answer


def state_of(container: str) -> dict[str, object]:
    """Return what the engine knows of a container's state."""
    state: dict[str, object] = json.loads(docker("inspect", "--format", "{{json .State}}", container).stdout)
    return state
