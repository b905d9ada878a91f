"""Alerts of Azure Monitor, and whom they notify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_azure_native import monitor

from infra.components.alert_rules import METRIC_RULES, LogAlert, MetricRule, log_alerts
from infra.components.events import UploadEvents
from infra.components.function_app import FunctionApp
from infra.components.monitoring import Monitoring
from infra.components.placement import Placement
from infra.settings.runner_limits import RunnerKind

EVALUATED_EVERY: Final = "PT5M"
# Azure Monitor answers that the scope of a rule cannot be updated.
# Source: https://github.com/pulumi/pulumi-azure-native/issues/4839
FIXED: Final = ["scopes"]
# Action groups and metric alerts live in no region.
GLOBAL: Final = "global"
METRIC_SEVERITY: Final = 1
SHORT_NAME: Final = "filepipeline"


@dataclass(frozen=True, kw_only=True)
class AlertsArgs:
    """What is watched, from how many waiting or failed things on, and who is told.

    ``function`` is there before what watches that it runs; ``silent_minutes`` of 0 leave that out. ``action_group_id``
    is the ARM id of an action group that is there already, or None; ``emails`` may be empty. Alerts that notify nobody
    show in the portal. ``runner`` is what runs the workers.
    """

    action_group_id: str | None
    backlog_events: int
    backlog_jobs: int
    emails: Sequence[str]
    events: UploadEvents
    failed_files: int
    function: FunctionApp
    monitoring: Monitoring
    placement: Placement
    runner: RunnerKind
    silent_minutes: int


class Alerts(pulumi.ComponentResource):
    """Rules on the metrics of Event Grid and on the logs, and an action group for the e-mail addresses, if any."""

    action_group_ids: pulumi.Output[Sequence[str]]

    def __init__(self, name: str, args: AlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:Alerts", name, None, opts)
        groups: list[pulumi.Input[str]] = [args.action_group_id] if args.action_group_id else []
        if args.emails:
            groups.append(_email_group(f"{name}-email", args, self).id)
        for rule_name, rule in METRIC_RULES.items():
            _metric_alert(f"{name}-{rule_name}", rule, args, groups, self)
        rules = log_alerts(
            backlog_events=args.backlog_events,
            backlog_jobs=args.backlog_jobs,
            failed_files=args.failed_files,
            runner=args.runner,
            silent_minutes=args.silent_minutes,
        )
        for rule_name, alert in rules.items():
            _log_alert(f"{name}-{rule_name}", alert, args, groups, self)
        self.action_group_ids = pulumi.Output.all(*groups)
        self.register_outputs({"action_group_ids": self.action_group_ids})


def _email_group(name: str, args: AlertsArgs, parent: pulumi.Resource) -> monitor.ActionGroup:
    return monitor.ActionGroup(
        name,
        email_receivers=[
            monitor.MicrosoftCommonEmailReceiverArgs(
                email_address=address, name=f"email-{number}", use_common_alert_schema=True
            )
            for number, address in enumerate(args.emails, start=1)
        ],
        enabled=True,
        group_short_name=SHORT_NAME,
        location=GLOBAL,
        resource_group_name=args.placement.resource_group_name,
        tags=args.placement.tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _log_alert(
    name: str, alert: LogAlert, args: AlertsArgs, groups: Sequence[pulumi.Input[str]], parent: pulumi.Resource
) -> monitor.ScheduledQueryRule:
    return monitor.ScheduledQueryRule(
        name,
        actions=monitor.ActionsArgs(action_groups=groups),
        auto_mitigate=True,
        criteria=monitor.ScheduledQueryRuleCriteriaArgs(
            all_of=[
                monitor.ConditionArgs(
                    failing_periods=monitor.ConditionFailingPeriodsArgs(
                        min_failing_periods_to_alert=alert.periods, number_of_evaluation_periods=alert.periods
                    ),
                    metric_measure_column=alert.measure,
                    # The SDK's ConditionOperator is that of another resource, whose words the service refuses here.
                    operator=monitor.Operator.LESS_THAN if alert.absence else monitor.Operator.GREATER_THAN,
                    query=alert.query,
                    threshold=alert.threshold,
                    time_aggregation=(
                        monitor.TimeAggregation.MINIMUM if alert.measure else monitor.TimeAggregation.COUNT
                    ),
                )
            ]
        ),
        description=alert.description,
        display_name=name,
        enabled=True,
        evaluation_frequency=EVALUATED_EVERY,
        kind=monitor.Kind.LOG_ALERT,
        resource_group_name=args.placement.resource_group_name,
        scopes=[args.monitoring.workspace_id],
        severity=alert.severity,
        # A new workspace does not know all tables yet.
        skip_query_validation=True,
        tags=args.placement.tags,
        window_size=alert.window,
        opts=pulumi.ResourceOptions(
            parent=parent,
            # What misses a line fires from its creation on, so whatever writes that line has to be there.
            depends_on=[args.function] if alert.absence else None,
            replace_on_changes=FIXED,
        ),
    )


def _metric_alert(
    name: str, rule: MetricRule, args: AlertsArgs, groups: Sequence[pulumi.Input[str]], parent: pulumi.Resource
) -> monitor.MetricAlert:
    return monitor.MetricAlert(
        name,
        actions=[monitor.MetricAlertActionArgs(action_group_id=group) for group in groups],
        auto_mitigate=True,
        criteria=monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs(
            all_of=[
                monitor.MetricCriteriaArgs(
                    criterion_type=monitor.CriterionType.STATIC_THRESHOLD_CRITERION,
                    metric_name=rule.metric,
                    name=rule.metric,
                    operator=monitor.Operator.GREATER_THAN,
                    threshold=0,
                    time_aggregation=monitor.AggregationTypeEnum.TOTAL,
                )
            ],
            odata_type=monitor.Odatatype.MICROSOFT_AZURE_MONITOR_SINGLE_RESOURCE_MULTIPLE_METRIC_CRITERIA,
        ),
        description=rule.description,
        enabled=True,
        evaluation_frequency=EVALUATED_EVERY,
        location=GLOBAL,
        resource_group_name=args.placement.resource_group_name,
        scopes=[args.events.topic_id],
        severity=METRIC_SEVERITY,
        tags=args.placement.tags,
        window_size=EVALUATED_EVERY,
        opts=pulumi.ResourceOptions(parent=parent, replace_on_changes=FIXED),
    )
