"""A stack of a release whose modules had other names: nothing changes, and it can still be taken down."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from infra.former import MODULES
from tests.engine.deployment import Deployment, NewSite


@pytest.fixture
def earlier(new_site: NewSite, tmp_path: Path) -> Deployment:
    """A stack that was deployed from modules of the former names, in a project that has those of today again."""
    deployment = new_site("former").deployment()
    infra = deployment.site.project / "infra"
    shutil.copytree(infra, tmp_path / "today")
    for former, present in MODULES.items():
        _module(infra, present).rename(_module(infra, former))
    for file in infra.parent.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        for former, present in MODULES.items():
            text = text.replace(f"from {present} import", f"from {former} import")
        file.write_text(text, encoding="utf-8")
    # Nothing may stand in for the modules that are there.
    (infra / "former.py").unlink()
    (infra / "__init__.py").write_text("", encoding="utf-8")
    deployment.up()
    providers = {each["inputs"]["__provider"] for each in deployment.deciphered_state()["resources"] if _own(each)}
    assert providers
    shutil.rmtree(infra)
    shutil.copytree(tmp_path / "today", infra)
    return deployment


def test_a_stack_of_the_former_names_is_unchanged_and_is_taken_down(earlier: Deployment) -> None:
    preview = earlier.preview()
    assert preview.changes == {}
    assert set(preview.summary) == {"same"}
    earlier.destroy()
    assert earlier.resources() == []


def test_a_stack_of_the_former_names_is_updated_in_place(earlier: Deployment) -> None:
    settings = earlier.site.project / "pipeline_app" / "config" / "runtime.json"
    settings.write_text(settings.read_text(encoding="utf-8").replace("\n", "\n\n", 1), encoding="utf-8")
    changes = earlier.up().changes
    assert changes["worker-config-config-runtime.json"] == "update"
    assert set(earlier.preview().summary) == {"same"}


def _module(infra: Path, name: str) -> Path:
    return infra.parent.joinpath(*name.split(".")).with_suffix(".py")


def _own(resource: dict[str, object]) -> bool:
    return str(resource["type"]).startswith("pulumi-python:dynamic")
