"""The commands that README and docs have for this machine do what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import typer.main

from infra.local.commands.app import app
from infra.local.commands.run import PROJECT
from pipeline_app.contract import Receipt, plain_etag
from tests.local.runs import Client, Run

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def pasted(holding: str, replaced: Mapping[str, str]) -> str:
    """Run the one block of README that holds a text in a shell; what is replaced has to be in it."""
    (block,) = (
        each for each in re.findall(r"^```bash\n(.*?)^```", README, re.DOTALL | re.MULTILINE) if holding in each
    )
    for old, new in {".venv/bin/python": sys.executable, **replaced}.items():
        assert old in block
        block = block.replace(old, new)
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], capture_output=True, check=False, cwd=PROJECT, text=True, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def receipt_of_newest(client: Client, name: str) -> Receipt:
    """Wait for the receipt of an input's present version."""
    blob = client.container.get_blob_client(f"{client.names.input_path}/{name}")
    return client.receipt(name, plain_etag(blob.get_blob_properties().etag))


def test_the_application_that_counts_lines_is_brought_and_processes_a_file(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("a\nb\nc\n", encoding="utf-8")
    told = pasted(
        "my-application/count",
        {
            ".local/mine": str(tmp_path / "data"),
            "demo my.csv": f"demo {tmp_path / 'my.csv'}",
            "my-application": str(tmp_path / "mine"),
        },
    )
    assert told.count("│ succeeded │") == 1
    results = tmp_path / "data" / "results" / "my.csv"
    assert {path.name for path in results.iterdir()} == {"lines.txt", "receipt.json", "run.log"}
    assert (results / "lines.txt").read_text(encoding="utf-8").strip() == "3"


def test_a_client_uploads_to_a_run_whose_file_is_explained_and_processed_again(
    run: Run, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "my.csv").write_text("x", encoding="utf-8")
    explain = {"explain my.csv": f"explain my.csv --data {run.data}"}
    told = pasted(
        "upload_blob",
        {**explain, ".local/": f"{run.data}/", 'open("my.csv"': f'open("{tmp_path / "my.csv"}"'},
    )
    assert "'incoming/my.csv' is there: 1 bytes" in told
    first = receipt_of_newest(client, "my.csv")

    told = pasted("retry my.csv", {**explain, "retry my.csv": f"retry my.csv --data {run.data}"})
    assert "says succeeded" in told
    assert "incoming/my.csv is processed again" in told
    second = receipt_of_newest(client, "my.csv")
    assert (first.status, second.status) == ("succeeded", "succeeded")
    assert first.input.etag != second.input.etag


def test_the_page_of_the_local_run_has_every_option_and_no_other() -> None:
    written = re.findall(r"^\| `(-[\w-]+)", (PROJECT / "docs" / "local.md").read_text(encoding="utf-8"), re.MULTILINE)
    commands = typer.main.get_group(app).commands
    names = {
        name: {option for parameter in commands[name].params for option in parameter.opts if option.startswith("-")}
        for name in ("demo", "up")
    }
    known = {option for option in names["demo"] | names["up"] if option.startswith("--")}
    assert {{"-c": "--config"}.get(option, option) for option in written} == known
    assert names["demo"] - names["up"] == {"--timeout"}
