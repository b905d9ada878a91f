"""The alerts: what they are declared with, and whom they notify."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra.recording import FROM_OUTPUT, Run, run_program

ACTION_GROUP = "/subscriptions/s/resourceGroups/g/providers/microsoft.insights/actionGroups/on-call"


def test_a_sweep_that_is_not_heard_of_counts_as_a_function_that_does_not_run(program: Run) -> None:
    rule = program.one("monitor:ScheduledQueryRule", "alerts-silent-sweep")
    (condition,) = rule.inputs["criteria"]["allOf"]
    assert (condition["operator"], condition["threshold"], condition["timeAggregation"]) == ("LessThan", 1, "Count")
    assert (rule.inputs["windowSize"], condition["failingPeriods"]["numberOfEvaluationPeriods"]) == ("PT30M", 1)
    # It would fire at once if it were there before the code that is to report.
    assert "function-code" in {urn.rpartition("::")[2] for urn in rule.request.dependencies}


@pytest.mark.parametrize(
    ("config", "window"),
    [
        ({"sweepSchedule": "0 */20 * * * *"}, "PT30M"),
        ({"sweepSchedule": "0 */30 * * * *"}, "PT45M"),
        ({"sweepSchedule": "0 0 * * * *"}, "PT2H"),
        ({"sweepSchedule": "0 0 3 * * *"}, "P2D"),
        ({"sweepSchedule": "0 0 3 * * MON"}, None),
        ({"alertSilentMinutes": "60"}, "PT1H"),
        ({"alertSilentMinutes": "0"}, None),
    ],
)
def test_silence_is_longer_than_the_schedule_lets_the_sweep_be_silent(
    function_package: None, artifact_cache: Path, config: dict[str, str], window: str | None
) -> None:
    run = run_program(config | {"artifactCache": str(artifact_cache)})
    rules = {each.name: each.inputs["windowSize"] for each in run.all("monitor:ScheduledQueryRule")}
    assert rules.get("alerts-silent-sweep") == window


def test_the_thresholds_are_those_of_the_configuration(function_package: None, artifact_cache: Path) -> None:
    config = {
        "alertBacklogEvents": "5",
        "alertBacklogJobs": "7",
        "alertFailedFiles": "3",
        "artifactCache": str(artifact_cache),
    }
    run = run_program(config)
    thresholds = {
        each.name: each.inputs["criteria"]["allOf"][0]["threshold"] for each in run.all("monitor:ScheduledQueryRule")
    }
    assert thresholds == {
        "alerts-backlog": 7,
        "alerts-failed-files": 3,
        "alerts-poisoned-messages": 0,
        "alerts-silent-sweep": 1,
        "alerts-unconfined-applications": 0,
        "alerts-unstartable-group": 0,
        "alerts-waiting-events": 5,
    }


def test_a_log_alert_looks_at_the_stack_s_own_workspace(program: Run) -> None:
    workspace = program.one("operationalinsights:Workspace").id
    for each in program.all("monitor:ScheduledQueryRule"):
        assert each.inputs["scopes"] == [workspace]
        assert each.inputs["skipQueryValidation"] is True
        assert each.inputs["enabled"] is True
        assert each.inputs["evaluationFrequency"] == "PT5M"
        (condition,) = each.inputs["criteria"]["allOf"]
        assert condition["operator"] == ("LessThan" if each.name == "alerts-silent-sweep" else "GreaterThan")
        assert condition["query"]


def test_the_backlog_has_to_stay_and_a_group_has_to_keep_failing(program: Run) -> None:
    backlog = program.one("monitor:ScheduledQueryRule", "alerts-backlog").inputs
    (condition,) = backlog["criteria"]["allOf"]
    assert (condition["timeAggregation"], condition["metricMeasureColumn"]) == ("Minimum", "Jobs")
    assert (condition["threshold"], backlog["windowSize"]) == (1000, "PT15M")
    group = program.one("monitor:ScheduledQueryRule", "alerts-unstartable-group").inputs
    (condition,) = group["criteria"]["allOf"]
    assert (condition["timeAggregation"], group["windowSize"]) == ("Count", "PT5M")
    assert condition["failingPeriods"] == {"minFailingPeriodsToAlert": 3, "numberOfEvaluationPeriods": 3}


def test_a_metric_alert_counts_what_the_stack_s_topic_could_not_deliver(program: Run) -> None:
    topic = program.one("eventgrid:SystemTopic").id
    metrics = set()
    for each in program.all("monitor:MetricAlert"):
        assert each.inputs["scopes"] == [topic]
        assert each.inputs["location"] == "global"
        (condition,) = each.inputs["criteria"]["allOf"]
        assert (condition["operator"], condition["threshold"], condition["timeAggregation"]) == (
            "GreaterThan",
            0,
            "Total",
        )
        metrics.add(condition["metricName"])
    assert metrics == {"DeadLetteredCount", "DroppedEventCount"}


def test_alerts_on_a_topic_that_somebody_else_made_go_by_that_topic(
    function_package: None, artifact_cache: Path
) -> None:
    run = run_program({"artifactCache": str(artifact_cache), "systemTopicName": "files0123-topic"})
    for each in run.all("monitor:MetricAlert"):
        assert each.inputs["scopes"] == [f"{FROM_OUTPUT}topic-of-somebody"]


def notified(run: Run) -> list[list[str]]:
    """Return the action groups of every alert."""
    logs = [each.inputs["actions"].get("actionGroups", []) for each in run.all("monitor:ScheduledQueryRule")]
    metrics = [
        [action["actionGroupId"] for action in each.inputs.get("actions", [])]
        for each in run.all("monitor:MetricAlert")
    ]
    return logs + metrics


def test_without_anybody_to_notify_the_alerts_are_there_all_the_same(program: Run) -> None:
    assert program.all("monitor:ActionGroup") == []
    assert notified(program) == [[]] * 9


def test_every_alert_notifies_the_given_group_and_the_addresses(function_package: None, artifact_cache: Path) -> None:
    config = {
        "actionGroupId": ACTION_GROUP,
        "alertEmails": "one@example.com, two@example.com",
        "artifactCache": str(artifact_cache),
    }
    run = run_program(config)
    group = run.one("monitor:ActionGroup")
    assert [each["emailAddress"] for each in group.inputs["emailReceivers"]] == ["one@example.com", "two@example.com"]
    assert len({each["name"] for each in group.inputs["emailReceivers"]}) == 2
    assert len(group.inputs["groupShortName"]) <= 12
    assert group.id.startswith(FROM_OUTPUT)
    assert notified(run) == [[ACTION_GROUP, group.id]] * 9
