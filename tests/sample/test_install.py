"""install.py leaves the command, or says in a sentence why not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pipeline_app.install import LINE_BYTES, install
from pipeline_app.printable import printable
from pipeline_app.programs import InstallError
from tests.sample.artifacts import put, settings

INSTALLER = """#!/bin/sh
set -eu
printf '%s\\n' "$PWD" "$APP_FILE" "$APP_ALIAS" "$RELEASE_VERSION" "$@" >"$APP_PREFIX/seen"
printf '#!/bin/sh\\necho ran\\n' >"$APP_PREFIX/bin/$APP_ALIAS"
chmod 755 "$APP_PREFIX/bin/$APP_ALIAS"
touch made-here
"""


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
        ("#!/no/such/shell\n", "asks in its first line for '/no/such/shell', which is not here"),
        ("#!/bin/sh\r\necho\r\n", "carriage return"),
        (b"\x00\x01\x02 not a program", "neither a Linux program nor a script"),
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
    environment = {name: value for name, value in os.environ.items() if not name.startswith("APP_")}
    environment |= settings(tmp_path)
    command = [sys.executable, "-m", "pipeline_app.install", str(tmp_path / "nowhere")]
    project = Path(__file__).parents[2]
    result = subprocess.run(command, capture_output=True, check=False, cwd=project, env=environment, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("install.py: There is no artifact folder ")


def test_the_last_words_of_an_installer_count_also_beside_what_it_left_behind(artifact: Path, tmp_path: Path) -> None:
    put(artifact, "setup/run.sh", "#!/bin/sh\nsleep 3 & printf 'no space'\nexit 3\n")
    with pytest.raises(InstallError, match=r"exit code 3\. Its last lines:\n    no space"):
        install(artifact, settings(tmp_path))


def test_output_without_the_end_of_a_line_is_shown_in_parts(
    artifact: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(artifact, "setup/run.sh", f"{INSTALLER}head -c 1000000 /dev/zero | tr '\\0' x\n")
    install(artifact, settings(tmp_path))
    lines = capfd.readouterr().out.splitlines()
    assert sum(line.count("x" * 100) for line in lines) >= 9_000
    assert max(map(len, lines)) <= LINE_BYTES


@pytest.mark.parametrize("daemon", ["sleep 987.5", "sh -c 'while :; do echo busy; sleep 0.1; done; : 987.5'"])
def test_a_process_that_the_installer_leaves_behind_is_not_waited_for(
    artifact: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], daemon: str
) -> None:
    put(artifact, "setup/run.sh", INSTALLER + f"echo installed\nsetsid {daemon} &\n")
    try:
        install(artifact, settings(tmp_path))
    finally:
        for process in psutil.process_iter(["cmdline"]):
            if any("987.5" in argument for argument in process.info["cmdline"] or []):
                process.kill()
    told = capfd.readouterr().out
    assert "installed" in told
    assert "has ended and left a process behind, which is not waited for" in told


def test_what_is_waited_for_is_told(
    artifact: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline_app.install.NOTICE_SECONDS", 0.2)
    put(artifact, "setup/run.sh", INSTALLER + "sleep 0.8\nprintf 'no line end'\n")
    install(artifact, settings(tmp_path))
    told = capfd.readouterr().out
    assert "The installer 'setup/run.sh' has been running for 0 seconds; it is waited for." in told
    assert told.endswith("no line end\n")
    assert "left a process behind" not in told


def test_no_character_of_the_installer_s_output_reaches_a_terminal_as_a_command(
    artifact: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(artifact, "setup/run.sh", "#!/bin/sh\nprintf '\\033[2Jgone\\007\\n1%%\\r2%%\\n'\nexit 3\n")
    with pytest.raises(InstallError, match=r"\\x1b\[2Jgone\\x07\n    1%\\r2%"):
        install(artifact, settings(tmp_path))
    assert "\x1b" not in capfd.readouterr().out


@pytest.mark.parametrize(
    "character",
    [*map(chr, range(32)), "\x7f", *map(chr, range(0x80, 0xA0)), *"\u202e\u2066\u200f\u061c\u2028\ufeff\udcff"],
)
def test_what_a_terminal_obeys_is_written_out(character: str) -> None:
    shown = printable(f"a{character}b")
    assert shown == (f"a{character}b" if character in "\n\t" else f"a{ascii(character)[1:-1]}b")
    assert printable(shown) == shown


def test_text_of_any_language_stays_as_it_is() -> None:
    text = "naïve 数据 שלום ✓ \u200d"
    assert printable(text) == text
