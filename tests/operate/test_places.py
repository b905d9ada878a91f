"""Where a pipeline is: a local run's file, or a stack's outputs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.operate.places import local_place, stack_outputs, stack_place
from infra.operate.storage import OperateError
from tests.memory.operate import NAMES

NAMED = {"appStorageContainer": "pipeline-files", "inputPath": "incoming", "outputPath": "outgoing"}
LOCAL = NAMED | {"appStorageConnectionString": "AccountName=a"}


def written(folder: Path, outputs: dict[str, Any]) -> Path:
    path = folder / "outputs.json"
    path.write_text(json.dumps(outputs), encoding="utf-8")
    return path


def test_a_local_run_is_reached_by_its_connection_string_and_its_logs_are_beside_its_outputs(tmp_path: Path) -> None:
    place = local_place(written(tmp_path, LOCAL))
    assert (place.connection_string, place.names) == ("AccountName=a", NAMES)
    assert place.logs == tmp_path / "logs"


def test_no_local_run_is_told_with_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(OperateError, match=r"No local run serves .* --azure for a deployed stack"):
        local_place(tmp_path / "outputs.json")


@pytest.mark.parametrize(
    ("url", "blobs", "queues"),
    [
        (
            "https://files1.blob.core.windows.net/pipeline-files/incoming/",
            "https://files1.blob.core.windows.net",
            "https://files1.queue.core.windows.net",
        ),
        (
            "https://files1.blob.core.chinacloudapi.cn/pipeline-files/incoming/",
            "https://files1.blob.core.chinacloudapi.cn",
            "https://files1.queue.core.chinacloudapi.cn",
        ),
    ],
)
def test_a_stack_is_reached_by_identity_at_the_endpoints_of_its_cloud(url: str, blobs: str, queues: str) -> None:
    place = stack_place(NAMED | {"uploadUrl": url}, "dev")
    assert (place.blob_endpoint, place.queue_endpoint) == (blobs, queues)
    assert (place.connection_string, place.logs, place.names) == (None, None, NAMES)


def test_a_stack_that_was_never_deployed_is_told() -> None:
    with pytest.raises(OperateError, match="'dev' has no appStorageContainer, inputPath, outputPath, uploadUrl"):
        stack_place({}, "dev")


def pulumi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program of the CLI's name on the PATH."""
    program = folder / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport json, os, sys\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


def test_a_stack_s_outputs_come_from_the_cli_in_the_project_s_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulumi(tmp_path, monkeypatch, "print(json.dumps({'cwd': os.getcwd(), 'arguments': sys.argv[1:]}))")
    outputs = stack_outputs("team/prod", tmp_path)
    assert outputs["cwd"] == str(tmp_path)
    assert outputs["arguments"] == ["stack", "output", "--json", "--non-interactive", "--stack", "team/prod"]


def test_what_the_cli_refuses_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi(tmp_path, monkeypatch, "sys.exit('error: no stack named prod found')")
    with pytest.raises(OperateError, match="--stack prod' failed: error: no stack named prod found"):
        stack_outputs("prod", tmp_path)


def test_whoever_is_not_signed_in_to_pulumi_is_told_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are those of Pulumi 3.272 where nothing is set and nobody has signed in."""
    said = "error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions"
    pulumi(tmp_path, monkeypatch, f"sys.exit('{said}')")
    with pytest.raises(OperateError, match=f"{said} Run 'pulumi login' first"):
        stack_outputs("prod", tmp_path)


def test_a_missing_cli_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(OperateError, match="'make pulumi'"):
        stack_outputs("dev", tmp_path)
