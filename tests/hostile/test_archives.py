"""Whatever comes as an artifact: files below the folder and within the bounds, or one error and nothing outside."""

from __future__ import annotations

import stat
import struct
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infra.packages import archive_entries
from infra.packages.archive import check_zip, tree_sha256, unzip, zip_folder
from infra.packages.archive_entries import ArchiveError
from tests.hostile.cases import cases, counted
from tests.hostile.zips import BOUND, FILE, judge, place, unpacked, zipped

PARTS = st.sampled_from(
    ["", ".", "..", "...", "C:", "CON", "A", "a", "b", "\\", "\u00e9", "e\u0301", "-rf", "x" * 300, "\n", "\uffff", " "]
)
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
# Names, file modes and contents.
ENTRIES = st.lists(
    st.tuples(
        PATHS | st.text(max_size=10),
        st.sampled_from([0, FILE, stat.S_IFREG | 0o4777, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777, stat.S_IFIFO]),
        st.binary(max_size=20),
    ),
    max_size=5,
)


@given(ENTRIES)
@cases(60)
@counted
@example(entries=[("", FILE, b"")])
@example(entries=[("link", stat.S_IFLNK | 0o777, b"../victim"), ("link/file", FILE, b"evil")])
@example(entries=[("a", FILE, b""), ("a/b", FILE, b"")])
def test_any_entries_stay_in_the_folder_or_are_refused(entries: list[tuple[str, int, bytes]]) -> None:
    with place(zipped(entries)) as (archive, folder):
        reason = judge(archive, folder)
        if reason is None:
            there = [path for path in folder.rglob("*") if path.is_file()]
            assert len(there) == len([name for name, _, _ in entries if not name.endswith("/")])


@given(st.binary(max_size=100))
@cases(50)
@counted
def test_any_bytes_are_refused_with_the_one_error(content: bytes) -> None:
    with place(content) as (archive, folder):
        assert judge(archive, folder)
        with pytest.raises(ArchiveError):
            check_zip(archive)


@given(
    st.sampled_from([zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_STORED]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
    st.none() | st.integers(0, 400),
)
@cases(200)
@counted
def test_a_damaged_zip_is_unpacked_or_refused_with_the_one_error(
    compression: int, changes: list[tuple[int, int]], cut: int | None
) -> None:
    content = bytearray(zipped([("a/b.txt", FILE, b"content " * 20), ("\u00e9", FILE, b"other")], compression))
    for position, value in changes:
        content[position % len(content)] = value
    with place(bytes(content[:cut])) as (archive, folder):
        judge(archive, folder)


@given(st.dictionaries(st.text("abcAB/\u00e9 -", min_size=1, max_size=8), st.binary(max_size=50), max_size=5))
@cases(50)
@counted
def test_what_is_zipped_comes_out_again_or_is_refused_at_once(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder, archive, out = (Path(temporary, name) for name in ("folder", "folder.zip", "out"))
        folder.mkdir()
        for name, content in files.items():
            path = folder.joinpath(*[part for part in name.split("/") if part])
            if any(each.is_file() for each in path.parents) or path.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        there = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        plain = {name.casefold() for name in there}
        folders = {str(parent) for name in plain for parent in PurePosixPath(name).parents}
        if not there or len(plain) < len(there) or plain & folders:
            with pytest.raises(ArchiveError):
                zip_folder(folder, archive)
            assert not archive.exists()
            return
        zip_folder(folder, archive)
        check_zip(archive)
        unzip(archive, out)
        assert tree_sha256(out) == tree_sha256(folder)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["/etc/evil"], "could leave its folder"),
        (["C:/evil"], "could leave its folder"),
        (["\\\\server\\share\\evil"], "could leave its folder"),
        (["a/..\\..\\evil"], "could leave its folder"),
        (["a/../../evil"], "could leave its folder"),
        (["a/file:stream"], "could leave its folder"),
        ([""], "names no file"),
        (["."], "names no file"),
        (["README", "readme"], "'README' and 'readme', which are one file on some disks"),
        (["stra\u00dfe", "STRASSE"], "one file on some disks"),
        (["\u00e9", "e\u0301"], "one file on some disks"),
        (["a/./b", "a/b"], "twice"),
        (["a//b", "a/b"], "twice"),
        (["a", "A/b"], "as a file and as a folder"),
        (["a/b", "a"], "as a file and as a folder"),
    ],
)
def test_names_that_mean_another_place_are_refused_before_anything_is_written(names: list[str], reason: str) -> None:
    with place(zipped([("first", FILE, b"1"), *((name, FILE, b"evil") for name in names)])) as (archive, folder):
        with pytest.raises(ArchiveError, match=reason):
            check_zip(archive)
        assert reason in str(unpacked(archive, folder))
        assert not list(folder.iterdir())


