"""The image's version follows exactly what goes into the image."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.packages.image_sources import SOURCES, application_hash, build_hash

PROJECT = Path(__file__).parents[3]
ARGS = {"APP_ALIAS": "app", "APP_FILE": "app.py"}
FILES = (
    "Dockerfile",
    "__init__.py",
    "contract/names.py",
    "install.py",
    "printable.py",
    "programs.py",
    "requirements.txt",
    "rest/endpoint.py",
    "worker/loop.py",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / "pipeline_app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_each_file_of_the_image_changes_its_version(project: Path, name: str) -> None:
    before = build_hash(project, "a", ARGS)
    (project / "pipeline_app" / name).write_text("changed", encoding="utf-8")
    assert build_hash(project, "a", ARGS) != before


@pytest.mark.parametrize(
    "name", ["config/runtime.json", "sample/app.py", "worker/__pycache__/loop.pyc", "../README.md"]
)
def test_no_other_file_changes_its_version(project: Path, name: str) -> None:
    before = build_hash(project, "a", ARGS)
    path = project / "pipeline_app" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("new", encoding="utf-8")
    assert build_hash(project, "a", ARGS) == before


def test_the_artifact_and_each_argument_change_its_version(project: Path) -> None:
    hashes = {
        build_hash(project, "a", ARGS),
        build_hash(project, "b", ARGS),
        build_hash(project, "a", ARGS | {"APP_ALIAS": "other"}),
        build_hash(project, "a", ARGS | {"BASE_IMAGE": "python:3.13"}),
    }
    assert len(hashes) == 4
    assert all(re.fullmatch(r"[0-9a-f]{12}", each) for each in hashes)


def test_the_order_of_arguments_is_nothing(project: Path) -> None:
    assert build_hash(project, "a", ARGS) == build_hash(project, "a", dict(reversed(ARGS.items())))


def test_the_engine_is_sent_what_the_version_is_made_from_and_the_artifact() -> None:
    lines = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "**"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {".artifact_cache", *SOURCES}


def test_no_module_of_the_worker_is_left_behind() -> None:
    sent = {path for pattern in SOURCES for path in PROJECT.glob(pattern)}
    there = {path for folder in ("rest", "worker") for path in PROJECT.glob(f"pipeline_app/{folder}/**/*.py")}
    assert there - sent == set()
    # Docker would not look into a folder for such a pattern.
    assert [pattern for pattern in SOURCES if "**" in pattern] == []


def test_every_pattern_finds_a_file_of_this_project() -> None:
    assert [pattern for pattern in SOURCES if not list(PROJECT.glob(pattern))] == []


@pytest.mark.parametrize(
    "name", ["Dockerfile", "contract/names.py", "requirements.txt", "rest/endpoint.py", "worker/loop.py"]
)
def test_no_edit_of_the_worker_changes_what_the_installer_is_told(project: Path, name: str) -> None:
    before = application_hash(project, "a", ARGS)
    (project / "pipeline_app" / name).write_text("changed", encoding="utf-8")
    assert application_hash(project, "a", ARGS) == before


def test_the_artifact_the_arguments_and_how_it_is_installed_change_what_the_installer_is_told(project: Path) -> None:
    hashes = [
        application_hash(project, "a", ARGS),
        application_hash(project, "b", ARGS),
        application_hash(project, "a", ARGS | {"APP_ALIAS": "other"}),
    ]
    (project / "pipeline_app" / "install.py").write_text("changed", encoding="utf-8")
    hashes.append(application_hash(project, "a", ARGS))
    assert len(set(hashes)) == 4
