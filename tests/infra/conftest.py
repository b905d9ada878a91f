"""A run of the whole program, which many tests look at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from infra.packages.function_package import FunctionPackage
from tests.engine.standin.proxy import Proxy, running_proxy
from tests.infra.azure import Azure, new_azure
from tests.infra.recording import UPLOADER, Run, run_program


@pytest.fixture(scope="session")
def azure_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, dict[str, str]]]:
    """Azure's own addresses on this machine, and the environment that leads there."""
    authority = trustme.CA()
    certificate = tmp_path_factory.mktemp("azure") / "authority.pem"
    authority.cert_pem.write_to_path(certificate)
    with running_proxy(authority) as proxy:
        yield (
            proxy,
            {
                "HTTPS_PROXY": proxy.url,
                "NO_PROXY": "127.0.0.1,localhost",
                "REQUESTS_CA_BUNDLE": str(certificate),
                "SSL_CERT_FILE": str(certificate),
                "https_proxy": proxy.url,
                "no_proxy": "127.0.0.1,localhost",
            },
        )
    assert not proxy.refused


@pytest.fixture
def azure(azure_proxy: tuple[Proxy, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Azure:
    """A cloud with a site, its package and a share, which this process reaches at Azure's own addresses."""
    proxy, environment = azure_proxy
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return new_azure(proxy, tmp_path)


@pytest.fixture(scope="session")
def function_package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Stand in for the function's archive, whose making has its own tests and takes its time."""
    archive = tmp_path_factory.mktemp("function") / "function.zip"
    archive.write_bytes(b"function")
    package = FunctionPackage(path=archive, sha256=hashlib.sha256(b"function").hexdigest())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.wiring.function_archive", lambda _project: package)
        yield


@pytest.fixture(scope="session")
def artifact_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for unpacked artifacts, apart from the project's own."""
    return tmp_path_factory.mktemp("cache") / "artifact"


@pytest.fixture(scope="session")
def program(function_package: None, artifact_cache: Path) -> Run:
    """A run with the development stack's configuration and two container groups."""
    return run_program(
        {
            "artifactCache": str(artifact_cache),
            "containerGroupCount": "2",
            "exportConfigFile": "pipeline_app/config/export.json",
            "tags": '{"team": "files"}',
            "uploaderIds": UPLOADER,
            "vaultSecretsOfficerId": "11111111-2222-3333-4444-555555555555",
        }
    )
