"""What holds files is neither replaced nor deleted while it is protected."""

from __future__ import annotations

import re
from typing import Final

import pytest

from tests.engine.deployment import ROOT, Deployment, NewSite, Run
from tests.engine.settings import CHANGES, changed, deployed, held, holders, other_topic, settings

Protected = tuple[Deployment, Run, set[str]]

TABLE: Final = (ROOT / "docs" / "changes.md").read_text(encoding="utf-8")
REFUSED: Final = sorted(re.findall(r"^\| `([\w:-]+)` \| .+? \| refused \|", TABLE, re.MULTILINE))


@pytest.fixture(scope="module")
def protected(new_site: NewSite) -> Protected:
    """The stack with its files protected, what that did, and what it asked of Azure."""
    deployment = deployed(new_site, "protected")
    deployment.configure(protectFiles="true")
    deployment.site.cloud.take_log()
    up = deployment.up()
    return deployment, up, {operation for operation, _ in deployment.site.cloud.take_log()}


def test_protection_changes_nothing_in_azure(protected: Protected) -> None:
    deployment, up, asked = protected

    assert set(up.summary) == {"same"}
    # Whoever deploys signs in to the registry each time, to see which image is there.
    assert asked == {"exchange", "file GET", "invoke", "listKeys", "token"}
    assert {name: each.get("protect") for name, each in holders(deployment).items()} == dict.fromkeys(
        holders(deployment), True
    )


@pytest.mark.parametrize("key", sorted(key for key in CHANGES if "Name" in key or "Container" in key or key == "tags"))
def test_a_preview_refuses_to_replace_what_is_protected_and_nothing_else(protected: Protected, key: str) -> None:
    deployment = protected[0]
    with other_topic(deployment), changed(deployment, **settings(key)):
        preview = deployment.try_preview()

    assert (preview.error is not None) == (key in REFUSED)
    if preview.error is not None:
        assert "as it is currently marked for protection" in preview.text


def test_the_table_has_what_is_refused() -> None:
    assert len(REFUSED) == 6


def test_an_update_that_would_replace_what_is_protected_leaves_it(
    protected: Protected,
) -> None:
    deployment = protected[0]
    before = held(deployment)
    with changed(deployment, storageContainer="other-files", protectFiles="true"):
        assert deployment.try_up().error is not None

    assert held(deployment) == before
    assert deployment.up().error is None


def test_protected_files_outlast_a_destroy_until_they_are_given_free(
    protected: Protected,
) -> None:
    deployment = protected[0]
    before = held(deployment)
    destroy = deployment.try_destroy()

    assert destroy.error is not None
    assert "because it is protected" in destroy.text
    assert "pulumi state unprotect" in destroy.text
    assert held(deployment) == before
    deployment.up()
    deployment.configure(protectFiles="false")
    deployment.up()
    deployment.destroy()
    assert deployment.site.cloud.read()["resources"] == {}
