"""The encoding of a file is recognised; whatever else it could be is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_app.sample.csvreport import plain
from pipeline_app.sample.csvreport.encodings import NAMES, decide
from pipeline_app.sample.csvreport.errors import UnreadableFile
from pipeline_app.sample.csvreport.scanning import scan
from tests.sample.inputs import process


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("utf-8", "Müller,Łódź"),
        ("utf-8-sig", "Müller,Łódź"),
        ("utf-16", "Müller,日本"),
        ("utf-32", "Müller,日本"),
        ("cp1252", "João,São Paulo\nJürgen,Köln\nIt\u2019s,5 €"),
        ("cp1250", "Łukasz,Łódź\nŻaneta,Kraków\nJiří,Třebíč"),
        ("cp1251", "Иван Петров,Москва\nИлья,Тверь"),
        ("koi8_r", "Иван Петров,Москва\nИлья,Тверь"),
        ("cp932", "山田太郎,東京都千代田区"),
        ("euc_jp", "山田太郎,東京都千代田区"),
        ("gb18030", "王小明,北京市朝阳区"),
        ("big5", "王小明,臺北市信義區"),
        ("cp949", "홍길동,서울특별시"),
        ("cp850", "João,São Paulo\nAntônio,Brasília"),
        ("cp852", "Jiří Dvořák,Třebíč\nŠárka,Plzeň"),
    ],
)
def test_a_file_is_read_by_its_encoding(tmp_path: Path, codec: str, text: str) -> None:
    made = process(tmp_path, f"id,place\n{text}\n".encode(codec))
    assert made.rows == [["id", "place"], *(line.split(",") for line in text.split("\n"))]
    assert f"Read as {made.summary['format']['encoding']}" in made.summary["decided"][0]


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp850", "Þór,Ísafjörður"),
        ("cp850", "Åsa Öberg,Umeå"),
        ("cp850", "1,£5\n2,£6"),
        ("cp852", "Győző,Kőszeg"),
        ("cp1254", "İbrahim Güneş,Eskişehir"),
        ("cp1255", "שלום,ישראל"),
        ("cp1253", "Γιώργος,Αθήνα"),
        ("iso8859_15", "1,5 €\n2,6 €"),
        ("iso8859_15", "Œuvre,Šimon"),
        ("mac_roman", "Müller,Ulm"),
    ],
)
def test_an_encoding_that_was_not_chosen_but_fits_is_told(tmp_path: Path, codec: str, text: str) -> None:
    made = process(tmp_path, f"id,place\n{text}\n".encode(codec))
    form = made.summary["format"]
    assert NAMES.get(codec, codec) in [form["encoding"], *form["encoding_others"]]
    if made.rows[1:] != [line.split(",") for line in text.split("\n")]:
        assert NAMES.get(codec, codec) in form["encoding_others"]
    for place in (made.summary["decided"][0], made.page(), " ".join(made.chart_texts())):
        assert "which is not certain" in place


@pytest.mark.parametrize(
    ("text", "told"),
    [
        # A space that does not break is the same in all encodings of Windows and of ISO.
        ("1\u00a0234,56\n2\u00a0345,67", set()),
        ("1\u00a0234,56 €\n2\u00a0345,67 €", {"Windows-1251"}),
        ("25 °C\n30 °C", set()),
        ("20 µg/m³\n21 µg/m³", {"Windows-1250", "ISO-8859-2"}),
        ("5 µm", {"ISO-8859-2"}),
        ("Zn [µg/L]\n1", {"ISO-8859-2"}),
        ("5 m³", {"Windows-1250", "ISO-8859-2"}),
        ("5±2", set()),
        ("±5%", set()),
        ("5\u00d72", {"Windows-1255"}),
        ("5 \u00d7 3 cm²", {"Windows-1250", "ISO-8859-2"}),
        ("1½", {"cp850", "ISO-8859-2"}),
        ("½ cup\n¼ cup", {"ISO-8859-15"}),
        ("nº 5", {"Windows-1250", "ISO-8859-2"}),
        ("1ª", {"Mac Roman"}),
        ("§ 5", {"cp866"}),
        ("¡Hola!", {"ISO-8859-2"}),
        ("¿Qué?", set()),
        ("¿Qué?\n20 µg/m³ de São João", set()),
        ("“so”\nit\u2019s", {"Mac Roman"}),
        ("©\u00a0ACME®", {"ISO-8859-2"}),
        ("Ø 10 mm", {"cp850"}),
    ],
)
def test_signs_of_western_files_are_read_and_what_else_they_may_be_is_told(
    tmp_path: Path, text: str, told: set[str]
) -> None:
    made = process(tmp_path, f"id;n\n0;x\n1;{text.replace(chr(10), chr(10) + '2;')}\n".encode("cp1252"))
    assert made.summary["format"]["encoding"] == "Windows-1252"
    assert [row[1] for row in made.rows[2:]] == text.split("\n")
    others = set(made.summary["format"]["encoding_others"])
    assert told <= others
    assert others <= told or told


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp932", "㈱山田商店/㈱東京/㈲佐藤"),
        ("cp932", "髙橋/㈱山田"),
        ("cp932", "2024年1月/2024年2月/￥1000"),
        ("cp932", "コード/ﾎﾞｰﾙﾍﾟﾝ 黒/消しｺﾞﾑ"),
        ("gb18030", "张伟/王芳/李娜/刘洋"),
        ("gb18030", "朱镕基/陶喆"),
        ("cp949", "金哲洙/서울"),
        ("cp850", "café/olé"),
        ("cp850", "Größe/Maße"),
        ("cp1254", "Bar\u0131ş/Alt\u0131nbaş"),
        ("cp932", "①/②"),
        ("cp1250", "Győző/Székesfehérvár"),
        ("cp1254", "Güneş/Iş\u0131k"),
        ("cp850", "Müller/Größe/Straße/Köln"),
        ("cp1255", "שלום ישראל/דוד כהן"),
        ("iso8859_6", "محمد أحمد/القاهرة"),
        ("mac_cyrillic", "Иван Петров/Москва"),
        ("iso8859_15", "Zoé/1 €"),
    ],
)
def test_few_words_are_enough_where_another_encoding_has_odd_ones(tmp_path: Path, codec: str, text: str) -> None:
    made = process(tmp_path, f"id,n\n1,{text.replace('/', chr(10) + '2,')}\n".encode(codec))
    assert [row[1] for row in made.rows[1:]] == text.split("/")


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("marks", [1, 2, 3])
def test_marks_before_marks_are_no_part_of_the_first_header(tmp_path: Path, codec: str, marks: int) -> None:
    made = process(tmp_path, ("\ufeff" * marks + "id,n\n1,Łódź\n").encode(codec))
    assert made.rows == [["id", "n"], ["1", "Łódź"]]


@pytest.mark.parametrize("codec", ["utf-16", "utf-32"])
@pytest.mark.parametrize("sample_bytes", [1 << 20, 16])
def test_a_zero_in_a_text_of_wide_characters_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, sample_bytes: int
) -> None:
    monkeypatch.setattr(plain, "SAMPLE_BYTES", sample_bytes)
    with pytest.raises(UnreadableFile, match=r"Line 3 has a character of value zero"):
        process(tmp_path, "id,n\r\n1,a\r\n2,b\0c\r\n3,d\r\n".encode(codec))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"id,n\n1,a\n" + b"\0" * 9000, "Line 3 has a byte of value zero"),
        (b"id,n\n1,a\n" + b"\0" * 3, "Line 3 has a byte of value zero"),
        (b"a\0b\0c\n1\x002\x003\n", "Line 1 has a byte of value zero"),
        (b"id\0name\n" + b"12\0Anna\n" * 900, "Line 1 has a byte of value zero"),
        ("氏名,住所\n山田,東京\n".encode("utf-16-le"), "UTF-16 .*without a byte order mark"),
        ("氏名,住所\n山田,東京\n".encode("utf-16-be"), "UTF-16 .*without a byte order mark"),
        ("a,b\r\n1,2\r\n".encode("utf-32-le"), "UTF-16 .*without a byte order mark"),
        ("a,b,c".encode("utf-16-le"), "UTF-16 .*without a byte order mark"),
    ],
)
def test_zeros_are_named_for_what_they_are(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(UnreadableFile, match=told):
        process(tmp_path, content)


@pytest.mark.parametrize(
    ("codec", "text", "others"),
    [
        ("iso2022_jp", "亜鐚,1", []),
        ("iso2022_jp", "山田太郎,東京都\n佐藤,大阪府", []),
        ("iso2022_jp_ext", "ﾔﾏﾀﾞ,1", []),
        ("iso2022_kr", "홍길동,서울", []),
        ("hz", "王小明,北京市\n张伟,上海", ["UTF-8"]),
        ("utf-7", "Müller,Köln", ["UTF-8"]),
        ("utf-7", "日本語,東京", ["UTF-8"]),
    ],
)
def test_letters_that_are_written_in_ascii_are_read(tmp_path: Path, codec: str, text: str, others: list[str]) -> None:
    content = f"a,b\n{text}\n".encode(codec)
    made = process(tmp_path, content)
    assert made.rows == [["a", "b"], *(line.split(",") for line in text.split("\n"))]
    assert made.summary["format"]["encoding_others"] == others


@pytest.mark.parametrize(
    "text",
    [
        "+49 30 1234,a",
        "+493012345678,+4930-1",
        "A+B,C+-D",
        "+Foo-Bar,+Tom",
        "~{name}~,x",
        "~{x~},~{",
        "x,~{ABCD",
        "+Aac-,x",
        "\x1b[31mred\x1b[0m,x",
        "+-,1",
    ],
)
def test_ascii_that_stands_for_itself_stays_what_it_is(tmp_path: Path, text: str) -> None:
    made = process(tmp_path, f"a,b\n{text}\n1,2\n")
    assert made.rows[1] == text.split(",")
    assert made.summary["format"]["encoding_others"] == []


def test_a_letter_in_ascii_is_found_behind_the_first_megabytes(tmp_path: Path) -> None:
    made = process(tmp_path, b"a,b\n" + b"1,+-\n" * 500_000 + "東京,1\n".encode("iso2022_jp"))
    assert made.rows[-1] == ["東京", "1"]


def test_an_encoding_in_ascii_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"ISO-2022-CN.*Save it as UTF-8"):
        process(tmp_path, b"a,b\n\x1b$)A\x0e=;;;\x0f,1\n")


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([("Müller", "utf-8", 20), ("Köln", "cp1252", 20)], "line 2 is UTF-8, and line 22 is not"),
        ([("Müller", "utf-8", 5), ("Köln", "cp1252", 40)], "line 2 is UTF-8, and line 7 is not"),
        ([("Köln", "cp1252", 3), ("Müller", "utf-8", 2)], "line 5 is UTF-8, and line 2 is not"),
        ([("Köln", "cp1252", 250_000), ("Müller", "utf-8", 2)], "line 250002 is UTF-8, and line 2 is not"),
        ([("Łódź", "cp1250", 9), ("Łódź", "utf-8", 3)], "line 11 is UTF-8, and line 2 is not"),
        ([("Москва", "cp1251", 9), ("Тверь", "utf-8", 3)], "line 11 is UTF-8, and line 2 is not"),
        ([("山田太郎", "cp932", 20), ("東京都", "utf-8", 3)], "line 22 is UTF-8, and line 2 is not"),
        ([("王小明", "gb18030", 20), ("北京市", "utf-8", 3)], "line 22 is UTF-8, and line 2 is not"),
        ([("Köln 5 €", "cp1252", 20), ("10 €", "utf-8", 3)], "line 22 is UTF-8, and line 2 is not"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_of_two_encodings_is_refused(
    tmp_path: Path, parts: list[tuple[str, str, int]], told: str, end: str
) -> None:
    content = b"id,name" + end.encode()
    for text, codec, count in parts:
        content += f"1,{text}{end}".encode(codec) * count
    path = tmp_path / "input.csv"
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=told):
        decide(scan(path))


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1252", "CAFÉ\u2122/Köln/Müller/Straße"),
        ("cp1251", "\u0417\u0456/Київ/Одеса/Наталія"),
        ("gb18030", "小/大/王小明/张伟/\u8bd7/\u8054/\u901a/北京市"),
        ("gb18030", "薇/蕙/王小明/张伟/北京市/上海"),
        ("cp949", "홍길동/김철수/이영희/서울/부산/빵"),
        ("cp932", "ﾔﾏﾀﾞ/山田太郎/東京都/ﾌ\uff71/佐藤"),
    ],
)
def test_letters_that_are_utf_8_by_chance_refuse_nothing(tmp_path: Path, codec: str, text: str) -> None:
    made = process(tmp_path, f"id,n\n1,{text.replace('/', chr(10) + '2,')}\n".encode(codec))
    assert [row[1] for row in made.rows[1:]] == text.split("/")
