"""A deployed stack whose settings change for a while, and what of it holds something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import yaml

from tests.engine.deployment import Deployment, NewSite
from tests.infra.changed import CHANGED, LOCATION
from tests.infra.holding import HOLDERS, HOLDS_NOTHING

PROJECT: Final = "file-processing-pipeline"

# So that each setting has something to change.
BASE: Final = {
    "alertEmails": "operations@example.com",
    "containerGroupCount": "1",
    "uploaderIds": "22222222-2222-3333-4444-666666666666",
    "vaultSecretsOfficerId": "22222222-2222-3333-4444-555555555555",
}
CHANGES: Final = CHANGED | {LOCATION: "northeurope"}

# What cannot be set by itself is changed together with what it is about.
TOGETHER: Final = {
    "artifactPath": {"appInstallerFile": "install.py"},
    "imageRegistryId": {"imageReference": CHANGES["imageReference"]},
    "maxExecutions": {"runner": CHANGES["runner"]},
    "pollingSeconds": {"runner": CHANGES["runner"]},
    "queueLength": {"runner": CHANGES["runner"]},
    "replicaTimeoutSeconds": {"runner": CHANGES["runner"]},
    "resultRetentionDays": {"inputRetentionDays": CHANGES["inputRetentionDays"]},
    "workloadProfile": {"runner": CHANGES["runner"]},
}
TOPIC: Final = "azure-native:eventgrid:SystemTopic"


def deployed(new_site: NewSite, name: str) -> Deployment:
    """Deploy a development stack on a site of its own."""
    deployment = new_site(name).deployment()
    deployment.configure(**BASE)
    deployment.up()
    return deployment


@contextmanager
def changed(deployment: Deployment, **settings: str) -> Iterator[None]:
    """Have other settings in the stack's file for a while."""
    path = deployment.site.project / f"Pulumi.{deployment.name}.yaml"
    before = path.read_text(encoding="utf-8")
    content = yaml.safe_load(before)
    content["config"] |= {key if ":" in key else f"{PROJECT}:{key}": value for key, value in settings.items()}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


def holders(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """Return the resources that hold something, by their names in the program."""
    named = {each["urn"].rpartition("::")[2]: each for each in deployment.resources() if _holds(each["type"])}
    return {name: each for name, each in named.items() if name != HOLDS_NOTHING}


def held(deployment: Deployment) -> set[str]:
    """Return the ids of what holds something in the cloud."""
    ids = {key for key, each in deployment.site.cloud.read()["resources"].items() if _holds(each["type"])}
    return {each for each in ids if not re.fullmatch(rf".*/storageAccounts/{HOLDS_NOTHING}\w{{8}}", each)}


@contextmanager
def other_topic(deployment: Deployment) -> Iterator[None]:
    """Have a topic that systemTopicName may name: that of the account as it is now, by another name."""
    name = CHANGES["systemTopicName"]
    with deployment.site.cloud.open() as content:
        ((topic_id, topic),) = [(key, each) for key, each in content["resources"].items() if each["type"] == TOPIC]
        other_id = topic_id.replace(topic["name"], name)
        content["resources"][other_id] = topic | {"name": name}
    try:
        yield
    finally:
        with deployment.site.cloud.open() as content:
            del content["resources"][other_id]


def settings(key: str) -> dict[str, str]:
    """Return what is set to change a setting."""
    return {key: CHANGES[key], **TOGETHER.get(key, {})}


def _holds(kind: str) -> bool:
    return kind.removeprefix("azure-native:") in HOLDERS
