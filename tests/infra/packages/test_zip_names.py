"""The names of a zip's entries are read as they were meant, and a file of another format is told as that."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from pathlib import Path

import pytest

from infra.packages.archive import check_zip, unzip
from infra.packages.archive_entries import ArchiveError


def zipped(path: Path, raw: bytes, *, utf8: bool = False, extra: bytes = b"") -> Path:
    """Make an archive with an entry of these very bytes as its name, in both of its headers."""
    stand_in = "n" * len(raw)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("setup.sh", b"1")
        entry = zipfile.ZipInfo(stand_in)
        entry.extra = extra
        archive.writestr(entry, b"2")
    data = bytearray(path.read_bytes())
    for header, flags, name in ((b"PK\3\4", 6, 30), (b"PK\1\2", 8, 46)):
        at = data.index(stand_in.encode()) - name if header == b"PK\3\4" else data.rindex(stand_in.encode()) - name
        assert data[at : at + 4] == header
        data[at + name : at + name + len(raw)] = raw
        if utf8:
            data[at + flags + 1] |= 0x08
    path.write_bytes(data)
    return path


def unicode_path(name: str, raw: bytes) -> bytes:
    content = b"\1" + zlib.crc32(raw).to_bytes(4, "little") + name.encode()
    return (0x7075).to_bytes(2, "little") + len(content).to_bytes(2, "little") + content


@pytest.mark.parametrize(
    ("raw", "utf8", "extra", "name"),
    [
        ("größe.txt".encode(), True, b"", "größe.txt"),
        ("größe.txt".encode(), False, b"", "größe.txt"),
        ("データ.csv".encode(), False, b"", "データ.csv"),
        ("größe.txt".encode("cp850"), False, unicode_path("größe.txt", "größe.txt".encode("cp850")), "größe.txt"),
        ("größe.txt".encode(), False, unicode_path("other.txt", b"other"), "größe.txt"),
        ("größe.txt".encode(), True, unicode_path("other.txt", "größe.txt".encode()), "größe.txt"),
        (b"plain.txt", False, unicode_path("other.txt", b"plain.txt"), "plain.txt"),
        ("数据".encode("gbk"), False, b"\1\0\0\0" + unicode_path("数据", "数据".encode("gbk")), "数据"),
    ],
)
def test_a_name_is_read_as_it_was_meant(tmp_path: Path, raw: bytes, utf8: bool, extra: bytes, name: str) -> None:
    archive = zipped(tmp_path / "names.zip", raw, utf8=utf8, extra=extra)
    assert check_zip(archive) == ["setup.sh", name]
    unzip(archive, tmp_path / "out")
    assert (tmp_path / "out" / name).read_bytes() == b"2"


@pytest.mark.parametrize(
    ("raw", "extra"),
    [
        ("数据.txt".encode("gbk"), b""),
        ("größe.txt".encode("cp850"), b""),
        ("größe.txt".encode("cp850"), unicode_path("größe.txt", b"another")),
    ],
)
def test_a_name_in_a_code_page_that_nobody_knows_is_refused(tmp_path: Path, raw: bytes, extra: bytes) -> None:
    archive = zipped(tmp_path / "names.zip", raw, extra=extra)
    for read in (check_zip, lambda path: unzip(path, tmp_path / "out")):
        with pytest.raises(
            ArchiveError, match=r"whose name is in the code page of some machine\. Zip it with names in UTF-8"
        ):
            read(archive)


@pytest.mark.parametrize("name", ["../evil", "/evil", "C:/evil"])
def test_a_name_in_an_extra_field_does_not_leave_the_folder_either(tmp_path: Path, name: str) -> None:
    raw = "größe".encode("cp850")
    with pytest.raises(ArchiveError, match="could leave its folder"):
        check_zip(zipped(tmp_path / "evil.zip", raw, extra=unicode_path(name, raw)))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive"),
        (b"Rar!\x1a\x07\1\0", "a RAR archive"),
        (gzip.compress(b"x", mtime=0), "compressed by gzip"),
        (bz2.compress(b"x"), "compressed by bzip2"),
        (lzma.compress(b"x"), "compressed by xz"),
        (b"a".ljust(257, b"\0") + b"ustar\00000", "a tar archive"),
        (b"<!DOCTYPE html><title>Sign in</title>", "a page in HTML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS"),
    ],
)
def test_an_archive_of_another_format_is_told_as_that(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "app.zip").write_bytes(content)
    with pytest.raises(ArchiveError, match=f"is .*{kind}.*, not a zip. [A-Z]"):
        check_zip(tmp_path / "app.zip")
