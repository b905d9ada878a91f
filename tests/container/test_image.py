"""The image as it is: who it runs as, what it holds, and what it says of itself."""

from __future__ import annotations

import http.client
import json
import shutil
import tarfile
import urllib.request
from pathlib import Path

import pytest

from infra.local.processes.waiting import wait_until
from tests.container.client import docker, state_of
from tests.container.conftest import RELEASE, STRAY_SECRET, Image, Run, build_image

# Nothing listens there, as when storage is away: the worker waits and says that it is well.
NOWHERE = {
    "APP_STORAGE_CONNECTION": (
        "DefaultEndpointsProtocol=http;AccountName=none;AccountKey=a2V5;"
        "BlobEndpoint=http://127.0.0.1:9/none;QueueEndpoint=http://127.0.0.1:9/none;"
    ),
    "APP_STORAGE_CONTAINER": "pipeline-files",
    "APP_STORAGE_INPUT_PATH": "incoming",
    "APP_STORAGE_OUTPUT_PATH": "outgoing",
}


def inside(image: Image, *command: str) -> str:
    return docker("run", "--rm", "--entrypoint", command[0], image.tag, *command[1:]).stdout.strip()


def test_it_runs_as_nobody_who_may_change_it(image: Image) -> None:
    assert inside(image, "id", "-u") == "10001"
    writable = inside(image, "find", "/opt", "/usr", "-writable", "-not", "-type", "l")
    assert writable == ""


def test_the_build_arguments_reach_the_installer_and_the_worker(image: Image) -> None:
    assert inside(image, "csvreport", "--version") == f"csvreport {RELEASE}"
    assert inside(image, "printenv", "RELEASE_VERSION", "APP_ALIAS").splitlines() == [RELEASE, "csvreport"]


def layers(image: Image) -> list[str]:
    """Return the ids of the image's layers, the lowest first."""
    found: list[str] = json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image.tag).stdout)
    return found


def test_another_version_of_the_worker_keeps_the_applications_layer(
    base_image: str, image: Image, tmp_path: Path
) -> None:
    """What the installer is told of the release does not change with the worker, so neither does what it leaves."""
    context = tmp_path / "context"
    shutil.copytree(image.context, context)
    first = build_image(context, base_image, "file-pipeline-test:first", APP_RELEASE="1.app", RELEASE_VERSION="1.dev1")
    with (context / "pipeline_app" / "worker" / "loop.py").open("a", encoding="utf-8") as file:
        file.write("# Edited.\n")
    second = build_image(context, base_image, "file-pipeline-test:other", APP_RELEASE="1.app", RELEASE_VERSION="1.dev2")
    changed = [old != new for old, new in zip(layers(first), layers(second), strict=True)]

    assert inside(second, "csvreport", "--version") == "csvreport 1.app"
    assert inside(second, "printenv", "RELEASE_VERSION") == "1.dev2"
    # The worker's folder, and its bytecode.
    assert changed == [False] * (len(changed) - 2) + [True, True]


def test_a_checkout_that_is_its_owners_alone_gives_an_image_that_anybody_can_run(
    base_image: str, image: Image, tmp_path: Path
) -> None:
    context = tmp_path / "context"
    shutil.copytree(image.context, context)
    for path in [context, *context.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o077)
    private = build_image(context, base_image, "file-pipeline-test:private")

    assert inside(private, "csvreport", "--version") == f"csvreport {RELEASE}"
    assert inside(private, "python", "-c", "import pipeline_app.worker.loop as loop; print(loop.__name__)")
    assert inside(private, "find", "/opt/app", "/opt/pipeline", "-not", "-readable") == ""


def test_the_worker_starts_from_bytecode_that_is_there(image: Image) -> None:
    assert inside(image, "find", "/opt/pipeline", "-name", "job.*.pyc") != ""


def test_the_installer_leaves_neither_its_pip_nor_its_wheels(image: Image) -> None:
    names = ["-name", "*.whl", "-o", "-name", "tmp.*", "-o", "-name", "pip", "-o", "-name", "csvreport"]
    options = ["--rm", "--user", "0", "--entrypoint", "find", image.tag]
    found = docker("run", *options, "/opt", "/root", "/tmp", "(", *names, ")").stdout.split()
    library = "/opt/app/lib/csvreport"
    assert sorted(found) == ["/opt/app/bin/csvreport", library, f"{library}/csvreport"]


