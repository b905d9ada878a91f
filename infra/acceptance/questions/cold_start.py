"""How long a start takes, what of it is the pull, and how long a container may go on after SIGTERM."""

from __future__ import annotations

import contextlib
import statistics
from datetime import datetime
from typing import Any

from infra.acceptance.asking import NotAnswered, Question, Seen
from infra.acceptance.groups import ProbeGroup, Wanted, probe_group
from infra.acceptance.site import Site
from infra.settings.naming import SHARE_MOUNT

GROUPS = 4
MEDIAN_SECONDS = 120
ROUNDS = 5
SETTLE_SECONDS = 15
# The worker gives its claim back within this; without it the claim runs out by itself.
GRACE_SECONDS = 5


def _ask(site: Site) -> Seen:
    starts: list[float] = []
    pulls: list[float] = []
    graces: list[float | None] = []
    with contextlib.ExitStack() as stack:
        groups = []
        for number in range(1, GROUPS + 1):
            path = f"acceptance/grace-{number}.txt"
            wanted = Wanted(arguments=[f"{SHARE_MOUNT}/{path}"], probe="grace", share=True)
            groups.append((stack.enter_context(probe_group(site, f"acceptance-cold-{number}", wanted)), path))
        for group, _ in groups:
            group.wait("Running")
            group.act("stop")
        for _ in range(ROUNDS):
            for group, _path in groups:
                group.wait_ended()
            asked = [_start(group) for group, _path in groups]
            for (group, _path), moment in zip(groups, asked, strict=True):
                group.wait("Running")
                container = group.container()
                starts.append(_moment(container["currentState"]["startTime"]) - moment)
                pulls += _pull(container, moment)
            # By then each has its handler; its file may be locked for others as long as it runs.
            site.clock.sleep(SETTLE_SECONDS)
            for group, _path in groups:
                group.act("stop")
            for group, path in groups:
                group.wait_ended()
                graces.append(_grace(site.account.share_text(path)))
    told = [grace for grace in graces if grace is not None]
    median = statistics.median(starts)
    figures = {
        "grace_seconds": graces,
        "pull_seconds": pulls,
        "start_seconds": [round(each, 1) for each in starts],
    }
    grace = (
        f"SIGTERM came in {len(told)} of {len(graces)} stops, with {min(told):g} to {max(told):g} s after it"
        if told
        else f"no SIGTERM came in any of {len(graces)} stops"
    )
    pull = f"pull median {statistics.median(pulls):.0f} s, max {max(pulls):.0f} s" if pulls else "no pull was reported"
    return Seen(
        advice=(
            "Where a start takes longer, files wait longer, and idleSeconds is worth raising. Where SIGTERM does not "
            "come or leaves no time, a file whose worker is stopped waits until its claim runs out (claimSeconds)."
        ),
        as_expected=median <= MEDIAN_SECONDS and bool(told) and min(told) >= GRACE_SECONDS and len(told) == len(graces),
        details=figures,
        text=f"{len(starts)} starts: median {median:.0f} s, max {max(starts):.0f} s; {pull}; {grace}.",
    )


def _start(group: ProbeGroup) -> float:
    reply = group.act("start")
    if reply.status != 202:
        raise NotAnswered(f"Start of {group.name} was answered with {reply.told}: {reply.message}")
    # Both times are then of Azure's clock.
    return reply.when


def _grace(text: str | None) -> float | None:
    """Return how long the probe noted time after SIGTERM, in seconds, or None where none came."""
    noted = [line.strip() for line in (text or "").replace("\0", "").splitlines()]
    numbers = [float(line) for line in noted if line and line != "up"]
    return max(numbers) if numbers else None


def _pull(container: dict[str, Any], since: float) -> list[float]:
    """Return how long the pull of this start took, if the platform reports one."""
    moments: dict[str, float] = {}
    for event in container.get("events") or []:
        if (moment := _moment(event["lastTimestamp"])) >= since - 1:
            moments[str(event["name"])] = moment
    return [moments["Pulled"] - moments["Pulling"]] if {"Pulled", "Pulling"} <= moments.keys() else []


def _moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


QUESTION = Question(
    ask=_ask,
    container_minutes=30,
    expected=f"Median below {MEDIAN_SECONDS} s; SIGTERM comes at each stop, with {GRACE_SECONDS} s or more after it.",
    limit_minutes=60,
    minutes=15,
    name="cold-start",
    source="https://learn.microsoft.com/azure/container-instances/container-instances-faq has no figure; 30 s of grace "
    "in https://github.com/virtual-kubelet/azure-aci/issues/28, none at all in "
    "https://github.com/Azure/azure-cli/issues/16673",
    text="How long do 20 starts take, what of it is the pull, and how long is the grace after SIGTERM?",
)
