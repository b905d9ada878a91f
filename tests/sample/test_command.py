"""The command ends with a sentence whatever names, folders and results it is given."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from pipeline_app.sample.csvreport.cli import main


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b'a,b\n1,"x\r\ny"\n2\n', b"a,A\n\xe9,2\n"])
def test_a_name_that_is_not_utf_8_is_a_name(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    source, output = tmp_path / os.fsdecode(b"bad\xff.csv"), tmp_path / os.fsdecode(b"out\xff")
    source.write_bytes(content)
    assert main([str(source), str(output)]) == 0
    assert capsys.readouterr().out.startswith("bad\ufffd.csv: ")
    assert json.loads((output / "summary.json").read_text(encoding="utf-8"))["file"] == "bad\ufffd.csv"
    assert (output / "cleaned.csv").read_bytes().splitlines()[0] in (b"a,b", b'"a","A"')
    assert main(["export", str(output)]) == 0
    assert "bad\ufffd.csv" in (output / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", ["file", "file/within"])
def test_a_file_where_the_results_should_go_is_named(
    tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "input.csv").write_text("a,b\n1,2\n")
    assert main([str(tmp_path / "input.csv"), str(tmp_path / place)]) == 71
    told = capsys.readouterr().err
    assert f"cannot be written to {tmp_path / place}: " in told
    assert "Name another folder" in told
    assert "room" not in told


def test_a_full_disk_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "summary.json")

    (tmp_path / "input.csv").write_text("a,b\n1,2\n")
    monkeypatch.setattr("pathlib.Path.write_text", full)
    assert main([str(tmp_path / "input.csv"), str(tmp_path / "out")]) == 71
    assert "There is no room on the disk" in capsys.readouterr().err


@pytest.mark.parametrize("summary", ["{}", "[]", "null", "1", '{"file": 1}', '{"file": "x", "columns": [{}]}', "{"])
def test_a_summary_of_another_make_is_named(tmp_path: Path, summary: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "summary.json").write_text(summary)
    assert main(["export", str(tmp_path)]) == 65
    assert "The results cannot be exported: " in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_a_cleaned_file_of_another_make_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "input.csv").write_text("a,b\n1,2\n")
    assert main([str(tmp_path / "input.csv"), str(tmp_path / "out")]) == 0
    (tmp_path / "out" / "cleaned.csv").write_bytes(b"a,b\n\xff,2\n")
    assert main(["export", str(tmp_path / "out")]) == 65
    assert f"{tmp_path}/out/cleaned.csv is no table that csvreport wrote" in capsys.readouterr().err


def test_results_that_are_no_folder_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    assert main(["export", str(tmp_path / "file")]) == 65
    assert "Not a directory" in capsys.readouterr().err