@pytest.mark.parametrize("target", ["../victim", "/etc", "."])
def test_no_entry_passes_through_a_link_of_the_same_archive(target: str) -> None:
    entries = [("first", FILE, b"1"), ("way", stat.S_IFLNK | 0o777, target.encode()), ("way/file", FILE, b"evil")]
    with place(zipped(entries)) as (archive, folder):
        assert "'way', which is a link or a device" in str(unpacked(archive, folder))
        assert not list(folder.iterdir())


def test_no_entry_passes_through_a_link_that_is_there_already() -> None:
    with place(zipped([("way/file", FILE, b"evil")])) as (archive, folder):
        folder.mkdir()
        (folder / "way").symlink_to("../victim")
        assert "cannot be unpacked" in str(unpacked(archive, folder))


@pytest.mark.parametrize("name", ["CON", "NUL", "aux.txt", "com1", "-rf", "--help", "@file", "$(x)", "a\nb", "\u202ex"])
def test_names_that_mean_something_elsewhere_are_plain_files_here(name: str) -> None:
    with place(zipped([(name, FILE, b"plain")])) as (archive, folder):
        assert unpacked(archive, folder) is None
        assert [path.name for path in folder.iterdir()] == [name]
        assert (folder / name).read_bytes() == b"plain"


def test_a_bomb_by_ratio_is_refused_by_what_it_claims_before_anything_is_written() -> None:
    with place(zipped([(f"{number}", FILE, bytes(BOUND // 2)) for number in range(3)])) as (archive, folder):
        assert archive.stat().st_size < BOUND / 10
        assert f"more than {BOUND} bytes" in str(unpacked(archive, folder))
        assert not list(folder.iterdir())


def test_a_bomb_of_entries_that_share_their_bytes_is_refused() -> None:
    # All entries of the directory point to the data of the first; a few bytes each, they can be a hundred thousand.
    content = zipped([(f"{number:03}", FILE, bytes(1000)) for number in range(30)])
    directory = content.index(b"PK\1\2")
    head, tail = content[:directory], bytearray(content[directory:])
    at = tail.find(b"PK\1\2")
    while at >= 0:
        tail[at + 42 : at + 46] = struct.pack("<I", 0)
        at = tail.find(b"PK\1\2", at + 1)
    with place(head + bytes(tail)) as (archive, folder):
        assert judge(archive, folder)


@pytest.mark.parametrize("names", [[str(number) for number in range(51)], ["/".join(["d"] * 50)]])
def test_a_bomb_by_count_of_files_or_folders_is_refused(names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [(name, FILE, b"") for name in names]
    with place(zipped(entries)) as (archive, folder):
        monkeypatch.setattr(archive_entries, "MAX_ENTRIES", 49)
        assert "49" in str(unpacked(archive, folder))
        assert not list(folder.iterdir())
        monkeypatch.setattr(archive_entries, "MAX_ENTRIES", 51)
        assert unpacked(archive, folder) is None


def test_an_encrypted_entry_is_refused_by_name() -> None:
    content = bytearray(zipped([("secret", FILE, b"x")]))
    for magic, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(magic) + offset] |= 1
    with place(bytes(content)) as (archive, folder):
        assert "'secret', which is encrypted" in str(unpacked(archive, folder))
        with pytest.raises(ArchiveError, match="'secret', which is encrypted"):
            check_zip(archive)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_stream_that_cannot_be_decompressed_is_refused(compression: int) -> None:
    content = bytearray(zipped([("a", FILE, b"content " * 20)], compression))
    start, end = 31 if compression == zipfile.ZIP_DEFLATED else 40, content.index(b"PK\1\2")
    content[start:end] = b"\xff" * (end - start)
    with place(bytes(content)) as (archive, folder):
        assert judge(archive, folder)
        with pytest.raises(ArchiveError):
            check_zip(archive)


def test_a_name_that_is_no_text_is_refused() -> None:
    content = zipped([("\u00e9", FILE, b"x")]).replace("\u00e9".encode(), b"\xff\xfe")
    with place(content) as (archive, folder):
        assert judge(archive, folder)


def test_an_offset_beyond_any_file_is_refused() -> None:
    content = zipped([("a", FILE, b"x")])
    start = content.index(b"PK\1\2")
    directory = bytearray(content[start:])
    directory[42:46] = b"\xff" * 4
    field = struct.pack("<HHQ", 1, 8, 2**64 - 1)
    directory[30:32] = struct.pack("<H", len(field))
    directory[47:47] = field
    size = directory.index(b"PK\5\6") + 12
    directory[size : size + 4] = struct.pack("<I", size - 12)
    with place(content[:start] + bytes(directory)) as (archive, folder):
        assert judge(archive, folder)


@pytest.mark.parametrize("rest", [0, 1, 30, -1, -22])
def test_a_truncated_zip_is_refused(rest: int) -> None:
    content = zipped([("a", FILE, b"content of a" * 10)])
    with place(content[:rest]) as (archive, folder):
        assert judge(archive, folder)
