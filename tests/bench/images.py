"""The image: its size, its layers, and what a change of one line makes a registry and a container group move."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from tests.bench.measurement import Result, Row, Samples
from tests.bench.processes import PROJECT
from tests.bench.setting import Setting

TOPIC: Final = "image"

ALIAS: Final = "csvreport"
CHUNK_BYTES: Final = 1024 * 1024
# What .ci/docker-engine makes where no registry can be reached.
MADE_BASE: Final = "file-pipeline-test-base:1"
MB: Final = 1_000_000
SECONDS: Final = 900.0
TAG: Final = "file-pipeline-bench"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer: its id, by which a registry knows it, and its size in bytes, as it is and compressed."""

    id: str
    bytes: int
    compressed: int


def measure(setting: Setting) -> Result:
    """Build the image with the sample application, then again after each kind of change."""
    result = Result()
    base, reason = _base_image()
    if not base:
        result.skipped.append(f"The image was not measured: {reason}")
        return result
    context = setting.folder / "context"
    _copy(context)
    changes: dict[str, Callable[[], None]] = {
        "the worker": lambda: _append(context / "pipeline_app/worker/loop.py", "\n# A line.\n"),
        "a config": lambda: _append(context / "pipeline_app/config/runtime.json", "\n"),
        "the application": lambda: _append(context / ".artifact_cache/csvreport/cli.py", "\n# A line.\n"),
    }
    if setting.quick:
        changes = {"the worker": changes["the worker"]}
    known: dict[str, Layer] = {}
    try:
        setting.say(f"{TOPIC}: build")
        below = _identifiers(base)
        before = _build(context, base, known, setting)
        base_bytes = int(_docker("image", "inspect", "--format", "{{.Size}}", base).stdout)
        result.rows += _size_rows(base_bytes, len(below), before)
        for changed, change in changes.items():
            setting.say(f"{TOPIC}: build after a change of {changed}")
            change()
            after = _build(context, base, known, setting)
            pushed = [layer for layer in after if layer.id not in {each.id for each in before}]
            before = after
            result.rows.append(
                _row(
                    f"moved after a change of one line of {changed}",
                    sum(layer.compressed for layer in pushed) / MB,
                    "MB",
                    f"{len(pushed)} layers",
                )
            )
    finally:
        _docker("image", "rm", "--force", TAG, check=False)
    return result


def _size_rows(base_bytes: int, base_layers: int, own: Sequence[Layer]) -> list[Row]:
    return [
        _row("base image", base_bytes / MB, "MB", f"{base_layers} layers, not compressed"),
        _row("on top of it", sum(layer.bytes for layer in own) / MB, "MB", f"{len(own)} layers, not compressed"),
        _row("on top of it, compressed", sum(layer.compressed for layer in own) / MB, "MB", "as a registry has it"),
        _row("layers", base_layers + len(own), "layers", ""),
    ]


def _row(measure: str, value: float, unit: str, note: str) -> Row:
    return Row(measure=measure, note=note, ours=Samples((value,)), topic=TOPIC, unit=unit)


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def _base_image() -> tuple[str, str]:
    """Return the base image to build on, or why there is none."""
    if shutil.which("docker") is None or _docker("version", check=False).returncode:
        return "", "no Docker engine answers. Start one, or run .ci/docker-engine as root on Debian."
    if base := os.environ.get("PIPELINE_TEST_BASE_IMAGE"):
        return base, ""
    lines = (PROJECT / "pipeline_app" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    default = next(line.partition("=")[2] for line in lines if line.startswith("ARG BASE_IMAGE="))
    known = _docker("image", "inspect", default, check=False).returncode == 0
    if known or _docker("pull", "--quiet", default, check=False).returncode == 0:
        return default, ""
    if _docker("image", "inspect", MADE_BASE, check=False).returncode == 0:
        return MADE_BASE, ""
    return "", (
        f"its base {default} cannot be pulled. Set PIPELINE_TEST_BASE_IMAGE to an image with Python 3.11 or later, or "
        "run .ci/docker-engine as root on Debian, which makes one."
    )


def _build(context: Path, base: str, known: dict[str, Layer], setting: Setting) -> list[Layer]:
    arguments: Mapping[str, str] = {
        "APP_ALIAS": ALIAS,
        "APP_FILE": ALIAS,
        "APP_INSTALLER_FILE": "install.sh",
        "APP_SETUP_ARGS": "",
        "BASE_IMAGE": base,
        "RELEASE_VERSION": "bench",
    }
    options = [option for name, value in arguments.items() for option in ("--build-arg", f"{name}={value}")]
    dockerfile = str(context / "pipeline_app" / "Dockerfile")
    _docker("build", "--platform", "linux/amd64", "--tag", TAG, "--file", dockerfile, *options, str(context))
    return _layers(base, known, setting)


def _copy(context: Path) -> None:
    context.mkdir()
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copyfile(PROJECT / ".dockerignore", context / ".dockerignore")
    shutil.copytree(PROJECT / "pipeline_app", context / "pipeline_app", ignore=ignored)
    shutil.copytree(PROJECT / "pipeline_app" / "sample", context / ".artifact_cache", ignore=ignored)


def _docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["docker", *arguments], capture_output=True, check=False, text=True, timeout=SECONDS)
    if check and done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
    return done


def _identifiers(reference: str) -> list[str]:
    """Return the ids of an image's layers, the lowest first."""
    identifiers: list[str] = json.loads(
        _docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", reference).stdout
    )
    return identifiers


def _layers(base: str, known: dict[str, Layer], setting: Setting) -> list[Layer]:
    """Return the image's layers above its base; each is weighed once and then known by its id."""
    below = len(_identifiers(base))
    identifiers = _identifiers(TAG)[below:]
    if not known.keys() >= set(identifiers):
        path = setting.folder / "image.tar"
        _docker("save", "--output", str(path), TAG)
        with tarfile.open(path) as archive:
            manifest = json.load(_member(archive, "manifest.json"))[0]
            for identifier, name in zip(identifiers, manifest["Layers"][below:], strict=True):
                if identifier not in known:
                    known[identifier] = _weigh(identifier, _member(archive, name))
        path.unlink()
    return [known[identifier] for identifier in identifiers]


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    member = archive.getmember(name)
    if member.issym():
        # An engine saves equal layers once.
        member = archive.getmember(os.path.normpath(f"{os.path.dirname(name)}/{member.linkname}"))
    file = archive.extractfile(member)
    if file is None:
        raise RuntimeError(f"The saved image has no {name}.")
    return file


def _weigh(identifier: str, file: IO[bytes]) -> Layer:
    packer = zlib.compressobj()
    total = packed = 0
    while data := file.read(CHUNK_BYTES):
        total += len(data)
        packed += len(packer.compress(data))
    return Layer(bytes=total, compressed=packed + len(packer.flush()), id=identifier)
