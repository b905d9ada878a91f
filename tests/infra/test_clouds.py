"""Azure's public cloud is taken by each of its names, and any other is refused before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra.recording import (
    Run,
    run_program,
    settings_of,
)


@pytest.mark.usefixtures("function_package")
@pytest.mark.parametrize("environment", ["AzureCloud", "Public", "public"])
def test_the_public_cloud_is_taken_by_each_of_its_names(artifact_cache: Path, environment: str) -> None:
    run = run_program({"artifactCache": str(artifact_cache), "azure-native:environment": environment})
    assert settings_of(run.one("web:WebApp"))["AZURE_RESOURCE_MANAGER_ENDPOINT"] == "https://management.azure.com"
    assert run.one("dynamic/web:OneDeploy").inputs["resource_manager"] == "https://management.azure.com"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("environment", "china"),
        ("environment", "usgovernment"),
        ("environment", "mars"),
        ("metadataHost", "management.example"),
        ("resourceManagerEndpoint", "https://management.example"),
    ],
)
def test_another_cloud_is_refused_before_anything_is_made(key: str, value: str) -> None:
    run = Run()
    with pytest.raises(ValueError, match=f"azure-native:{key} is '{value}'. Only Azure's public cloud is supported"):
        run_program({f"azure-native:{key}": value}, run)
    assert not run.resources
    assert not run.invokes


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ARM_ENVIRONMENT", "china"), ("AZURE_ENVIRONMENT", "usgov"), ("ARM_METADATA_HOSTNAME", "management.example")],
)
def test_another_cloud_in_the_environment_is_refused_too(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"{variable} is '{value}'. Only Azure's public cloud"):
        run_program({})
