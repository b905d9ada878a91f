"""install.py leaves the command, or says in a sentence why not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_app.install import InstallError, install

INSTALLER = """#!/bin/sh
set -eu
printf '%s\\n' "$PWD" "$APP_FILE" "$APP_ALIAS" "$RELEASE_VERSION" "$@" >"$APP_PREFIX/seen"
printf '#!/bin/sh\\necho ran\\n' >"$APP_PREFIX/bin/$APP_ALIAS"
chmod 755 "$APP_PREFIX/bin/$APP_ALIAS"
touch made-here
"""


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    folder = tmp_path / "artifact"
    folder.mkdir()
    return folder


def settings(tmp_path: Path, **changes: str) -> dict[str, str]:
    return {
        "APP_ALIAS": "tool",
        "APP_FILE": "tool.sh",
        "APP_INSTALLER_FILE": "setup/run.sh",
        "APP_PREFIX": str(tmp_path / "app"),
        "APP_SETUP_ARGS": "",
        "PATH": "/usr/bin:/bin",
        "RELEASE_VERSION": "1.0",
    } | changes


def put(artifact: Path, name: str, content: str | bytes) -> None:
    path = artifact / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def test_the_installer_runs_in_a_copy_of_the_artifact_with_its_settings_and_arguments(
    artifact: Path, tmp_path: Path
) -> None:
    put(artifact, "setup/run.sh", INSTALLER)
    command = install(artifact, settings(tmp_path, APP_SETUP_ARGS="--mode 'two words' $HOME;ls"))
    assert subprocess.run([str(command)], capture_output=True, check=True, text=True).stdout == "ran\n"
    seen = (tmp_path / "app" / "seen").read_text().splitlines()
    assert seen[1:] == ["tool.sh", "tool", "1.0", "--mode", "two words", "$HOME;ls"]
    assert Path(seen[0]).name == "artifact"
    assert Path(seen[0]) != artifact
    assert not (artifact / "made-here").exists()
    assert not Path(seen[0]).exists()


def test_the_python_that_installs_comes_first_on_the_installers_path(artifact: Path, tmp_path: Path) -> None:
    put(artifact, "setup/run.sh", INSTALLER + 'command -v python3 >"$APP_PREFIX/python"\n')
    install(artifact, settings(tmp_path))
    assert (tmp_path / "app" / "python").read_text().strip() == str(Path(sys.executable).parent / "python3")


def test_a_command_on_the_path_will_do(artifact: Path, tmp_path: Path) -> None:
    put(artifact, "setup/run.sh", "#!/bin/sh\n")
    assert install(artifact, settings(tmp_path, APP_ALIAS="env")).name == "env"


def test_without_an_installer_the_file_becomes_the_command(artifact: Path, tmp_path: Path) -> None:
    put(artifact, "tool.sh", '#!/bin/sh\necho "$1"\n')
    command = install(artifact, settings(tmp_path, APP_INSTALLER_FILE=""))
    assert command == tmp_path / "app" / "bin" / "tool"
    assert subprocess.run([str(command), "hi"], capture_output=True, check=True, text=True).stdout == "hi\n"


@pytest.mark.parametrize("alias", ["../tool", "a/b", ".", "..", ""])
def test_an_alias_that_is_no_plain_name_is_refused(artifact: Path, tmp_path: Path, alias: str) -> None:
    with pytest.raises(InstallError, match="APP_ALIAS is"):
        install(artifact, settings(tmp_path, APP_ALIAS=alias))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("#!/bin/sh\necho first\necho second >&2\nexit 7\n", r"(?s)exit code 7.*first\n.*second"),
        ("#!/bin/sh\n", "left no command 'tool'"),
        ("#!/no/such/shell\n", "asks in its first line for a program that is not here"),
        ("#!/bin/sh\r\necho\r\n", "carriage return"),
        (b"\x00\x01\x02 not a program", "no program that this machine can run"),
    ],
)
def test_an_installer_that_fails_is_told_with_its_cause(
    artifact: Path, tmp_path: Path, content: str | bytes, reason: str
) -> None:
    put(artifact, "setup/run.sh", content)
    with pytest.raises(InstallError, match=reason):
        install(artifact, settings(tmp_path))


def test_only_the_tail_of_a_long_output_is_repeated(artifact: Path, tmp_path: Path) -> None:
    put(artifact, "setup/run.sh", "#!/bin/sh\nfor n in $(seq 1000); do echo line-$n; done\nexit 1\n")
    with pytest.raises(InstallError, match="line-1000") as caught:
        install(artifact, settings(tmp_path))
    assert "line-980\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"APP_INSTALLER_FILE": "missing.sh"}, r"APP_INSTALLER_FILE is 'missing.sh', but .* It has other.txt"),
        ({"APP_INSTALLER_FILE": "../outside.sh"}, "outside the artifact"),
        ({"APP_INSTALLER_FILE": "", "APP_FILE": ""}, "APP_FILE is missing or empty"),
        ({"APP_INSTALLER_FILE": "", "APP_FILE": "other.txt"}, "neither a Linux program nor a script"),
        ({"APP_INSTALLER_FILE": "other.txt", "APP_SETUP_ARGS": "'open"}, "APP_SETUP_ARGS is"),
        ({"APP_PREFIX": ""}, "APP_PREFIX is missing or empty"),
    ],
)
def test_a_wrong_setting_is_named(artifact: Path, tmp_path: Path, changes: dict[str, str], reason: str) -> None:
    put(artifact, "other.txt", "text")
    (tmp_path / "outside.sh").write_text("#!/bin/sh\n")
    with pytest.raises(InstallError, match=reason):
        install(artifact, settings(tmp_path, **changes))


def test_the_command_line_gives_one_message_and_an_exit_code(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "pipeline_app" / "install.py"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("APP_")}
    environment |= settings(tmp_path)
    command = [sys.executable, str(script), str(tmp_path / "nowhere")]
    result = subprocess.run(command, capture_output=True, check=False, env=environment, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("install.py: There is no artifact folder ")
