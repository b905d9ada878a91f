"""The files that the configuration names are there and are what the deploy and the worker take."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from infra.settings.config import check
from tests.infra.settings.problems import problems


def test_a_file_that_cannot_prove_a_deploy_is_refused(project: Path) -> None:
    (problem,) = problems({"verifyFile": "gone.csv"}, project)
    assert problem.startswith("verifyFile is 'gone.csv': ")
    assert problem.endswith("Allowed: the path of a small file.")
    (project / "odd.").write_text("x")
    (problem,) = problems({"verifyFile": "odd."}, project)
    assert "is not a name that a blob can have" in problem
    with (project / "large.csv").open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    (problem,) = problems({"verifyFile": "large.csv"}, project)
    assert "at most 67,108,864 are taken" in problem


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "is not JSON"),
        (b"[]", "must be an object"),
        (b'{"argz": []}', "argz"),
        (b'{"args": ["{inputs}"]}', "inputs"),
        (b"\xff", "invalid start byte"),
        (b" " * (1024 * 1024 + 1), "1048577 bytes"),
    ],
)
def test_a_config_file_that_the_worker_would_refuse_is_refused_here(project: Path, content: bytes, reason: str) -> None:
    (project / "export.json").write_bytes(content)
    (problem,) = problems({"exportConfigFile": "export.json"}, project)
    assert problem.startswith("exportConfigFile is 'export.json': ")
    assert reason in problem


def test_a_missing_config_file_is_named(project: Path) -> None:
    (problem,) = problems({"runtimeConfigFile": "nowhere.json"}, project)
    assert "nowhere.json" in problem
    assert "No such file" in problem


def test_a_missing_or_damaged_artifact_is_named(project: Path) -> None:
    assert "There is no file" in problems({"artifactPath": "nowhere.zip"}, project)[0]
    (project / "broken.zip").write_bytes(b"PK")
    (problem,) = problems({"artifactPath": "broken.zip"}, project)
    assert problem.startswith("artifactPath is 'broken.zip': ")
    (project / "empty").mkdir()
    assert "holds no file" in problems({"artifactPath": "empty"}, project)[0]


def test_an_installer_or_a_program_that_the_artifact_has_not_is_named_before_anything_is_made(project: Path) -> None:
    with zipfile.ZipFile(project / "app.zip", "w") as archive:
        archive.writestr("bin/score", b"")
    for path, has in (("app.zip", "bin/score"), ("pipeline_app/sample", "app.py, install.sh")):
        settings = {"appFile": "score", "artifactPath": path}
        assert problems(settings | {"appInstallerFile": "setup.sh"}, project) == [
            f"appInstallerFile is 'setup.sh', but {path!r} has no such file: it has {has}. Allowed: one of its files, "
            "or '' where there is no installer."
        ]
        assert problems(settings | {"appInstallerFile": ""}, project) == [
            f"appFile is 'score', but {path!r} has no such file: it has {has}. Allowed: one of its files."
        ]
    check({"appFile": "./bin/score", "appInstallerFile": "", "artifactPath": "app.zip"}, project)


def test_an_artifact_to_fetch_needs_its_name_and_hash(project: Path) -> None:
    found = problems({"artifactPath": ""}, project)
    assert [each.split()[0] for each in found] == ["artifactName", "artifactSha256"]
    config = check({"artifactName": "app.zip", "artifactPath": "", "artifactSha256": "A" * 64}, project)
    assert config.artifact_name == "app.zip"


def test_a_hash_is_compared_with_a_local_zip_and_refused_for_a_folder(project: Path) -> None:
    with zipfile.ZipFile(project / "app.zip", "w") as archive:
        archive.writestr("a", b"")
    assert "has " in problems({"artifactPath": "app.zip", "artifactSha256": "a" * 64}, project)[0]
    assert "the folder" in problems({"artifactSha256": "a" * 64}, project)[0]


def test_a_path_may_begin_with_the_home_folder(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / "application").mkdir()
    (home / "application" / "install.sh").write_text("#!/bin/sh")
    monkeypatch.setenv("HOME", str(home))
    assert check({"artifactPath": "~/application"}, project).artifact_path == str(home / "application")


@pytest.mark.parametrize("path", ["missing.zip", "../missing", "~nobody-of-this-name/app.zip"])
def test_a_relative_path_that_is_not_there_is_told_with_where_it_begins(project: Path, path: str) -> None:
    (problem,) = problems({"artifactPath": path}, project)
    assert f"artifactPath is {path!r}: There is no file {project / path}" in problem
    assert "begins at the project's folder" in problem
