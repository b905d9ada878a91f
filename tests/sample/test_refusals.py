"""What cannot be decided stops a file, with the line and what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from pathlib import Path

import pytest

from pipeline_app.sample.csvreport.cli import main
from pipeline_app.sample.csvreport.errors import UnreadableFile
from tests.sample.inputs import lines, process


def _zip(name: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(name, "a,b\n1,2\n")
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", r"It is empty"),
        (b"\xef\xbb\xbf\n \n", r"It is empty"),
        (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", r"HTML or XML page.*Download it anew"),
        (b"\n  <html lang=en>\n<body>a,b</body>", r"HTML or XML page"),
        (b'{"a": 1, "b": [1, 2]}', r"It is JSON.*export it as CSV"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), r"compressed with gzip\. Unpack it"),
        (_zip("a.csv"), r"a zip archive\. Unpack it"),
        (_zip("xl/workbook.xml"), r"an Excel workbook\. Save the sheet as CSV"),
        ("a,b\nä,2\n".encode("utf-16-le"), r"UTF-16.*without a byte order mark.*Save it as UTF-8"),
        ("a,b\nä,2\n".encode("utf-16-be"), r"UTF-16.*without a byte order mark.*Save it as UTF-8"),
        (b"\xff\xfe", r"It is empty"),
        (b"\xfe\xff", r"It is empty"),
        (b"\xff\xfe\x00\x00", r"It is empty"),
        ("\n \u00a0\n".encode("utf-16"), r"It is empty"),
        (b"sep=;\n", r"It is empty"),
        (b'\xef\xbb\xbf"sep=,"\r\n\r\n', r"It is empty"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">\n<g/>\n</svg>\n', r"HTML or XML page"),
        (b"<title>Sign in</title>\n<p>a, b\n", r"HTML or XML page"),
        (b"<p>\nSorry, no.\n", r"HTML or XML page"),
        (b"<soap:body>\n<x/></soap:body>\n", r"HTML or XML page"),
        (b"[1,2,3]", r"It is JSON"),
        (b'["a",\n "b"]\n', r"It is JSON"),
        (b"[" + b"12345,\n" * 60_000 + b"1]", r"It is JSON"),
        (b"{}", r"It is JSON"),
        (b"<html", r"HTML or XML page"),
        (b"SQLite format 3\x00\x10\x00", r"an SQLite database"),
        (b"PK\x05\x06" + bytes(18), r"a zip archive"),
        (b"[]\n", r"It is JSON"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12345\n",
            r"Git LFS.*git lfs pull",
        ),
        (bz2.compress(b"a,b\n"), r"compressed with bzip2\. Unpack it"),
        (bz2.compress(b""), r"compressed with bzip2\. Unpack it"),
        (b"PAR1\x15\x04\x15\x10", r"a Parquet file"),
        (b"GIF89a\x01\x00\x01\x00\x80\x00\x00", r"a GIF picture"),
        (b"%PDF-1.7\n", r"a PDF document"),
        (b"a,b\n1,2\n3,\x004\n" + b"5,6\n" * 90, r"Line 3 has a byte of value zero.*Export it again"),
        (b"a,b\r1,2\r3,\x004\r" + b"5,6\r" * 90, r"Line 3 has a byte of value zero"),
        (bytes(range(1, 32)) * 40, r"not text"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(UnreadableFile, match=told):
        process(tmp_path, content)


@pytest.mark.parametrize(
    "header",
    [
        *(
            "PAR1,PAR2",
            "PAR1;x",
            "BZh,n",
            "BZh9,n",
            "GIF8,n",
            "GIF89a,n",
            "Rar!,n",
            "%PDF,n",
            "Obj,n",
            "7z,n",
            "PK,n",
            "{\\rtf,n",
            "SQLite format 3,n",
        ),
        *("<meta>,n", "<table>;n", "<title>\tn", "<head> ,n", "<p>|n", "<table_name>,n", "<script/>,n", "<!DOCTYPE,n"),
        *("[1],n", "[a,b]", "{},n", "{x},n", "version,n", "sep=,n", "version https://git-lfs.github.com,n"),
    ],
)
def test_a_header_that_begins_as_other_files_do_is_a_header(tmp_path: Path, header: str) -> None:
    sign = next(each for each in ",;\t|" if each in header)
    made = process(tmp_path, lines(header, [f"1{sign}2", f"3{sign}4"]))
    assert made.rows == [header.split(sign), ["1", "2"], ["3", "4"]]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_line_of_a_quote_that_swallows_rows_is_named(tmp_path: Path, end: str) -> None:
    # The second quote closes it by chance, so nothing is wrong but the rows in between.
    rows = [f"{n},Title {n},{1990 + n}" for n in range(1, 60)]
    rows[9], rows[39] = '10,"Title 10,2000', '40,Title 40","2030"'
    with pytest.raises(UnreadableFile, match=r"A quote that opens on line 11 .*twice"):
        process(tmp_path, lines("id,title,year", rows).replace("\n", end))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('id,"name,v\n1,a,2\n2,b,3\n', 1),
        ('id,"name,v\n', 1),
        ('id,name,"v\n1,a,2\n2,b,3\n', 1),
        ('sep=;\nid;"name;v\n1;a;2\n2;b;3\n', 2),
        ('Title of it\nby X\nand Y\n\nid,"name,v\n1,a,2\n2,b,3\n', 5),
        # A later quote closes these by chance.
        ('id,"name,v\n1,a,2\n2,b",3\n3,c,4\n4,d,5\n', 1),
        ('id,"name,v\n1,a",2\n3,c,4\n4,d,5\n', 1),
        ('id,name,"v\n1,a,2\n2,b,3"\n4,c,4\n', 1),
        ('id,"name,v\n1,a,2\n2,b,3"\n', 1),
        ('id,"name,v\n1,a,2"\n', 1),
        ('id,"name,v\n1,a,2\n2,b,3"\n4,c\n', 1),
        ('# x\nid;"name;v\r\n1;a;2\r\n2;b;3"\r\n', 2),
        ('Report\n\nid,"name,v\n1,a,2\n2,b",3\n3,c,4\n4,d,5\n', 3),
        ('id,"name,v\n' + "1,some text,2\n" * 30_000 + '3,b",4\n5,c,6\n', 1),
    ],
)
def test_a_quote_of_the_header_that_is_not_closed_is_named(tmp_path: Path, content: str, line: int) -> None:
    with pytest.raises(UnreadableFile, match=f"A quote that opens on line {line} is not closed rightly"):
        process(tmp_path, content)


def test_text_behind_a_closing_quote_is_named_with_its_line(tmp_path: Path) -> None:
    rows = [f'{n},"Title {n}"' for n in range(1, 30)]
    rows[19] = '20,"Tit"le 20'
    with pytest.raises(UnreadableFile, match=r"opens on line 21 .*text follows directly on the quote"):
        process(tmp_path, lines("id,title", rows))


def test_a_cell_of_many_lines_that_is_closed_is_a_cell(tmp_path: Path) -> None:
    poem = "\n".join(f"line {n} of a poem, which goes on" for n in range(40))
    made = process(tmp_path, f'id,text,year\n1,"{poem}",2020\n2,short,2021\n')
    assert made.rows[1] == ["1", poem, "2020"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('id, n\n1, "a, b"\n2, "c, d"\n', 2),
        ('id;n\n0;x\n1;  "a; b"\n', 3),
        ('id\tn\n1\t "a\tb"\n2\t "c\td"\n', 2),
        ('id, "n, m"\n1,2,3\n', 1),
        ('id,n\n0,x\n1, "a\nb"\n', 3),
        (lines("id,n,m", [f"{n},x,y" for n in range(30)]) + '30, "x, y"\n', 32),
    ],
)
def test_a_blank_before_a_quote_that_is_meant_to_keep_a_delimiter_is_named(
    tmp_path: Path, content: str, line: int
) -> None:
    with pytest.raises(UnreadableFile, match=rf"Line {line} has a blank .* a quote.*Remove the blanks"):
        process(tmp_path, content)


@pytest.mark.parametrize("rows", [['1, "a"', '2, "b"'], ['1, "7 inch', '2, "8 inch', "3, x"], ['1, "7 inch', "2,x"]])
def test_a_blank_before_a_quote_that_keeps_no_delimiter_is_text(tmp_path: Path, rows: list[str]) -> None:
    assert process(tmp_path, lines("id,n", rows)).rows[1:] == [row.split(",") for row in rows]


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("id,comment,score", "Hi,\n- good, fast, cheap\n- small, light, neat\nBye"),
        ("id,comment,score", "Hi,\ngood,fast,cheap\nsmall,light,neat\nBye"),
        ("id,comment,score", "1, 2, 3\n4, 5, 6\n7, 8, 9\nend"),
        ("id,comment,score", "Ich habe\nBrot, Milch, Eier\n12 Uhr, Mittag, Essen\ngekauft"),
    ],
)
def test_prose_with_as_many_commas_as_the_table_is_a_cell(tmp_path: Path, header: str, cell: str) -> None:
    made = process(tmp_path, f'{header}\n1,"{cell}",5\n2,ok,4\n')
    assert made.rows == [header.split(","), ["1", cell, "5"], ["2", "ok", "4"]]


def test_a_cell_of_many_lines_beside_delimiters_alone_is_a_cell(tmp_path: Path) -> None:
    cell = "\n".join("abcdefgh")
    assert process(tmp_path, f'n\n"{cell}",\nx,\ny,\n').rows == [["n"], [cell], ["x"], ["y"]]


def test_prose_in_a_table_of_texts_is_a_cell(tmp_path: Path) -> None:
    cell = "Hi\ngood, fast, cheap\nsmall, light, neat\nBye"
    assert process(tmp_path, f'a,b,c\nx,"{cell}",z\nu,v,w\n').rows[1] == ["x", cell, "z"]


def test_rows_of_another_table_are_refused(tmp_path: Path) -> None:
    rows = [f"{n},x" for n in range(3)] + [f"{n},x,y,z" for n in range(3)] + ["1", "2", "3", "4"]
    with pytest.raises(UnreadableFile, match=r"another number of cells.*the first is on line \d+"):
        process(tmp_path, lines("a,b", rows))


def test_an_encoding_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    noise = bytes(128 + (7 * n * n + 31 * n) % 128 for n in range(400))
    with pytest.raises(UnreadableFile, match="Save it as UTF-8"):
        process(
            tmp_path, b"a,b\n" + b"".join(b"%s,%s\n" % (noise[n : n + 5], noise[n + 2 : n + 9]) for n in range(390))
        )


def test_the_command_names_the_file_and_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "page.csv").write_text("<html><body>Sign in</body></html>")
    assert main([str(tmp_path / "page.csv"), str(tmp_path / "out")]) == 65
    assert capsys.readouterr().err.startswith("csvreport: page.csv cannot be read as CSV. It is an HTML or XML page")
    assert not (tmp_path / "out").exists()
