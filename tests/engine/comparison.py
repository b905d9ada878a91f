"""States and clouds without what is random in them, so that two of them can be compared."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from tests.engine.deployment import Deployment
from tests.engine.standin.wire import SIGNATURE

# What tells when, or in which order, something was stored.
PASSING: Final = frozenset({"created", "createdOn", "created_on", "modified", "sequenceNumber"})

# Two builds of the same content differ.
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")

UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def comparable_state(deployment: Deployment) -> dict[str, Any]:
    """Return the state's resources by name."""
    found = _without_random_names(deployment.resources(), deployment)
    return {each["urn"].rpartition("::")[2]: _lasting(each) for each in found}


def comparable_cloud(deployment: Deployment) -> dict[str, Any]:
    """Return what exists in the cloud of a stack that is alone in it."""
    content = deployment.site.cloud.read()
    found = _without_random_names([content["images"], content["resources"]], deployment)
    return dict(zip(("images", "resources"), _lasting(found), strict=True))


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        if SIGNATURE in value and "ciphertext" in value:
            return "secret"
        return {
            # What a resource depends on is a set.
            key: sorted(item) if key == "dependencies" else _lasting(item)
            for key, item in value.items()
            if key not in {*PASSING, "propertyDependencies"}
        }
    return [_lasting(item) for item in value] if isinstance(value, list) else value


def _without_random_names(value: Any, deployment: Deployment) -> Any:
    text = DIGEST.sub("sha256:digest", json.dumps(value).replace(str(deployment.site.folder), ""))
    for each in deployment.resources():
        name, logical = str(each.get("outputs", {}).get("name", "")), each["urn"].rpartition("::")[2]
        if re.fullmatch(re.escape(logical) + "[0-9a-f]{8}", name):
            # Keys are made from names, without their hyphens, and filled up to one length.
            text = re.sub(f"{re.escape(name.replace('-', ''))}0*", logical.replace("-", ""), text)
        # Roles and their assignments are called by nothing but a random number, and there are several in one place.
        if re.fullmatch(re.escape(logical) + "[0-9a-f]{8}", name) or UUID.fullmatch(name):
            text = text.replace(name, logical)
    return json.loads(UUID.sub("uuid", text))
