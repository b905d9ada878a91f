"""Storage accounts on Azurite."""

from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest
from azure.core.exceptions import ServiceRequestError
from azure.storage.blob import BlobServiceClient

from infra.local.processes.supervisor import Supervisor
from infra.local.services.azurite import LOCK_FOLDER, Access, AzuriteError, StorageAccount, install, parse_access
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


def test_an_azurite_that_dies_is_not_started_again_and_its_loss_is_told(
    azurite_program: Path, supervisor: Supervisor, tmp_path: Path, eventually: Eventually
) -> None:
    losses: list[str] = []
    account = StorageAccount("mortal", new_key(), tmp_path / "storage", tmp_path / "log")
    account.start(supervisor, azurite_program, losses.append)
    (child,) = supervisor.running()
    (process,) = psutil.Process(child.pid).children()
    process.kill()
    eventually(lambda: losses == ["The storage account mortal (Azurite) ended by itself with exit code 137."])
    assert supervisor.running() == []
    # Whoever talks to it in this process learns so at once, since the taking down waits for them all.
    began = time.monotonic()
    with account.blobs() as service, pytest.raises(ServiceRequestError):
        service.get_service_properties()
    with account.queues() as service, pytest.raises(ServiceRequestError):
        service.get_service_properties()
    assert time.monotonic() - began < 5


def test_an_azurite_that_is_ended_loses_nothing_and_its_end_is_no_loss(azurite_program: Path, tmp_path: Path) -> None:
    losses: list[str] = []
    account = StorageAccount("orderly", new_key(), tmp_path / "storage", tmp_path / "log")
    for expected in ([], ["kept"]):
        supervisor = Supervisor(tmp_path / "processes.json", tmp_path / "beacon")
        try:
            account = StorageAccount(account.name, account.key, tmp_path / "storage", tmp_path / "log")
            account.start(supervisor, azurite_program, losses.append)
            with BlobServiceClient.from_connection_string(account.connection_string) as service:
                assert [container.name for container in service.list_containers()] == expected
                if not expected:
                    service.create_container("kept")
        finally:
            supervisor.close()
    assert losses == []


def test_without_a_network_the_first_run_says_what_it_needs(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    # The lock's packages come from wherever this says, and nobody listens there.
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_replace_registry_host", "always")
    with pytest.raises(AzuriteError, match=r"could not be fetched from the npm registry.* later runs need no network"):
        install(supervisor, tmp_path / "azurite", lambda _: None)


def test_no_terminal_obeys_the_log_of_a_storage_account(tmp_path: Path) -> None:
    made = StorageAccount("account", "key", tmp_path, tmp_path / "log")
    made._line("\x1b[31mred \u202e")
    assert (tmp_path / "log").read_text() == "\\x1b[31mred \\u202e\n"
