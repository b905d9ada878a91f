"""The Pulumi CLI is installed where its archive is what it has to be, and nothing of any other archive is used."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import io
import re
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra import pulumi_install
from infra.pulumi_install import PINS, Hosts, InstallError, archive_name, install, main, pin, read_pins

ROOT = Path(__file__).parents[2]
VERSION = "9.8.7"
ARCHIVE = f"pulumi-v{VERSION}-linux-x64.tar.gz"
LIST = f"lists/v{VERSION}/pulumi-{VERSION}-checksums.txt"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and may break off in the middle of one."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send a file, or as much of it as a mark beside it says."""
        limit = Path(f"{self.translate_path(self.path)}.bytes")
        outputfile.write(source.read(int(limit.read_text()) if limit.exists() else -1))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder that is served, with the archive of a release and the list of its hashes."""
    folder = tmp_path / "site"
    (folder / "archives").mkdir(parents=True)
    (folder / LIST).parent.mkdir(parents=True)
    return folder


@pytest.fixture
def hosts(site: Path) -> Iterator[Hosts]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield Hosts(archives=f"{url}/archives/", lists=f"{url}/lists/")
        server.shutdown()


def archived(site: Path, **files: str) -> str:
    """Put up an archive with commands by name, and return its SHA-256."""

    def fill(archive: tarfile.TarFile) -> None:
        for name, text in files.items():
            member = tarfile.TarInfo(f"pulumi/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))

    return put(site, fill)


def put(site: Path, fill: Callable[[tarfile.TarFile], None]) -> str:
    path = site / "archives" / ARCHIVE
    with tarfile.open(path, "w:gz") as archive:
        fill(archive)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def published(site: Path, digest: str, name: str = ARCHIVE) -> None:
    others = f"{'0' * 64}  pulumi-v{VERSION}-windows-x64.zip\n"
    (site / LIST).write_text(f"{others}{digest}  {name}\n")


def test_an_archive_that_is_the_pinned_one_is_installed_whatever_the_release_says(
    site: Path, hosts: Hosts, tmp_path: Path
) -> None:
    digest = archived(site, pulumi="cli", **{"pulumi-language-python": "host"})
    told = install(tmp_path / "bin", VERSION, ARCHIVE, {ARCHIVE: digest}, hosts)
    assert "its SHA-256 is the one in pulumi-cli.sha256." in told
    found = {path.name: (path.read_text(), path.stat().st_mode & 0o777) for path in (tmp_path / "bin").iterdir()}
    assert found == {"pulumi": ("cli", 0o755), "pulumi-language-python": ("host", 0o755)}


def test_another_archive_than_the_pinned_one_is_refused_and_changes_nothing(
    site: Path, hosts: Hosts, tmp_path: Path
) -> None:
    other = archived(site, pulumi="intruder")
    # Whoever changed the archive could have changed the release's list as well.
    published(site, other)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").write_text("before")
    with pytest.raises(InstallError, match=rf"has the SHA-256 {other}, and it has to be {'1' * 64}"):
        install(tmp_path / "bin", VERSION, ARCHIVE, {ARCHIVE: "1" * 64}, hosts)
    assert [path.name for path in (tmp_path / "bin").iterdir()] == ["pulumi"]
    assert (tmp_path / "bin" / "pulumi").read_text() == "before"


def test_a_version_that_is_not_pinned_goes_by_the_release_s_own_list(site: Path, hosts: Hosts, tmp_path: Path) -> None:
    digest = archived(site, pulumi="cli")
    published(site, digest)
    told = install(tmp_path / "bin", VERSION, ARCHIVE, {"pulumi-v9.8.6-linux-x64.tar.gz": "1" * 64}, hosts)
    assert "the release's own list has" in told
    assert "pulumi_install --pin" in told
    published(site, "2" * 64)
    with pytest.raises(InstallError, match=f"it has to be {'2' * 64}"):
        install(tmp_path / "other", VERSION, ARCHIVE, {}, hosts)
    assert not list((tmp_path / "other").iterdir())


@pytest.mark.parametrize("text", [None, "", "<html>Sign in to this network</html>\n"], ids=["none", "empty", "page"])
def test_without_a_hash_nothing_is_fetched_or_installed(
    site: Path, hosts: Hosts, tmp_path: Path, text: str | None
) -> None:
    archived(site, pulumi="cli")
    if text is not None:
        (site / LIST).write_text(text)
    with pytest.raises(InstallError, match=r"cannot be fetched|has no pulumi-v9|is none of a list"):
        install(tmp_path / "bin", VERSION, ARCHIVE, {}, hosts)
    assert not (tmp_path / "bin").exists()


def test_a_download_that_breaks_off_is_told_and_not_used(site: Path, hosts: Hosts, tmp_path: Path) -> None:
    digest = archived(site, pulumi="cli" * 1000)
    (site / "archives" / f"{ARCHIVE}.bytes").write_text("20")
    with pytest.raises(InstallError, match=r"broke off after 20 of|cannot be fetched"):
        install(tmp_path / "bin", VERSION, ARCHIVE, {ARCHIVE: digest}, hosts)
    assert not list((tmp_path / "bin").iterdir())


def test_what_is_too_large_is_not_written_to_the_end(
    site: Path, hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = archived(site, pulumi="cli")
    monkeypatch.setattr(pulumi_install, "LARGEST_ARCHIVE", 10)
    with pytest.raises(InstallError, match="has more than 10 bytes"):
        install(tmp_path / "bin", VERSION, ARCHIVE, {ARCHIVE: digest}, hosts)


def test_of_an_archive_its_commands_alone_are_unpacked(site: Path, hosts: Hosts, tmp_path: Path) -> None:
    def fill(archive: tarfile.TarFile) -> None:
        link = tarfile.TarInfo("pulumi/pulumi-link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name in ("pulumi/../../outside", "/pulumi/pulumi-absolute", "pulumi/bin/pulumi-deep", "pulumi/LICENSE"):
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
        member = tarfile.TarInfo("pulumi/pulumi")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"cli"))

    install(tmp_path / "bin", VERSION, ARCHIVE, {ARCHIVE: put(site, fill)}, hosts)
    assert [path.name for path in (tmp_path / "bin").iterdir()] == ["pulumi"]
    assert not list(tmp_path.rglob("outside"))


def test_an_archive_without_the_cli_replaces_nothing(site: Path, hosts: Hosts, tmp_path: Path) -> None:
    digest = archived(site, **{"pulumi-language-python": "host"})
    with pytest.raises(InstallError, match="is no archive of the CLI"):
        install(tmp_path / "bin", VERSION, ARCHIVE, {ARCHIVE: digest}, hosts)
    assert not list((tmp_path / "bin").iterdir())


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("Darwin", "arm64", f"pulumi-v{VERSION}-darwin-arm64.tar.gz"),
        ("Linux", "aarch64", f"pulumi-v{VERSION}-linux-arm64.tar.gz"),
        ("Linux", "x86_64", ARCHIVE),
    ],
)
def test_each_platform_has_its_archive(system: str, machine: str, name: str) -> None:
    assert archive_name(VERSION, system, machine) == name


@pytest.mark.parametrize(("system", "machine"), [("Windows", "AMD64"), ("Linux", "riscv64")])
def test_a_platform_without_an_archive_is_told(system: str, machine: str) -> None:
    with pytest.raises(InstallError, match=f"no Pulumi CLI for {system} on {machine}"):
        archive_name(VERSION, system, machine)


def test_a_release_s_hashes_are_pinned_for_every_platform_at_once(site: Path, hosts: Hosts, tmp_path: Path) -> None:
    file = tmp_path / "pins"
    file.write_text(f"# What this is.\n{'3' * 64}  pulumi-v9.8.6-linux-x64.tar.gz\n")
    published(site, "4" * 64)
    with pytest.raises(InstallError, match="has not all of"):
        pin(VERSION, hosts, file)
    names = [f"pulumi-v{VERSION}-{each}.tar.gz" for each in ("darwin-arm64", "darwin-x64", "linux-arm64", "linux-x64")]
    (site / LIST).write_text("".join(f"{'5' * 64}  {name}\n" for name in [*names, "pulumi.sbom"]))
    pin(VERSION, hosts, file)
    assert file.read_text().splitlines()[0] == "# What this is."
    assert read_pins(file.read_text()) == dict.fromkeys(names, "5" * 64)


def test_what_is_pinned_is_the_version_of_the_sdk() -> None:
    version = importlib.metadata.version("pulumi")
    assert f"pulumi=={version}\n" in (ROOT / "requirements.in").read_text(encoding="utf-8")
    names = read_pins(PINS.read_text(encoding="utf-8"))
    assert {re.sub(r"^pulumi-v(.+?)-(darwin|linux)-.*", r"\1", name) for name in names} <= {version}


def test_the_command_says_what_went_wrong(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert main([]) == 1
    assert "pulumi_install: There is no Pulumi CLI for" in capsys.readouterr().err


def test_make_installs_the_cli_by_nothing_else() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^pulumi: .*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe == "\t@$(BIN)/python -m infra.pulumi_install\n"
