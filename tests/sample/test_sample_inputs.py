"""The installed sample application on its own inputs, and on what is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sample.installed import INPUTS, run


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
            "Response ID": "text", "Submitted": "date", "Age": "number", "Region": "text", "Channel": "text",
            "Satisfaction (1-5)": "number", "Would recommend (0-10)": "number", "Contact again?": "boolean",
            "Comment": "text",
        },
        "orders 2026.csv": {
            "Order No.": "number", "Order date": "date", " Customer": "text", "Product": "text", "Qty": "number",
            "Unit price": "number", "Discount": "number", "Total": "number", "Paid": "boolean",
        },
        "sensor-readings.csv": {
            "Time stamp": "date", "Sensor": "text", "Temperature (°C)": "number", "Humidity (%)": "number",
            "Battery": "number", "Status": "text",
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
