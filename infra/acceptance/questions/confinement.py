"""Whether the platform's kernel confines applications, and where it gives out the worker's tokens."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from typing import Any, Final

from infra.acceptance.asking import NotAnswered, Question, Seen
from infra.acceptance.groups import IDENTITY, WORKER_IDENTITY, Wanted, probe_group
from infra.acceptance.site import Site
from pipeline_app.worker.confinement.landlock import EMPTYING_VERSION, LEAST_VERSION, PORTS_VERSION, SIGNALS_VERSION

# Where the Dockerfile puts the worker's code.
CODE: Final = "/opt/pipeline"
# The metadata service; the token service of Windows groups, which Linux groups may reach; the wire server and the
# host's plugin for guest agents. rights.py has the sources.
ADDRESSES: Final = ("169.254.169.254:80", "169.254.128.1:2377", "168.63.129.16:80", "168.63.129.16:32526")
# What an application is told that may not connect, or not by a kind of TCP that is turned off.
_KEPT: Final = frozenset({errno.EACCES, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT})


def _ask(site: Site) -> Seen:
    identity = str(site.resource(IDENTITY, WORKER_IDENTITY).get("outputs", {}).get("clientId", ""))
    wanted = Wanted(arguments=[CODE, identity, *ADDRESSES], probe="confinement")
    with probe_group(site, "acceptance-confinement", wanted) as group:
        state = group.wait_ended()
        lines, text = group.lines(), group.text()
        told = "; ".join(str(each.get("message")) for each in group.events()[-3:])
    if not lines:
        raise NotAnswered(f"The container ended as {state} and told nothing of it. {told} {text[-500:]}".strip())
    found = lines[-1]
    if problem := found["open"].get("failed"):
        raise NotAnswered(f"No application could be run, even without confinement: {problem}")
    return _seen(found)


def _seen(found: Mapping[str, Any]) -> Seen:
    version = int(found["version"])
    confined = found.get("confined")
    reached = _reached(confined, version) if confined else []
    givers = [f"{address} ({status})" for address, status in found["tokens"].items() if status == "200"]
    named = [f"{name} is {value}" for name, value in sorted(found["endpoints"].items())]
    advice = []
    if version < LEAST_VERSION:
        advice.append(
            "Files are processed, but unconfined: a file that takes over the application reaches other files and the "
            "worker's token. Each worker's log says 'applications are not confined', receipts have 'confined: false', "
            "and alerts-unconfined-applications fires. To process none so, set requireConfinement; docs/security.md "
            "says what is kept all the same. Ask the platform for Linux 5.13 or later with Landlock."
        )
    if reached:
        advice.append(
            "An application reaches what its worker says it is kept from: mend rights.py or sockets.py in "
            "pipeline_app/worker/confinement, and take this worker for one that does not confine until then."
        )
    if not givers and not named:
        advice.append(
            "The worker's tokens are given out at none of the known addresses, so at a port that may be open to "
            "applications. See where azure-identity gets one in this group, and add that port to SECRET_PORTS in "
            "pipeline_app/worker/confinement/rights.py."
        )
    sentences = [
        f"Linux {found['release']} has {_kept(version)}.",
        *([f"A confined application reached {', '.join(reached)}."] if reached else []),
        *(["A confined application was refused all that it tried."] if confined and not reached else []),
        f"Tokens are given at {', '.join(givers) or 'no known address'}; "
        f"{', '.join(named) or 'no variable names another'}.",
        _answering(found["open"]["addresses"]),
    ]
    return Seen(advice=" ".join(advice), as_expected=not advice, details=found, text=" ".join(sentences))


def _answering(addresses: Mapping[str, Mapping[str, int]]) -> str:
    """Tell who lets somebody connect who is not confined."""
    open_ones = [address for address, ways in addresses.items() if ways["connect"] == 0]
    return f"Without confinement, a connection is let through to {', '.join(open_ones) or 'none of them'}."


def _kept(version: int) -> str:
    if version < LEAST_VERSION:
        return "no Landlock, or the runtime's filter of system calls refuses it: nothing is kept"
    parts = ["files are kept" if version >= EMPTYING_VERSION else "files are kept but may be emptied, until Linux 6.2"]
    parts.append("TCP ports too" if version >= PORTS_VERSION else "TCP ports not, which Linux 6.7 can")
    parts.append("signals too" if version >= SIGNALS_VERSION else "signals not, which Linux 6.12 can")
    return f"version {version} of Landlock: {', '.join(parts)}"


def _reached(confined: Mapping[str, Any], version: int) -> Sequence[str]:
    """Return what a confined application could do that it should not have been able to."""
    if problem := confined.get("failed"):
        return [f"not even its own end ({problem})"]
    reached = [f"a file of another ({way})" for way in ("read", "write") if confined[way] != errno.EACCES]
    if version >= PORTS_VERSION:
        for address, ways in confined["addresses"].items():
            reached += [f"{address} by {way} ({code})" for way, code in ways.items() if code not in _KEPT]
    return reached


QUESTION = Question(
    ask=_ask,
    container_minutes=3,
    expected="Landlock of any version; what is confined is refused files and the metadata address 169.254.169.254:80.",
    limit_minutes=20,
    minutes=3,
    name="confinement",
    source="https://docs.kernel.org/userspace-api/landlock.html and "
    "https://learn.microsoft.com/azure/container-instances/container-instances-managed-identity; which kernel the "
    "platform has, no document says",
    text="Does the platform's kernel confine applications, and where does it give out the worker's tokens?",
)
