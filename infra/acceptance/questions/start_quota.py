"""Whether starting counts against the quota of creating."""

from __future__ import annotations

import contextlib

from infra.acceptance.asking import NotAnswered, Question, Seen
from infra.acceptance.groups import ENDED, ProbeGroup, Wanted, probe_group
from infra.acceptance.site import Site

GROUPS = 20
QUOTA = 100
STARTS = 110
WINDOW_SECONDS = 300.0


def _ask(site: Site) -> Seen:
    accepted: list[float] = []
    refused: dict[str, object] | None = None
    with contextlib.ExitStack() as stack:
        groups = _groups(site, stack)
        # Creating counts for certain, so those of a moment ago must have left the window.
        site.clock.sleep(WINDOW_SECONDS)
        while len(accepted) < STARTS and refused is None:
            for group in groups:
                if group.state() not in ENDED:
                    continue
                reply = group.act("start")
                if reply.status == 202:
                    accepted.append(site.clock.now())
                elif reply.status == 429 or "quota" in f"{reply.code} {reply.message}".lower():
                    refused = {"code": reply.code, "message": reply.message, "status": reply.status}
                    break
            site.clock.sleep(2)
    most = _most_within(accepted, WINDOW_SECONDS)
    details = {"accepted": len(accepted), "groups": len(groups), "most_in_5_minutes": most, "refused": refused}
    if refused is None and most <= QUOTA:
        raise NotAnswered(
            f"{len(accepted)} starts were accepted, but no more than {most} within five minutes, which a quota of "
            f"{QUOTA} would allow too."
        )
    if refused is not None:
        return Seen(
            advice=(
                "Each start counts as a creation: with more than 100 starts in five minutes in a region, or 300 an "
                "hour, files wait. Raise idleSeconds, so that workers end less often, or ask for a higher quota."
            ),
            as_expected=False,
            details=details,
            text=f"Refused after {len(accepted)} starts: {refused['status']} {refused['code']}: {refused['message']}",
        )
    return Seen(
        as_expected=True,
        details=details,
        text=f"{len(accepted)} starts were accepted, {most} of them within five minutes.",
    )


def _groups(site: Site, stack: contextlib.ExitStack) -> list[ProbeGroup]:
    """Make as many groups as the quota of cores allows."""
    groups: list[ProbeGroup] = []
    for number in range(1, GROUPS + 1):
        try:
            groups.append(
                stack.enter_context(
                    probe_group(site, f"acceptance-quota-{number}", Wanted(arguments=["0"], probe="end"))
                )
            )
        except NotAnswered:
            # A young subscription has few cores; fewer groups are started more often.
            if not groups:
                raise
            break
    for group in groups:
        group.wait_ended()
    return groups


def _most_within(moments: list[float], seconds: float) -> int:
    """Return how many of the moments, in order, lie within any window of so many seconds."""
    return max((sum(begin <= each < begin + seconds for each in moments) for begin in moments), default=0)


QUESTION = Question(
    ask=_ask,
    container_minutes=150,
    expected="No: 110 starts within some five minutes are all accepted.",
    limit_minutes=40,
    minutes=14,
    name="start-quota",
    source="https://learn.microsoft.com/azure/container-instances/container-instances-resource-and-quota-limits names "
    "creations (100 in 5 minutes) and deletions, and no starts; inferred",
    text="Does start count against the quota of creating container groups?",
)
