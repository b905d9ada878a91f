"""What ``start`` answers in each state of a group."""

from __future__ import annotations

import contextlib

from infra.acceptance.asking import Question, Seen
from infra.acceptance.groups import Wanted, probe_group
from infra.acceptance.site import Site

# What the function takes for "it will run", and what it tries again later.
EXPECTED = {
    "Failed": {202},
    "Pending": {202, 204, 409},
    "Running": {204},
    "Stopped": {202},
    "Succeeded": {202},
}


def _ask(site: Site) -> Seen:
    seen: dict[str, str] = {}
    statuses: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        groups = {
            name: stack.enter_context(
                probe_group(site, f"acceptance-start-{name}", Wanted(arguments=arguments, probe="end"))
            )
            for name, arguments in (("failed", ["3"]), ("running", ["0", "1800"]), ("succeeded", ["0"]))
        }
        states = {
            "Failed": groups["failed"].wait_ended(),
            "Running": groups["running"].wait("Running"),
            "Succeeded": groups["succeeded"].wait_ended(),
        }
        for state, name in (("Failed", "failed"), ("Running", "running"), ("Succeeded", "succeeded")):
            reply = groups[name].act("start")
            statuses[state] = reply.status
            seen[state] = f"{reply.told} (shown as {states[state]})"
        # The group that was started a moment ago is on its way.
        reply = groups["succeeded"].act("start")
        statuses["Pending"], seen["Pending"] = reply.status, f"{reply.told} (shown as {groups['succeeded'].state()})"
        groups["running"].act("stop")
        state = groups["running"].wait_ended()
        reply = groups["running"].act("start")
        statuses["Stopped"], seen["Stopped"] = reply.status, f"{reply.told} (shown as {state})"
    odd = [state for state, allowed in EXPECTED.items() if statuses[state] not in allowed]
    return Seen(
        advice=(
            f"The function reads the answers for {', '.join(odd)} otherwise: teach "
            "function/pipeline_function/runners.py this answer."
        ),
        as_expected=not odd,
        details=seen,
        text="; ".join(f"{state}: {told}" for state, told in sorted(seen.items())),
    )


QUESTION = Question(
    ask=_ask,
    container_minutes=12,
    expected="Succeeded, Failed, Stopped: 202. Running: 204. On its way: 202, 204 or 409.",
    limit_minutes=40,
    minutes=6,
    name="start-statuses",
    source="https://learn.microsoft.com/rest/api/container-instances/container-groups/start and, for 409, "
    "https://github.com/alan-turing-institute/data-safe-haven/issues/2641",
    text="What does start answer for a group in each state?",
)
