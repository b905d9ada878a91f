"""The image is pushed with a token of the deployer's own, another one in each run, which is never a change."""

from __future__ import annotations

from typing import Any

import pytest

from infra.deployer.registry_sign_in import REMEDY
from tests.engine.deployment import Deployment, NewSite
from tests.engine.standin.registries import TOKEN_USER

TAG = "worker-image-latest"


@pytest.fixture(scope="module")
def deployment(new_site: NewSite) -> Deployment:
    return new_site("push").deployment()


def edit(deployment: Deployment) -> None:
    with (deployment.site.project / "pipeline_app" / "worker" / "loop.py").open("a", encoding="utf-8") as file:
        file.write("\n# edited\n")


def operations(deployment: Deployment) -> list[str]:
    """Return what registries were asked since the last time, and as whom an engine pushed."""
    found = [operation for operation, _ in deployment.site.cloud.take_log()]
    return [each for each in found if each in ("exchange", "token") or each.startswith(("manifest", "push as"))]


def password(deployment: Deployment) -> str:
    """Return what the state has of the last push's password."""
    resources: list[dict[str, Any]] = deployment.deciphered_state()["resources"]
    (image,) = [each for each in resources if each["type"] == "docker:index/image:Image"]
    assert image["inputs"]["registry"]["username"] == TOKEN_USER
    return str(image["inputs"]["registry"]["password"])


def test_a_preview_before_the_registry_is_there_asks_it_nothing(deployment: Deployment) -> None:
    deployment.preview()
    assert operations(deployment) == []


def test_whoever_may_not_push_is_told_before_anything_is_built(deployment: Deployment) -> None:
    with deployment.site.cloud.open() as content:
        content["registry_right"] = "pull"
    run = deployment.try_up()
    text = str(run.error)
    with deployment.site.cloud.open() as content:
        content["registry_right"] = "push"

    assert "The registry did not let the deployer push to " in text
    assert REMEDY in " ".join(text.split())
    assert "Traceback" not in text
    assert deployment.site.engine.read()["images"] == {}
    # Nobody falls back to the admin user, whose password is at hand.
    assert [each for each in operations(deployment) if each.startswith("push as")] == []


def test_the_deployer_pushes_as_itself_in_the_run_that_makes_the_registry(deployment: Deployment) -> None:
    deployment.up()

    pushes = [each for each in operations(deployment) if each.startswith("push as")]
    assert pushes == [f"push as {TOKEN_USER}"]
    assert deployment.site.cloud.read()["uploads"] == []


def test_another_token_is_no_change_and_is_what_the_next_push_takes(deployment: Deployment) -> None:
    first = password(deployment)
    operations(deployment)
    assert set(deployment.preview().summary) == {"same"}
    assert operations(deployment) == []
    assert set(deployment.up().summary) == {"same"}
    second = password(deployment)

    assert first != second
    assert operations(deployment) == ["exchange", "token"]
    # A token of an earlier run has ended, and yet the next run pushes.
    edit(deployment)
    assert deployment.up().changes.keys() >= {"worker-image", TAG}
    assert f"push as {TOKEN_USER}" in operations(deployment)
    assert password(deployment) not in (first, second)


def test_a_refresh_signs_in_to_read_the_tags_and_the_end_of_the_stack_does_not(deployment: Deployment) -> None:
    operations(deployment)
    assert set(deployment.refresh().summary) == {"same"}
    assert operations(deployment) == ["exchange", "token", "manifest HEAD", "manifest HEAD"]
    deployment.destroy()

    assert operations(deployment) == []
