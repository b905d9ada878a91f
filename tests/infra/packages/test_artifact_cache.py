"""The folder of an artifact changes only when its content does, as a whole, and is made again where it was changed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from infra.packages.archive import file_sha256
from infra.packages.archive_entries import ArchiveError
from infra.packages.artifact_cache import cache_is_current, refresh_cache
from tests.infra.packages.zips import make_zip


def test_the_cache_changes_only_when_the_content_differs(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"a": b"1"})
    cache = tmp_path / "cache"
    assert refresh_cache(archive, file_sha256(archive), cache)
    before = (cache / "a").stat().st_ino
    assert not refresh_cache(archive, file_sha256(archive).upper(), cache)
    assert (cache / "a").stat().st_ino == before
    newer = make_zip(tmp_path / "b.zip", {"b": b"2"})
    assert refresh_cache(newer, file_sha256(newer), cache)
    assert [each.name for each in cache.iterdir()] == ["b"]
    assert cache_is_current(cache, file_sha256(newer))
    assert not cache_is_current(cache, file_sha256(archive))


def test_a_cache_that_somebody_changed_is_made_again(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"a": b"1"})
    cache = tmp_path / "cache"
    refresh_cache(archive, file_sha256(archive), cache)
    (cache / "a").write_bytes(b"tampered")
    (cache / "extra").write_bytes(b"")
    assert not cache_is_current(cache, file_sha256(archive))
    assert refresh_cache(archive, file_sha256(archive), cache)
    assert {each.name: each.read_bytes() for each in cache.iterdir()} == {"a": b"1"}


def test_a_wrong_hash_leaves_the_cache_alone(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"a": b"1"})
    with pytest.raises(ArchiveError, match=f"not {'0' * 64}"):
        refresh_cache(archive, "0" * 64, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_bad_archive_leaves_the_cache_as_it_was(tmp_path: Path) -> None:
    good, bad = make_zip(tmp_path / "a.zip", {"a": b"1"}), make_zip(tmp_path / "b.zip", {"../b": b"2"})
    refresh_cache(good, file_sha256(good), tmp_path / "cache")
    with pytest.raises(ArchiveError):
        refresh_cache(bad, file_sha256(bad), tmp_path / "cache")
    assert cache_is_current(tmp_path / "cache", file_sha256(good))
    assert {each.name for each in tmp_path.iterdir()} == {"a.zip", "b.zip", "cache", "cache.json", "cache.lock"}


def test_two_at_once_leave_one_whole_cache(tmp_path: Path) -> None:
    archives = [make_zip(tmp_path / f"{n}.zip", {str(n): bytes([n]), "shared": bytes([n])}) for n in range(6)]
    errors: list[BaseException] = []

    def refresh(archive: Path) -> None:
        try:
            refresh_cache(archive, file_sha256(archive), tmp_path / "cache")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=refresh, args=(archive,)) for archive in archives]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sum(cache_is_current(tmp_path / "cache", file_sha256(archive)) for archive in archives) == 1
