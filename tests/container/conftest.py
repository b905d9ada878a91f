"""The real image, built from the real Dockerfile by the Docker engine of this machine."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE
from tests.container.client import docker
from tests.container.site import Site

PROJECT = Path(__file__).parents[2]
RELEASE = "9.8.7.dev6"
# A stand-in for what lies about in a checkout and must never get into an image.
STRAY_SECRET = "stray-secret-5f2c9a"


@pytest.fixture(scope="session")
def base_image() -> str:
    """Return the base image to build on, which is there: the environment's, else the Dockerfile's own."""
    if shutil.which("docker") is None:
        pytest.skip("No docker command: install a Docker engine, or run .ci/run as root on Debian, which installs one.")
    if docker("version", check=False).returncode:
        pytest.skip("No Docker engine answers: start one, or run .ci/run as root on Debian, which starts one.")
    if base := os.environ.get("PIPELINE_TEST_BASE_IMAGE"):
        return base
    default = next(
        line.partition("=")[2]
        for line in (PROJECT / "pipeline_app" / "Dockerfile").read_text(encoding="utf-8").splitlines()
        if line.startswith("ARG BASE_IMAGE=")
    )
    known = docker("image", "inspect", default, check=False).returncode == 0
    if not known and docker("pull", "--quiet", default, check=False).returncode:
        pytest.skip(
            f"The base image {default} cannot be pulled: set PIPELINE_TEST_BASE_IMAGE to an image with Python 3.11 or "
            "later, or run .ci/run as root on Debian, which makes one."
        )
    return default


@dataclass(frozen=True)
class Image:
    """A built image: its tag, and the folder that it was built from."""

    tag: str
    context: Path


@pytest.fixture(scope="session")
def image(base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Build the image with the sample application, in a copy of the project that also holds stray secrets."""
    context = tmp_path_factory.mktemp("context")
    shutil.copyfile(PROJECT / ".dockerignore", context / ".dockerignore")
    shutil.copytree(PROJECT / "pipeline_app", context / "pipeline_app", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PROJECT / "pipeline_app" / "sample", context / ".artifact_cache")
    for stray in (".env", "storage_key.txt", "pipeline_app/.env", "pipeline_app/worker/key.pem", ".git/config"):
        (context / stray).parent.mkdir(exist_ok=True)
        (context / stray).write_text(STRAY_SECRET)
    return build_image(context, base_image, "file-pipeline-test:latest")


def build_image(context: Path, base_image: str, tag: str, **more: str) -> Image:
    """Build an image by hand, as docs/image.md says, with further build arguments."""
    arguments = {
        "APP_ALIAS": "csvreport",
        "APP_FILE": "csvreport",
        "APP_INSTALLER_FILE": "install.sh",
        "APP_SETUP_ARGS": "",
        "BASE_IMAGE": base_image,
        "RELEASE_VERSION": RELEASE,
    } | more
    options = [option for name, value in arguments.items() for option in ("--build-arg", f"{name}={value}")]
    docker("build", "--platform", "linux/amd64", "--tag", tag, "--file", str(context / "pipeline_app/Dockerfile"),
           *options, str(context))  # fmt: skip
    return Image(tag, context)


Run = Callable[..., str]


@pytest.fixture
def run(image: Image, request: pytest.FixtureRequest) -> Run:
    """Start a container in the background and return its id; it is removed after the test."""

    def start(*options: str, command: Sequence[str] = ()) -> str:
        identifier = docker("run", "--detach", *options, image.tag, *command).stdout.strip()
        request.addfinalizer(lambda: docker("rm", "--force", identifier))
        return identifier

    return start


@pytest.fixture
def site(connection_string: str, tmp_path: Path) -> Iterator[Site]:
    """Make queues, a container of blobs and a share."""
    share = tmp_path / "share"
    share.mkdir()
    # Azure Files is mounted with these rights for everybody.
    share.chmod(0o777)
    (share / "runtime.json").write_text('{"args": ["{input}", "{output}"]}')
    with (
        BlobServiceClient.from_connection_string(connection_string) as blobs,
        QueueServiceClient.from_connection_string(connection_string) as queues,
    ):
        for name in (JOBS_QUEUE, JOBS_POISON_QUEUE):
            queues.create_queue(name)
        files = blobs.create_container(f"c{uuid.uuid4().hex}")
        yield Site(connection_string, files, queues.get_queue_client(JOBS_QUEUE), share)
        for name in (JOBS_QUEUE, JOBS_POISON_QUEUE):
            queues.delete_queue(name)
