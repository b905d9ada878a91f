"""How long files are kept: rules by which the storage accounts delete what has not been changed for so many days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_azure_native import storage

from infra.components.placement import Placement
from infra.components.storage import ApplicationStorage, ArtifactStorage
from pipeline_app.contract import StorageNames

# Nothing else can be deleted by rules; whoever uploads page blobs has to delete them.
# Source: https://learn.microsoft.com/azure/storage/blobs/lifecycle-management-policy-structure
BLOB_TYPES: Final = ("appendBlob", "blockBlob")

# Where the stack puts the function's packages. What the app runs is its own copy beside them, released-package.zip,
# which no rule may reach: a rule can name what it takes, and nothing that it leaves out.
# Source: https://learn.microsoft.com/azure/azure-functions/functions-infrastructure-as-code
PACKAGES_PATH: Final = "uploads/"

# An account has one policy at most, of this name.
# Source: https://learn.microsoft.com/rest/api/storagerp/management-policies/create-or-update
POLICY_NAME: Final = "default"


@dataclass(frozen=True, kw_only=True)
class RetentionArgs:
    """Days that each kind of blob is kept after its last change; 0 is for ever."""

    artifacts: ArtifactStorage
    dead_letter_days: int
    input_days: int
    names: StorageNames
    package_days: int
    placement: Placement
    result_days: int
    storage: ApplicationStorage


class Retention(pulumi.ComponentResource):
    """A policy on each account that something is to be deleted from, and none on the others."""

    def __init__(self, name: str, args: RetentionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:Retention", name, None, opts)
        files, artifacts, names = args.storage, args.artifacts, args.names
        rules = {
            "deadLetters": (args.dead_letter_days, pulumi.Output.concat(files.dead_letter_container_name, "/")),
            "inputs": (args.input_days, pulumi.Output.concat(files.container_name, f"/{names.input_path}/")),
            "results": (args.result_days, pulumi.Output.concat(files.container_name, f"/{names.output_path}/")),
        }
        packages = pulumi.Output.concat(artifacts.package_container_name, "/", PACKAGES_PATH)
        of_artifacts = {"packages": (args.package_days, packages)}
        _policy(f"{name}-files", files.account_name, rules, args.placement, self)
        _policy(f"{name}-artifacts", artifacts.account_name, of_artifacts, args.placement, self)
        self.register_outputs({})


def _policy(
    name: str,
    account_name: pulumi.Input[str],
    rules: Mapping[str, tuple[int, pulumi.Input[str]]],
    placement: Placement,
    parent: pulumi.Resource,
) -> None:
    """Declare a policy with those rules, days and prefix by name, that delete anything; one without any is refused."""
    wanted = [_rule(rule, days, prefix) for rule, (days, prefix) in rules.items() if days]
    if not wanted:
        return
    storage.ManagementPolicy(
        name,
        account_name=account_name,
        management_policy_name=POLICY_NAME,
        policy=storage.ManagementPolicySchemaArgs(rules=wanted),
        resource_group_name=placement.resource_group_name,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _rule(name: str, days: int, prefix: pulumi.Input[str]) -> storage.ManagementPolicyRuleArgs:
    after_creation = storage.DateAfterCreationArgs(days_after_creation_greater_than=days)
    return storage.ManagementPolicyRuleArgs(
        definition=storage.ManagementPolicyDefinitionArgs(
            actions=storage.ManagementPolicyActionArgs(
                base_blob=storage.ManagementPolicyBaseBlobArgs(
                    delete=storage.DateAfterModificationArgs(days_after_modification_greater_than=days)
                ),
                # A blob stays for as long as snapshots or versions of it do, so these go by the same rule.
                snapshot=storage.ManagementPolicySnapShotArgs(delete=after_creation),
                version=storage.ManagementPolicyVersionArgs(delete=after_creation),
            ),
            filters=storage.ManagementPolicyFilterArgs(blob_types=list(BLOB_TYPES), prefix_match=[prefix]),
        ),
        enabled=True,
        name=name,
        type=storage.RuleType.LIFECYCLE,
    )
