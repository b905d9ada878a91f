"""The folder of an artifact holds what the archive of its hash does, whatever somebody puts there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.packages.archive import file_sha256
from infra.packages.archive_entries import ArchiveError
from infra.packages.artifact_cache import cache_is_current, refresh_cache
from tests.hostile.zips import FILE, zipped


def test_a_wrong_hash_is_refused_before_the_zip_is_even_looked_at(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(b"no zip at all")
    with pytest.raises(ArchiveError, match=r"has the SHA-256 [0-9a-f]{64}, not 0{64}\. Fetch the right one"):
        refresh_cache(archive, "0" * 64, tmp_path / "cache")
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip"}


def test_a_link_that_somebody_put_into_the_cache_has_it_made_again(tmp_path: Path) -> None:
    archive, cache = tmp_path / "a.zip", tmp_path / "cache"
    archive.write_bytes(zipped([("a", FILE, b"1")]))
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").write_bytes(b"victim")
    refresh_cache(archive, file_sha256(archive), cache)
    (cache / "link").symlink_to(tmp_path / "victim")
    assert not cache_is_current(cache, file_sha256(archive))
    assert refresh_cache(archive, file_sha256(archive), cache)
    assert [path.name for path in cache.iterdir()] == ["a"]
    assert (tmp_path / "victim" / "file").read_bytes() == b"victim"


@pytest.mark.parametrize("planted", ["cache", "record"])
@pytest.mark.parametrize("how", ["owner", "mode"])
def test_a_cache_that_another_user_has_or_could_have_filled_is_made_again(
    tmp_path: Path, planted: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, cache = tmp_path / "a.zip", tmp_path / "cache"
    archive.write_bytes(zipped([("a", FILE, b"1")]))
    refresh_cache(archive, file_sha256(archive), cache)
    (record,) = [path for path in tmp_path.iterdir() if path.name not in ("a.zip", "cache", "cache.lock")]
    chosen = cache if planted == "cache" else record
    assert cache_is_current(cache, file_sha256(archive))
    if how == "mode":
        chosen.chmod(0o777)
    elif os.getuid() == 0:
        os.chown(chosen, 54321, 54321)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert not cache_is_current(cache, file_sha256(archive))
    assert refresh_cache(archive, file_sha256(archive), cache)
    monkeypatch.undo()
    assert cache.stat().st_uid == os.getuid()
    assert cache_is_current(cache, file_sha256(archive))
