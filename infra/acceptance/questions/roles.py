"""What a narrow role on one group allows, and what becomes of it when the group is replaced."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from infra.acceptance.asking import NotAnswered, Question, Seen
from infra.acceptance.azure import Reply
from infra.acceptance.groups import IDENTITY, VERSION, WORKER_IDENTITY, ProbeGroup, Wanted, probe_group
from infra.acceptance.site import Site
from infra.components.roles import Role

ASSIGNMENTS = "2022-04-01"
IDENTITIES = "2023-01-31"
FORCE_SECONDS = 600
TOKENS = "http://169.254.169.254/metadata/identity/oauth2/token"
WATCH_SECONDS = 1500


@dataclass(frozen=True, kw_only=True)
class Principal:
    """A fresh identity; the ids are of ARM, of the client and of the principal."""

    client_id: str
    id: str
    principal_id: str


def assign(site: Site, scope: str, role: Role, principal_id: str, name: str, kind: str | None = None) -> Reply:
    """Give a principal a role at a scope, under a name (a UUID) of its own."""
    properties = {
        "principalId": principal_id,
        "roleDefinitionId": f"{site.subscription}/providers/Microsoft.Authorization/roleDefinitions/{role.value}",
    }
    if kind:
        properties["principalType"] = kind
    return site.azure.arm("PUT", assignment_id(scope, name), ASSIGNMENTS, {"properties": properties})


def assignment_id(scope: str, name: str) -> str:
    """Return the id of a role assignment."""
    return f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"


@contextmanager
def _principal(site: Site, name: str) -> Iterator[Principal]:
    identity = f"{site.resource_group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    made = site.azure.arm("PUT", identity, IDENTITIES, {"location": site.location}).value("Making an identity")
    try:
        properties = made["properties"]
        yield Principal(client_id=str(properties["clientId"]), id=identity, principal_id=str(properties["principalId"]))
    finally:
        site.azure.arm("DELETE", identity, IDENTITIES)


def _asker(principal: Principal, site: Site, method: str, path: str, seconds: int, until: str) -> Wanted:
    manager = site.azure.manager
    url = f"{manager}{path}?api-version={VERSION}"
    arguments = [principal.client_id, method, url, str(seconds), until, TOKENS, f"{manager}/"]
    return Wanted(arguments=arguments, identities=[principal.id], probe="ask_arm")


def _start_without_assign(site: Site) -> Seen:
    worker = str(site.resource(IDENTITY, WORKER_IDENTITY)["id"])
    target_wanted = Wanted(arguments=["0"], identities=[worker], probe="end")
    with (
        _principal(site, "acceptance-starter") as principal,
        probe_group(site, "acceptance-startable", target_wanted) as target,
    ):
        target.wait_ended()
        assign(
            site,
            target.id,
            Role.CONTAINER_INSTANCES_CONTRIBUTOR,
            principal.principal_id,
            str(uuid.uuid4()),
            "ServicePrincipal",
        ).value("Giving the role")
        wanted = _asker(principal, site, "POST", f"{target.id}/start", FORCE_SECONDS, "first")
        with probe_group(site, "acceptance-starter", wanted) as asker:
            asker.wait_ended(seconds=FORCE_SECONDS + 300)
            lines = asker.lines()
    if not lines:
        raise NotAnswered("The identity could ask nothing.")
    last = lines[-1]
    works = last["status"] in (202, 204)
    return Seen(
        advice=(
            "The function needs Microsoft.ManagedIdentity/userAssignedIdentities/assign/action on the worker's "
            "identity as well: give function-identity the role Managed Identity Operator there "
            "(infra/components/grants.py)."
        ),
        as_expected=works,
        details={"answers": lines},
        text=f"start was answered with {last['status']} {last['code']} after {last['seconds']} s. {last['message']}",
    )


def _across_replacement(site: Site) -> Seen:
    name = str(uuid.uuid4())
    with (
        _principal(site, "acceptance-follower") as principal,
        probe_group(site, "acceptance-replaced", Wanted(arguments=["0"], probe="end")) as target,
    ):
        target.wait_ended()

        def give() -> None:
            assign(
                site,
                target.id,
                Role.CONTAINER_INSTANCES_CONTRIBUTOR,
                principal.principal_id,
                name,
                "ServicePrincipal",
            ).value("Giving the role")

        give()
        wanted = _asker(principal, site, "GET", target.id, WATCH_SECONDS, "all")
        with probe_group(site, "acceptance-follower", wanted) as asker:
            first = _in_force(site, asker, 0)
            target.delete()
            # Only from what it is refused now on can it be let through again.
            site.clock.wait(lambda: _refused(asker), "the identity to notice that the group is gone", seconds=300)
            target.put().value("Making the group anew")
            outlived = site.azure.arm("GET", assignment_id(target.id, name), ASSIGNMENTS).ok
            seen_before = len(asker.lines())
            moment = site.clock.now()
            if not outlived:
                give()
            _in_force(site, asker, seen_before)
            again = site.clock.now() - moment
            lines = asker.lines()
    return Seen(
        advice=(
            "The assignment outlives its group, so a replacement needs no new one; that it is made anew all the same "
            "does no harm."
        ),
        as_expected=not outlived,
        details={"answers": lines, "first_seconds": first, "second_seconds": round(again)},
        text=(
            f"The assignment {'outlived' if outlived else 'went with'} the group; after the replacement it was in "
            f"force within {again:.0f} s, the first time within {first:.0f} s."
        ),
    )


def _in_force(site: Site, asker: ProbeGroup, known: int) -> float:
    """Wait until the identity is let through, beyond so many answers; return the seconds that it asked for."""

    def look() -> float | None:
        last = _last(asker, known)
        return float(last["seconds"]) if last and last["status"] == 200 else None

    return site.clock.wait(look, "the role to be in force", seconds=FORCE_SECONDS + 300)


def _last(asker: ProbeGroup, known: int = 0) -> dict[str, Any] | None:
    """Return the newest answer beyond so many, or None."""
    try:
        lines = asker.lines()
    except NotAnswered:
        # A container that does not run yet has no log.
        return None
    return lines[-1] if len(lines) > known else None


def _refused(asker: ProbeGroup) -> bool | None:
    last = _last(asker)
    return True if last and last["status"] != 200 else None


WITHOUT_ASSIGN = Question(
    ask=_start_without_assign,
    container_minutes=10,
    expected="Yes: 202 or 204 once the role is in force.",
    limit_minutes=40,
    minutes=8,
    name="start-without-assign",
    source="https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/containers: Azure Container "
    "Instances Contributor has no assign/action; inferred",
    text="May a principal with Azure Container Instances Contributor Role on a group start it, though it may not "
    "assign the identity that the group has?",
)

REPLACEMENT = Question(
    ask=_across_replacement,
    container_minutes=15,
    expected="It goes with the group; made anew, it is in force within 10 minutes.",
    limit_minutes=60,
    minutes=12,
    name="role-across-replacement",
    source="https://github.com/Azure/ARO-RP/pull/3557",
    text="Does a role on a group outlive the group's replacement, and when is it in force again?",
)
