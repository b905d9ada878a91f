"""How a throw-away stack is configured: small, short-lived, and so that no protection keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from infra.settings import config

LOCATION: Final = "azure-native:location"
PROJECT: Final = Path(__file__).parents[2]

# What a throw-away stack sets, where this version of the program has the setting.
OWN: Final = {
    # A protected account could not be destroyed.
    "protectFiles": "false",
    # Once a year: what a sweep finds would hide that an event was lost.
    "sweepSchedule": "0 0 0 1 1 *",
    "tags": '{"purpose": "acceptance"}',
    "vaultRetentionDays": "7",
    # The questions see more than the check at the end of a deploy, which would end them before they begin.
    "verifyDeploy": "false",
}


def stack_config(given: Mapping[str, str], project: Path = PROJECT) -> dict[str, str]:
    """Return the stack's whole configuration by qualified key; what is given wins.

    The region is the development stack's where none is given. Keys without a namespace are the program's own.
    """
    name = yaml.safe_load((project / "Pulumi.yaml").read_text(encoding="utf-8"))["name"]
    development = yaml.safe_load((project / "Pulumi.dev.yaml").read_text(encoding="utf-8"))["config"]
    settings = {LOCATION: str(development[LOCATION])}
    settings |= {f"{name}:{key}": value for key, value in OWN.items() if key in config.KEYS}
    return settings | {key if ":" in key else f"{name}:{key}": value for key, value in given.items()}
