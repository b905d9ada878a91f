"""Images: an installed prefix, or what is sent to a Docker engine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.local.commands.run import PROJECT
from infra.local.data.folder import DataFolder
from infra.local.processes.supervisor import CommandError, Supervisor
from infra.local.services.images import Build, DockerBuilder, ImageError, PrefixBuilder

INSTALLER = "#!/bin/sh\necho ran >> $HOME/../runs\nprintf '#!/bin/sh\\necho %s' \"$1\" > $APP_PREFIX/bin/$APP_ALIAS\n"


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataFolder]:
    """A data folder."""
    made = DataFolder(tmp_path / "data")
    yield made
    made.release()


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """An artifact with an installer that leaves a command."""
    folder = tmp_path / "artifact"
    folder.mkdir()
    (folder / "install.sh").write_text(INSTALLER + 'chmod +x "$APP_PREFIX/bin/$APP_ALIAS"\n')
    return folder


@pytest.fixture
def build() -> Build:
    """What the stack asks for."""
    arguments = {
        "APP_ALIAS": "greet",
        "APP_FILE": "",
        "APP_INSTALLER_FILE": "install.sh",
        "APP_SETUP_ARGS": "'hello there'",
        "RELEASE_VERSION": "1.2",
    }
    return Build(
        arguments=arguments, dockerfile="pipeline_app/Dockerfile", name="reg/app", platform="linux/amd64", tag="1.2"
    )


def runs(data: DataFolder) -> int:
    return (data.root / "images" / "runs").read_text().count("ran")


def test_a_prefix_holds_the_application_and_the_worker(
    artifact: Path, build: Build, data: DataFolder, supervisor: Supervisor
) -> None:
    image = PrefixBuilder(PROJECT, data, supervisor).build(build, artifact)
    assert image.folder
    command = image.folder / "opt" / "app" / "bin" / "greet"
    answer = subprocess.run([command], capture_output=True, check=True, text=True)
    assert answer.stdout == "hello there\n"
    assert (image.folder / "opt" / "pipeline" / "pipeline_app" / "worker" / "__main__.py").exists()
    assert not (image.folder / "opt" / "pipeline" / "pipeline_app" / "install.py").exists()
    assert image.environment["RELEASE_VERSION"] == "1.2"
    assert image.reference.startswith("reg/app@sha256:")
    assert len(image.digest) == 64


def test_the_same_content_is_installed_once_and_other_content_is_another_image(
    artifact: Path, build: Build, data: DataFolder, supervisor: Supervisor
) -> None:
    builder = PrefixBuilder(PROJECT, data, supervisor)
    first = builder.build(build, artifact)
    assert builder.build(build, artifact) == first
    assert runs(data) == 1
    other = builder.build(replace(build, arguments={**build.arguments, "RELEASE_VERSION": "1.3"}), artifact)
    (artifact / "file").touch()
    third = builder.build(build, artifact)
    assert len({first.digest, other.digest, third.digest}) == 3
    assert runs(data) == 3


def test_a_failed_installation_is_told_and_done_anew(
    artifact: Path, build: Build, data: DataFolder, supervisor: Supervisor, tmp_path: Path
) -> None:
    flag = tmp_path / "mended"
    (artifact / "install.sh").write_text(
        f"{INSTALLER}[ -e {flag} ] || {{ echo no luck; exit 1; }}\nchmod +x $APP_PREFIX/bin/*\n"
    )
    builder = PrefixBuilder(PROJECT, data, supervisor)
    with pytest.raises(CommandError, match="no luck"):
        builder.build(build, artifact)
    flag.touch()
    assert builder.build(build, artifact).folder
    assert runs(data) == 2


def environment_of_installer(build: Build, data: DataFolder, supervisor: Supervisor, artifact: Path) -> dict[str, str]:
    """Return what an installer has in its environment, that of this process as it is now."""
    (artifact / "install.sh").write_text(f'{INSTALLER}env -0 >"$APP_PREFIX/seen"\nchmod +x "$APP_PREFIX"/bin/*\n')
    folder = PrefixBuilder(PROJECT, data, supervisor).build(build, artifact).folder
    assert folder
    seen = (folder / "opt" / "app" / "seen").read_text().rstrip("\0").split("\0")
    return dict(each.split("=", 1) for each in seen)


def test_an_installer_is_told_how_to_fetch_and_where_to_keep_it(
    artifact: Path, build: Build, data: DataFolder, monkeypatch: pytest.MonkeyPatch, supervisor: Supervisor
) -> None:
    told = {
        "HTTPS_PROXY": "http://proxy.example:3128",
        "PIP_CERT": "/etc/company.pem",
        "PIP_CONFIG_FILE": "/etc/company.conf",
        "PIP_INDEX_URL": "https://index.example/simple",
        "REQUESTS_CA_BUNDLE": "/etc/company.pem",
        "SSL_CERT_FILE": "/etc/company.pem",
        "no_proxy": "index.example",
    }
    for name, value in {**told, "AZURE_CLIENT_SECRET": "secret"}.items():
        monkeypatch.setenv(name, value)
    seen = environment_of_installer(build, data, supervisor, artifact)
    assert {name: seen.get(name) for name in told} == told
    assert "AZURE_CLIENT_SECRET" not in seen
    # It is the project's, so that another data folder needs no network.
    assert seen["XDG_CACHE_HOME"] == str(PROJECT / ".build" / "installers")


def test_an_installer_has_this_users_settings_of_pip_though_not_the_home(
    artifact: Path,
    build: Build,
    data: DataFolder,
    monkeypatch: pytest.MonkeyPatch,
    supervisor: Supervisor,
    tmp_path: Path,
) -> None:
    file = tmp_path / "home" / ".config" / "pip" / "pip.conf"
    file.parent.mkdir(parents=True)
    file.touch()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("PIP_CONFIG_FILE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    seen = environment_of_installer(build, data, supervisor, artifact)
    assert seen["PIP_CONFIG_FILE"] == str(file)
    assert seen["HOME"] != str(tmp_path / "home")


def test_without_a_docker_command_containers_are_refused(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch, supervisor: Supervisor, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageError, match="not on the PATH"):
        DockerBuilder(PROJECT, data, supervisor)


def fake_docker(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    (folder / "docker").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "docker").chmod(0o755)


def test_without_an_engine_containers_are_refused_with_its_words(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch, supervisor: Supervisor, tmp_path: Path
) -> None:
    fake_docker(tmp_path / "bin", "echo the daemon sleeps >&2; exit 1", monkeypatch)
    with pytest.raises(ImageError, match="the daemon sleeps"):
        DockerBuilder(PROJECT, data, supervisor)


def test_docker_gets_the_application_the_artifact_and_the_build_arguments(
    artifact: Path,
    build: Build,
    data: DataFolder,
    monkeypatch: pytest.MonkeyPatch,
    supervisor: Supervisor,
    tmp_path: Path,
) -> None:
    script = (
        '[ "$1" = version ] && exit 0\n'
        'while [ $# -gt 1 ]; do echo "$1" >> args; [ "$1" = --iidfile ] && echo sha256:abc > "$2"; shift; done\n'
        "tar -t > files"
    )
    fake_docker(tmp_path / "bin", script, monkeypatch)
    image = DockerBuilder(PROJECT, data, supervisor).build(build, artifact)
    folder = data.root / "images" / "docker"
    files = (folder / "files").read_text().splitlines()
    arguments = (folder / "args").read_text().splitlines()
    assert {".artifact_cache/install.sh", "pipeline_app/contract/names.py", "pipeline_app/install.py"} <= set(files)
    assert not [file for file in files if "__pycache__" in file]
    assert {"RELEASE_VERSION=1.2", "APP_ALIAS=greet", "APP_SETUP_ARGS='hello there'", "linux/amd64"} <= set(arguments)
    assert (image.reference, image.folder) == ("reg/app@sha256:abc", None)


def test_an_image_that_a_new_one_takes_the_place_of_is_removed(
    artifact: Path,
    build: Build,
    data: DataFolder,
    monkeypatch: pytest.MonkeyPatch,
    supervisor: Supervisor,
    tmp_path: Path,
) -> None:
    script = (
        'echo "$@" >> "$HOME/calls"\n'
        'while [ $# -gt 1 ]; do [ "$1" = --iidfile ] && cat "$HOME/next" > "$2"; shift; done\n'
        "cat >/dev/null"
    )
    fake_docker(tmp_path / "bin", script, monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))
    for identifier in ("sha256:one", "sha256:one", "sha256:two"):
        (tmp_path / "next").write_text(identifier)
        DockerBuilder(PROJECT, data, supervisor).build(build, artifact)
    removals = [line for line in (tmp_path / "calls").read_text().splitlines() if line.startswith("image rm")]
    assert removals == ["image rm sha256:one"]


def test_the_record_of_an_image_says_what_it_is(
    artifact: Path, build: Build, data: DataFolder, supervisor: Supervisor
) -> None:
    image = PrefixBuilder(PROJECT, data, supervisor).build(build, artifact)
    assert image.folder
    record = json.loads((image.folder / "image.json").read_text())
    assert (record["digest"], record["name"], record["tag"]) == (image.digest, "reg/app", "1.2")
