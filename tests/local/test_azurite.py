"""Storage accounts on Azurite."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil
import pytest
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient

from infra.local.azurite import LOCK_FOLDER, Access, StorageAccount, parse_access
from infra.local.processes import Supervisor
from tests.local.fakes import Eventually, new_key


def line(request: str, status: str = "201") -> str:
    return f'127.0.0.1 - - [24/Nov/2026:06:18:33 +0000] "{request} HTTP/1.1" {status} -'


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/c/in/a%20b.csv", "a/c/in/a b.csv"),
        ("/a/c/in/%C3%BC%E6%97%A5", "a/c/in/ü日"),
        ("/a/c/in/x%252Fy", "a/c/in/x%2Fy"),
        ("/a/c/in/h%23h", "a/c/in/h#h"),
        ("/a/c/in/p+p%2B", "a/c/in/p+p+"),
        ("/a/c/in/%22%27", "a/c/in/\"'"),
        ("/a/c/in/%3Fb%26c%3Dd", "a/c/in/?b&c=d"),
        ("/a/c/in//two/", "a/c/in//two/"),
        (f"/a/c/{'n' * 900}", f"a/c/{'n' * 900}"),
    ],
)
def test_blob_names_are_decoded_once(path: str, name: str) -> None:
    assert parse_access(line(f"PUT {path}")) == Access("PUT", name, {}, 201)


def test_a_signature_goes_no_further_than_the_parser() -> None:
    access = parse_access(line("PUT /a/c/b?se=2030&sig=BvA1x%2Fo%3D&comp=blocklist"))
    assert access
    assert access.query == {"comp": "blocklist", "se": "2030"}
    assert "BvA1x" not in repr(access)


@pytest.mark.parametrize("text", ["", "Azurite Blob service is closing...", line("PUT /a/c/b", "-"), '"PUT /a/c/b'])
def test_other_lines_are_no_access(text: str) -> None:
    assert parse_access(text) is None


def test_the_lock_pins_every_package_and_names_no_registry() -> None:
    text = (LOCK_FOLDER / "package-lock.json").read_text(encoding="utf-8")
    packages = json.loads(text)["packages"]
    assert packages.pop("")["dependencies"] == json.loads((LOCK_FOLDER / "package.json").read_text())["dependencies"]
    assert all(package["integrity"] for package in packages.values())
    assert "://registry" not in text
    assert '"resolved"' not in text


def test_uploads_are_heard_of_and_the_key_stays_out_of_the_log(account: StorageAccount, eventually: Eventually) -> None:
    heard: list[Access] = []
    account.listen(heard.append)
    with BlobServiceClient.from_connection_string(account.connection_string) as service:
        container = service.create_container("heard")
        container.upload_blob("in/ü #+%2F\"'.csv", b"x")
    eventually(lambda: Access("PUT", "testaccount/heard/in/ü #+%2F\"'.csv", {}, 201) in heard)
    assert account.key not in account.log.read_text(encoding="utf-8")


def test_an_azurite_that_dies_comes_back_on_its_ports_with_its_data(
    azurite_program: Path, supervisor: Supervisor, tmp_path: Path, eventually: Eventually
) -> None:
    account = StorageAccount("mortal", new_key(), tmp_path / "storage", tmp_path / "log")
    account.start(supervisor, azurite_program)
    before = account.connection_string
    with BlobServiceClient.from_connection_string(before, retry_total=0) as service:
        service.create_container("kept")
        (child,) = supervisor.running()
        (process,) = psutil.Process(child.pid).children()
        os.kill(process.pid, signal.SIGTERM)

        def is_back() -> bool:
            try:
                return [container.name for container in service.list_containers()] == ["kept"]
            except AzureError:
                return False

        eventually(lambda: [running.pid for running in supervisor.running()] not in ([], [child.pid]))
        eventually(is_back)
    assert account.connection_string == before
