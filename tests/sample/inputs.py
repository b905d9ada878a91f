"""Inputs of the sample application, and what it makes of them."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_app.sample.csvreport.export import export
from pipeline_app.sample.csvreport.report import make_report

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Results:
    """The results of one input; ``rows`` are those of cleaned.csv, its header among them."""

    folder: Path
    summary: dict[str, Any]
    rows: list[list[str]]

    def column(self, name: str) -> dict[str, Any]:
        """Return what the summary says of a column."""
        columns: list[dict[str, Any]] = self.summary["columns"]
        (found,) = [each for each in columns if each["name"] == name]
        return found

    def chart_texts(self) -> list[str]:
        """Return the texts of the chart, and those that show under the pointer."""
        root = ElementTree.parse(self.folder / "chart.svg").getroot()  # noqa: S314 -- made here.
        return [each.text or "" for tag in ("text", "title") for each in root.iter(SVG + tag)]

    def page(self) -> str:
        """Return the report."""
        return export(self.folder).read_text(encoding="utf-8")


def process(folder: Path, content: str | bytes, top: int = 10) -> Results:
    """Have a file of this content processed; a text is written as UTF-8."""
    source, output = folder / "input.csv", folder / "out"
    source.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    make_report(source, output, top, "1.2.3")
    with (output / "cleaned.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return Results(output, json.loads((output / "summary.json").read_text(encoding="utf-8")), rows)


def lines(header: str, rows: list[str]) -> str:
    """Return a table of a header and rows."""
    return "".join(f"{line}\n" for line in [header, *rows])
