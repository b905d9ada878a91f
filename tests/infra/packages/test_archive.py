"""Zips are deterministic, and nothing but plain files comes out of one, below the folder and within the bound."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest

from infra.packages.archive import check_zip, file_sha256, unzip, zip_folder
from infra.packages.archive_entries import ArchiveError
from tests.infra.packages.zips import make_zip


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_dates_owners_and_order_on_disk_change_no_byte_of_a_zip(tmp_path: Path) -> None:
    one = fill(tmp_path / "one", {"a.txt": b"a", "b/c.txt": b"c"})
    other = fill(tmp_path / "other", {"b/c.txt": b"c", "a.txt": b"a"})
    os.utime(other / "a.txt", (1, 1))
    (other / "a.txt").chmod(0o600)
    fill(other, {"__pycache__/a.cpython-311.pyc": b"bytecode"})
    zip_folder(one, tmp_path / "one.zip")
    zip_folder(other, tmp_path / "other.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()


@pytest.mark.parametrize("change", ["content", "mode", "name"])
def test_content_mode_and_names_change_a_zip(tmp_path: Path, change: str) -> None:
    folder = fill(tmp_path / "folder", {"a.txt": b"a"})
    zip_folder(folder, tmp_path / "before.zip")
    if change == "content":
        (folder / "a.txt").write_bytes(b"b")
    elif change == "mode":
        (folder / "a.txt").chmod(0o755)
    else:
        (folder / "a.txt").rename(folder / "b.txt")
    zip_folder(folder, tmp_path / "after.zip")
    assert file_sha256(tmp_path / "before.zip") != file_sha256(tmp_path / "after.zip")


def test_an_executable_file_stays_executable(tmp_path: Path) -> None:
    folder = fill(tmp_path / "folder", {"install.sh": b"#!/bin/sh", "readme": b""})
    (folder / "install.sh").chmod(0o744)
    zip_folder(folder, tmp_path / "folder.zip")
    unzip(tmp_path / "folder.zip", tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out" / "install.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "out" / "readme").stat().st_mode) == 0o644


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "..\\evil", "C:evil", "a/..", "c:\\evil"])
def test_no_entry_leaves_the_folder(tmp_path: Path, name: str) -> None:
    archive = make_zip(tmp_path / "evil.zip", {name: b"evil"})
    with pytest.raises(ArchiveError, match="could leave its folder"):
        check_zip(archive)
    with pytest.raises(ArchiveError, match="could leave its folder"):
        unzip(archive, tmp_path / "sub" / "out")
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    archive = make_zip(tmp_path / "link.zip", {"link": b"/etc/passwd"}, kind | 0o777)
    with pytest.raises(ArchiveError, match="'link', which is a link or a device"):
        unzip(archive, tmp_path / "out")
    assert not (tmp_path / "out" / "link").exists()


def test_more_than_the_bound_is_not_unpacked(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "bomb.zip", {"zeros": bytes(1_000_000)})
    assert archive.stat().st_size < 5000
    unzip(archive, tmp_path / "enough", max_bytes=1_000_000)
    with pytest.raises(ArchiveError, match="more than 999999 bytes"):
        unzip(archive, tmp_path / "out", max_bytes=999_999)
    assert not (tmp_path / "out" / "zeros").exists()


def test_a_size_that_lies_gains_nothing(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "bomb.zip", {"zeros": bytes(1_000_000)})
    data = archive.read_bytes()
    archive.write_bytes(data.replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(ArchiveError, match="cannot be unpacked"):
        unzip(archive, tmp_path / "out", max_bytes=100)
    written = tmp_path / "out" / "zeros"
    assert not written.exists() or written.stat().st_size <= 100


def test_an_entry_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a", b"2")
    with pytest.raises(ArchiveError, match="'a' twice"):
        unzip(tmp_path / "twice.zip", tmp_path / "out")


def test_a_damaged_zip_is_found_before_anything_uses_it(tmp_path: Path) -> None:
    archive = tmp_path / "stored.zip"
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("a", b"content of a")
    archive.write_bytes(archive.read_bytes().replace(b"content of a", b"content of b"))
    with pytest.raises(ArchiveError, match="damaged"):
        check_zip(archive)


@pytest.mark.parametrize(("content", "reason"), [(b"", "not a zip"), (b"PK\3\4 cut off", "not a zip")])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "no.zip").write_bytes(content)
    with pytest.raises(ArchiveError, match=reason):
        check_zip(tmp_path / "no.zip")


def test_a_zip_without_files_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("folder/", b"")
    with pytest.raises(ArchiveError, match="holds no file"):
        check_zip(tmp_path / "empty.zip")


def test_a_folder_with_a_link_or_without_files_is_not_zipped(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ArchiveError, match="holds no file"):
        zip_folder(tmp_path / "folder", tmp_path / "out.zip")
    (tmp_path / "folder" / "link").symlink_to("/etc/passwd")
    with pytest.raises(ArchiveError, match="is a link"):
        zip_folder(tmp_path / "folder", tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_an_entry_with_backslashes_is_unpacked_into_its_folders(tmp_path: Path) -> None:
    archive = make_zip(
        tmp_path / "windows.zip", {"setup.sh": b"1", "bin\\app.sh": b"2", "empty\\": b"", "a/b\\c": b"3"}
    )
    check_zip(archive)
    unzip(archive, tmp_path / "out")
    found = {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert found == {"setup.sh": b"1", "bin/app.sh": b"2", "a/b/c": b"3"}


@pytest.mark.parametrize(
    "name", ["\\evil", "a\\..\\..\\evil", "\\\\server\\share\\evil", "C:\\evil", "C:/evil", "a/..\\..\\evil"]
)
def test_no_entry_with_backslashes_leaves_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchiveError, match="could leave its folder"):
        unzip(make_zip(tmp_path / "evil.zip", {name: b"evil"}), tmp_path / "sub" / "out")


def test_names_that_only_differ_in_the_slash_are_one_file(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="'a/b' twice"):
        unzip(make_zip(tmp_path / "two.zip", {"a/b": b"1", "a\\b": b"2"}), tmp_path / "out")


@pytest.mark.parametrize(("method", "name"), [(9, "Deflate64"), (93, "Zstandard"), (98, "PPMd"), (77, "method 77")])
def test_a_compression_that_is_not_read_is_named_with_the_way_out(tmp_path: Path, method: int, name: str) -> None:
    archive = make_zip(tmp_path / "other.zip", {"setup.sh": b"1"})
    data = archive.read_bytes()
    deflated = (8).to_bytes(2, "little")
    for header, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        at = data.index(header) + offset
        assert data[at : at + 2] == deflated
        data = data[:at] + method.to_bytes(2, "little") + data[at + 2 :]
    archive.write_bytes(data)
    reason = f"'setup.sh', compressed with {name}, .* Zip it with Deflate"
    with pytest.raises(ArchiveError, match=reason):
        check_zip(archive)
    with pytest.raises(ArchiveError, match=reason):
        unzip(archive, tmp_path / "out")
