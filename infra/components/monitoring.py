"""Where logs and telemetry go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_azure_native import applicationinsights, operationalinsights

from infra.components.placement import Placement

# Source: https://learn.microsoft.com/rest/api/loganalytics/workspaces/create-or-update
NO_CAP: Final = -1


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """``retention_days`` is how many days logs are kept.

    ``daily_cap_gb`` is how much is taken in on a day, in GB; None is any amount. What comes after it is dropped until
    the next day, so that alerts on logs see nothing.
    """

    daily_cap_gb: float | None
    placement: Placement
    retention_days: int


class Monitoring(pulumi.ComponentResource):
    """A Log Analytics workspace, and an Application Insights component on it that takes telemetry from roles only."""

    connection_string: pulumi.Output[str]
    insights_id: pulumi.Output[str]
    workspace_id: pulumi.Output[str]

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:Monitoring", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        workspace = operationalinsights.Workspace(
            f"{name}-logs",
            resource_group_name=args.placement.resource_group_name,
            retention_in_days=args.retention_days,
            sku=operationalinsights.WorkspaceSkuArgs(name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018),
            tags=args.placement.tags,
            # A cap that is taken out of the program would stay in Azure, so that there is none is said as well.
            workspace_capping=operationalinsights.WorkspaceCappingArgs(daily_quota_gb=args.daily_cap_gb or NO_CAP),
            opts=child,
        )
        insights = applicationinsights.Component(
            f"{name}-insights",
            application_type=applicationinsights.ApplicationType.WEB,
            disable_local_auth=True,
            ingestion_mode=applicationinsights.IngestionMode.LOG_ANALYTICS,
            kind="web",
            resource_group_name=args.placement.resource_group_name,
            tags=args.placement.tags,
            workspace_resource_id=workspace.id,
            # The provider gives both in plain, and the state would keep them so.
            opts=pulumi.ResourceOptions(
                additional_secret_outputs=["connection_string", "instrumentation_key"], parent=self
            ),
        )
        self.connection_string = pulumi.Output.secret(insights.connection_string)
        self.insights_id = insights.id
        self.workspace_id = workspace.id
        self.register_outputs({"insights_id": self.insights_id, "workspace_id": self.workspace_id})
