"""A config that somebody wrote over on the share: a preview tells of it, and ``pulumi up`` puts it back by itself."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.engine.deployment import Deployment, FirstDeploy

CONFIG = "config/runtime.json"
FILE = "worker-config-config-runtime.json"
OTHERS = '{"args": ["--what", "an application likes"]}'


@pytest.fixture
def deployment(first_deploy: FirstDeploy) -> Deployment:
    """The deployed stack, which each test leaves as it was."""
    return first_deploy.deployment


def on_the_share(content: dict[str, Any]) -> str:
    """Return the key of the config in the cloud."""
    (key,) = [key for key, each in content["resources"].items() if (each["type"], each["name"]) in (("file", CONFIG),)]
    return str(key)


def text(deployment: Deployment) -> str:
    content = deployment.site.cloud.read()
    return str(content["resources"][on_the_share(content)]["text"])


def test_a_config_that_nobody_wrote_over_differs_in_nothing(deployment: Deployment) -> None:
    preview = deployment.preview()
    assert set(preview.summary) == {"same"}
    assert "what the stack put there" not in preview.text


def test_a_config_that_was_written_over_shows_in_a_preview_and_is_put_back_by_the_next_up(
    deployment: Deployment,
) -> None:
    declared = text(deployment)
    with deployment.site.cloud.open() as content:
        content["resources"][on_the_share(content)]["text"] = OTHERS
    preview = deployment.preview()
    assert preview.changes == {FILE: "update"}
    assert f"{CONFIG} on the share is not what the stack put there: somebody, such as an application" in preview.text
    assert hashlib.sha256(OTHERS.encode()).hexdigest() in preview.text
    assert text(deployment) == OTHERS

    assert deployment.up().changes == {FILE: "update"}
    assert text(deployment) == declared
    assert set(deployment.preview().summary) == {"same"}


def test_a_config_that_was_removed_is_put_back_by_the_next_up(deployment: Deployment) -> None:
    declared = text(deployment)
    with deployment.site.cloud.open() as content:
        del content["resources"][on_the_share(content)]
    assert deployment.preview().changes == {FILE: "update"}
    assert deployment.up().changes == {FILE: "update"}
    assert text(deployment) == declared


def test_the_group_is_told_what_the_configs_are(deployment: Deployment) -> None:
    """And nothing else than what is on the share, or no file would be run."""
    (group,) = [each for each in deployment.resources() if each["urn"].endswith("::worker-1")]
    (container,) = group["inputs"]["containers"]
    told = {each["name"]: each.get("value") for each in container["environmentVariables"]}
    assert told["APP_RUNTIME_CONFIG_SHA256"] == hashlib.sha256(text(deployment).encode()).hexdigest()