def test_the_application_is_the_same_whenever_it_is_installed(base_image: str, image: Image, tmp_path: Path) -> None:
    """So that a registry that has its layer is not sent it again, though the builder has forgotten how it made it."""
    context = tmp_path / "context"
    shutil.copytree(image.context, context)
    # What the builder knows of the installer's layer is of no use after this.
    with (context / "pipeline_app" / "requirements.txt").open("a", encoding="utf-8") as file:
        file.write("# Edited.\n")
    again = build_image(context, base_image, "file-pipeline-test:again")
    summed = "find . -type d -o -printf '%p %m %T@\\n' -exec sha256sum {} +"
    first, second = (inside(each, "sh", "-c", f"cd /opt/app && {summed}").splitlines() for each in (image, again))
    assert len(first) > 100
    assert sorted(first) == sorted(second)


def test_a_file_is_summarised_within_the_containers_memory(image: Image, tmp_path: Path) -> None:
    """What does not fit is put aside on the disk: nothing in the file is there twice."""
    rows = 1_500_000
    with (tmp_path / "large.csv").open("w", encoding="utf-8") as file:
        file.write("a,b,c\n")
        file.writelines(f"{n},{n:0400},{n % 7}\n" for n in range(rows))
    tmp_path.chmod(0o777)
    memory = ["--memory", "1g", "--memory-swap", "1g"]
    ran = docker("run", "--rm", *memory, "--volume", f"{tmp_path}:/data", "--entrypoint", "csvreport", image.tag,
                 "/data/large.csv", "/data/out")  # fmt: skip
    # No bar of the database's progress, and no warning.
    assert (ran.stdout, ran.stderr) == (f"large.csv: {rows:,} rows · 3 columns\n", "")
    (tmp_path / "large.csv").unlink()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["rows"]["kept"] == rows
    (tmp_path / "out" / "cleaned.csv").unlink()


def test_without_settings_it_says_which_are_missing_and_fails(image: Image) -> None:
    answer = docker("run", "--rm", image.tag, check=False)
    assert answer.returncode == 2
    assert "APP_STORAGE_CONNECTION" in answer.stdout


def test_it_is_healthy_on_port_5000(run: Run) -> None:
    options = [option for name, value in NOWHERE.items() for option in ("--env", f"{name}={value}")]
    container = run("--publish", "127.0.0.1::5000", *options)
    port = docker("port", container, "5000/tcp").stdout.strip().rpartition(":")[2]

    def healthy() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    assert wait_until(healthy, seconds=30)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as answer:
        assert json.load(answer)["release"] == RELEASE
    # The liveness probe asks at the container's address, and nobody but a page in a browser names it otherwise.
    address = docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", container).stdout.strip()
    for path, host, status in (
        ("/healthz", f"{address}:5000", 200),
        ("/healthz", "worker-1.example", 200),
        ("/status", f"{address}:5000", 200),
        ("/status", "worker-1.example", 403),
    ):
        connection = http.client.HTTPConnection(address, 5000, timeout=5)
        connection.request("GET", path, headers={"Host": host})
        assert connection.getresponse().status == status, (path, host)
        connection.close()

    def healthy_to_the_engine() -> bool:
        health = state_of(container)["Health"]
        assert isinstance(health, dict)
        return bool(health["Status"] == "healthy")

    assert wait_until(healthy_to_the_engine, seconds=40)


def test_no_secret_of_the_checkout_is_in_a_layer_or_in_the_history(image: Image, tmp_path: Path) -> None:
    assert STRAY_SECRET in (image.context / ".env").read_text()
    saved = tmp_path / "image.tar"
    docker("save", "--output", str(saved), image.tag)
    searched = 0
    with tarfile.open(saved) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is None:
                continue
            # Layers are tars, compressed or not; what is not is searched as it is.
            try:
                with tarfile.open(fileobj=stream) as layer:
                    for entry in layer:
                        content = layer.extractfile(entry) if entry.isfile() else None
                        assert STRAY_SECRET.encode() not in (content.read() if content else b""), entry.name
                        searched += 1
            except tarfile.ReadError:
                stream.seek(0)
                assert STRAY_SECRET.encode() not in stream.read(), member.name
    assert searched > 1000
    history = docker("history", "--no-trunc", image.tag).stdout
    assert "AccountKey" not in history
    assert STRAY_SECRET not in history


def test_it_adds_little_to_its_base(image: Image, base_image: str, pytestconfig: pytest.Config) -> None:
    def size(name: str) -> int:
        return int(docker("image", "inspect", "--format", "{{.Size}}", name).stdout)

    whole = size(image.tag)
    own = whole - size(base_image)
    reporter = pytestconfig.pluginmanager.getplugin("terminalreporter")
    reporter.write_line(f"\nimage: {whole / 1e6:.0f} MB, {own / 1e6:.0f} MB of them over its base image")
    # Azure's libraries with their bytecode are some 35 MB, the sample's DuckDB is some 75 MB; build tools, a cache or
    # wheels left behind would be many more.
    assert own < 130e6
