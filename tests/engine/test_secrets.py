"""Keys, passwords, signatures and connection strings are seen by nobody who may read the state or the logs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.engine.deployment import FirstDeploy
from tests.engine.standin.wire import SIGNATURE

# The stand-in's marked secrets, in base64's alphabet or escaped, and what signatures and connection strings hold.
SECRETS: Final = re.compile(
    r"STAND.{1,3}IN.{1,3}SECRET.{0,40}|AccountKey=.{0,20}|SharedAccessSignature.{0,20}|[?&]sig="
)


@pytest.mark.parametrize("place", ["outputs", "preview", "state", "up"])
def test_no_secret_is_shown_in_plain(first_deploy: FirstDeploy, place: str) -> None:
    deployment = first_deploy.deployment
    text = {
        "outputs": lambda: json.dumps(deployment.outputs()),
        "preview": lambda: first_deploy.preview.text,
        "state": lambda: json.dumps(deployment.state()),
        "up": lambda: first_deploy.up.text,
    }[place]()

    assert len(text) > 500
    assert SECRETS.findall(text) == []


def test_no_secret_is_in_plain_in_any_file_that_the_engine_keeps(first_deploy: FirstDeploy) -> None:
    site = first_deploy.deployment.site
    folders = (site.folder / ".pulumi", Path(site.environment["PULUMI_HOME"]))
    kept = [path for folder in folders for path in folder.rglob("*") if path.is_file()]

    assert any(path.name == "dev.json" for path in kept)
    assert [path for path in kept if SECRETS.search(path.read_text(encoding="utf-8", errors="replace"))] == []


def test_the_state_holds_the_secrets_as_ciphertext(first_deploy: FirstDeploy) -> None:
    """See that the search above would find something, and that it is the encryption that keeps it from that."""
    sealed = set(_sealed("", first_deploy.deployment.resources()))

    assert SECRETS.search(json.dumps(first_deploy.deployment.deciphered_state()))
    assert {
        ".inputs.registry.password",
        ".outputs.__inputs",
        ".outputs.connectionString",
        ".outputs.instrumentationKey",
    } <= sealed, sorted(sealed)


def test_what_is_fetched_when_it_is_used_is_not_kept_even_as_ciphertext(first_deploy: FirstDeploy) -> None:
    """A token ends and a key is rotated: neither is any good in a state."""
    resources = (first_deploy.deployment.deciphered_state().get("resources")) or []
    dynamic = [each for each in resources if each["type"].startswith("pulumi-python:")]

    assert {each["urn"].rpartition("::")[2] for each in dynamic} >= {
        "function-code",
        "worker-config-config-runtime.json",
    }
    assert [each["urn"] for each in dynamic if SECRETS.search(json.dumps([each["inputs"], each["outputs"]]))] == []
    fetched = {"account_key", "registry_token", "token"}
    assert [each["urn"] for each in dynamic if fetched & {*each["inputs"], *each["outputs"]}] == []


def _sealed(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if SIGNATURE in value and "ciphertext" in value:
            yield path
        for key, item in value.items():
            yield from _sealed(f"{path}.{key}", item)
    elif isinstance(value, list):
        for item in value:
            yield from _sealed(path, item)
