"""The demo, as a person runs it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pulumi
import pytest

from infra.local.cloud.handlers import storage as handler
from infra.local.commands.demo import _uploaded
from infra.local.commands.run import PROJECT
from infra.local.services.azurite import StorageAccount
from pipeline_app.contract import StorageNames
from tests.local.runs import leftovers, obedient


def demo(data: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.local", "demo", "--data", str(data), *arguments],
        capture_output=True,
        check=False,
        cwd=PROJECT,
        env={**os.environ, **environment},
        text=True,
        timeout=120,
    )


def test_the_samples_succeed_twice_and_their_results_are_kept(tmp_path: Path) -> None:
    samples = [path for path in (PROJECT / "pipeline_app" / "sample_inputs").rglob("*") if path.is_file()]
    assert samples
    for _ in range(2):
        result = demo(tmp_path / "data")
        assert result.returncode == 0, result.stdout + result.stderr
        assert result.stdout.count("│ succeeded │") == len(samples)
    assert leftovers(tmp_path / "data") == []
    for sample in samples:
        folder = tmp_path / "data" / "results" / sample.relative_to(PROJECT / "pipeline_app" / "sample_inputs")
        receipt = json.loads((folder / "receipt.json").read_text())
        assert receipt["status"] == "succeeded"
        assert (folder / "run.log").exists()
        for output in receipt["outputs"]:
            assert (folder / output["name"].split(f"{sample.name}/", 1)[1]).stat().st_size == output["size"]


def test_one_failed_file_fails_the_demo_and_the_reason_is_shown(tmp_path: Path) -> None:
    config = [item for pair in obedient(tmp_path) for item in ("-c", pair)]
    good, bad = tmp_path / "good file.txt", tmp_path / "bad.txt"
    good.write_text("x")
    bad.write_text("fail")
    result = demo(tmp_path / "data", *config, str(good), str(bad))
    assert result.returncode == 1, result.stdout
    assert "incoming/bad.txt: The application exited with code 7" in result.stdout
    assert "incoming/bad.txt: The application's last words were: the reason why" in result.stdout
    assert (tmp_path / "data" / "results" / "good file.txt" / "result.txt").read_text().startswith("1 ")
    assert (tmp_path / "data" / "results" / "bad.txt" / "run.log").exists()


def test_a_file_that_cannot_be_uploaded_fails_the_demo_and_the_others_are_processed(tmp_path: Path) -> None:
    config = [item for pair in obedient(tmp_path) for item in ("-c", pair)]
    refused, good = tmp_path / "ends in a dot.", tmp_path / "good.txt"
    for path in (refused, good):
        path.write_text("x")
    result = demo(tmp_path / "data", *config, str(refused), str(good))
    assert result.returncode == 1, result.stdout
    assert "not uploaded" in result.stdout
    assert "it has a part that ends in a dot" in result.stdout
    assert (tmp_path / "data" / "results" / "good.txt" / "result.txt").read_text().startswith("1 ")


def test_a_leased_input_is_told_with_the_way_out_and_the_others_are_uploaded(
    account: StorageAccount, tmp_path: Path
) -> None:
    files = [(tmp_path / name, name) for name in ("held.txt", "free.txt")]
    for path, _ in files:
        path.write_text("x")
    with account.blobs() as service:
        names = StorageNames(container="demo", input_path="incoming", output_path="outgoing")
        container = service.create_container(names.container)
        container.upload_blob("incoming/held.txt", b"").acquire_lease(-1)
        uploads, refused = _uploaded(container, files, names, tmp_path)
    assert [upload.name for upload in uploads] == ["incoming/free.txt"]
    problem = refused["incoming/held.txt"].problem or ""
    assert "infinite duration" in problem
    assert "az storage blob lease break --container-name demo --blob-name incoming/held.txt" in problem


def test_what_the_stack_puts_up_is_put_up_again_over_a_lease(
    account: StorageAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "_owner", lambda *_: account)
    source = tmp_path / "package.zip"
    with account.blobs() as service:
        service.create_container("packages")
        inputs = {"containerName": "packages", "source": pulumi.FileAsset(str(source))}
        declared = Mock(inputs=inputs, title="package")
        declared.name = "package.zip"
        client = service.get_blob_client("packages", "package.zip")
        for content, seconds in ((b"1", -1), (b"2", 15), (b"3", 15)):
            source.write_bytes(content)
            handler.blob(Mock(), declared)
            assert client.download_blob().readall() == content
            client.acquire_lease(seconds)


def test_files_of_one_name_are_refused_before_anything_starts(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_text("x")
    result = demo(tmp_path / "data", str(tmp_path / "one" / "a.csv"), str(tmp_path / "two" / "a.csv"))
    assert result.returncode == 2
    assert "Several files are called 'a.csv'" in " ".join(result.stderr.split())
    assert not (tmp_path / "data").exists()


def test_no_proxy_of_the_environment_stands_between_the_parts(tmp_path: Path) -> None:
    config = [item for pair in obedient(tmp_path) for item in ("-c", pair)]
    good = tmp_path / "good.txt"
    good.write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        address = f"127.0.0.1:{proxy.getsockname()[1]}"
        proxies = {"HTTP_PROXY": f"http://{address}", "HTTPS_PROXY": f"http://{address}"}
        proxies |= {name.lower(): value for name, value in proxies.items()} | {"ALL_PROXY": f"socks5://{address}"}
        result = demo(tmp_path / "data", *config, str(good), **proxies, NO_PROXY="", no_proxy="")
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_demo_that_is_out_of_time_fails(tmp_path: Path) -> None:
    config = [item for pair in obedient(tmp_path) for item in ("-c", pair)]
    slow = tmp_path / "slow.txt"
    slow.write_text("slow")
    result = demo(tmp_path / "data", *config, "--timeout", "1", str(slow))
    assert result.returncode == 1
    assert "no receipt in time" in result.stdout


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("slots", "'slots' is no KEY=VALUE"),
        ("artifactCache=/somewhere", "a local run unpacks the artifact in its --data folder. Leave it out."),
        ("file-processing-pipeline:artifactCache=x", "a local run unpacks the artifact in its --data folder."),
    ],
)
def test_a_config_that_does_not_hold_here_is_refused_before_anything_starts(
    tmp_path: Path, given: str, complaint: str
) -> None:
    result = demo(tmp_path / "data", "-c", given)
    assert result.returncode == 2
    assert complaint in " ".join(result.stderr.replace("│", " ").split())
    assert not (tmp_path / "data").exists()


def test_a_file_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    result = demo(tmp_path / "data", str(tmp_path / "nothing.csv"))
    assert result.returncode == 2
    assert not (tmp_path / "data").exists()
