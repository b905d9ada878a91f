"""The triggers, as the Functions host sees them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import function_app
from pipeline_function.wakeups import RETRY_SECONDS

FUNCTION = Path(function_app.__file__).parent


@pytest.fixture(scope="module")
def bindings() -> dict[str | None, dict[str, Any]]:
    """Return each function's only binding by the function's name; an app can be asked for its functions once."""
    functions = function_app.app.get_functions()
    return {each.get_function_name(): json.loads(each.get_function_json())["bindings"][0] for each in functions}


def test_events_trigger_the_dispatch_through_the_contracts_connection(
    bindings: dict[str | None, dict[str, Any]],
) -> None:
    binding = bindings["dispatch"]
    assert binding["type"] == "queueTrigger"
    assert (binding["queueName"], binding["connection"]) == ("events", "APP_STORAGE_CONNECTION")


def test_the_sweep_runs_on_the_configured_schedule(bindings: dict[str | None, dict[str, Any]]) -> None:
    binding = bindings["sweep"]
    assert (binding["type"], binding["schedule"]) == ("timerTrigger", "%APP_SWEEP_SCHEDULE%")


def test_there_are_no_other_functions(bindings: dict[str | None, dict[str, Any]]) -> None:
    assert set(bindings) == {"dispatch", "sweep"}


def test_the_host_decodes_what_event_grid_encodes_and_gives_a_failed_event_four_more_tries() -> None:
    queues = json.loads((FUNCTION / "host.json").read_text())["extensions"]["queues"]
    assert queues["messageEncoding"] == "base64"
    assert (queues["maxDequeueCount"], queues["visibilityTimeout"]) == (5, "00:00:30")


def test_the_host_takes_a_wake_up_within_15_seconds_of_the_look_before_it() -> None:
    """Only then; its default would be a minute."""
    queues = json.loads((FUNCTION / "host.json").read_text())["extensions"]["queues"]
    assert queues["maxPollingInterval"] == "00:00:05"
    assert RETRY_SECONDS + 5 <= 15
