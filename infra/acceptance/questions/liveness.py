"""Whether a liveness probe works in a group without an address."""

from __future__ import annotations

from infra.acceptance.asking import Question, Seen
from infra.acceptance.groups import ENDED, ProbeGroup, Wanted, probe_group
from infra.acceptance.site import Site

HEALTHY_SECONDS = "90"
SICK_SECONDS = "600"
KILLING = ("Killing", "Unhealthy")


def _ask(site: Site) -> Seen:
    healthy = Wanted(arguments=["5000", "200", HEALTHY_SECONDS], liveness="/", probe="health")
    sick = Wanted(arguments=["5000", "500", SICK_SECONDS], liveness="/", probe="health")
    with (
        probe_group(site, "acceptance-healthy", healthy) as good,
        probe_group(site, "acceptance-sick", sick) as bad,
    ):
        bad.wait("Running", *ENDED)
        begin = site.clock.now()
        good_state = good.wait_ended()
        # Three failures ten seconds apart are due after a minute; three minutes are enough for any delay.
        while bad.state() not in ENDED and site.clock.now() - begin < 240:
            site.clock.sleep(5)
        bad_state = bad.state()
        spoken = {"healthy": _told(good), "sick": _told(bad)}
    lives = good_state == "Succeeded" and not spoken["healthy"]
    dies = bad_state in ENDED
    return Seen(
        advice=(
            "The probe does not watch the worker. If it kills a healthy one, remove liveness_probe from "
            "infra/components/container_group.py; if it never asks, a worker that hangs runs, and costs, until "
            "somebody stops it."
        ),
        as_expected=lives and dies,
        details={"events": spoken, "healthy": good_state, "sick": bad_state},
        text=(
            f"A container that answers 200 ended as {good_state}{'' if lives else ', with complaints'}; one that "
            f"answers 500 was {'ended' if dies else 'left running'} ({bad_state})."
        ),
    )


def _told(group: ProbeGroup) -> list[str]:
    return [str(each.get("message")) for each in group.events() if each.get("name") in KILLING]


QUESTION = Question(
    ask=_ask,
    container_minutes=8,
    expected="Yes: it leaves a container alone that answers 200, and ends one that answers 500.",
    limit_minutes=30,
    minutes=6,
    name="liveness-without-address",
    source="https://learn.microsoft.com/azure/container-instances/container-instances-liveness-probe, whose examples "
    "have no address with exec alone; inferred",
    text="Does an HTTP liveness probe work in a group without an IP address?",
)
