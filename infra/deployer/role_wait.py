"""A pause after a role was made or given, as a resource: once for each, and never again."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult


class RoleWaitProvider(ResourceProvider):
    """Waits until a role, or an assignment of one, has a certain age; the properties are those of :class:`RoleWait`."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Wait for the assignment."""
        time.sleep(remaining(props))
        return CreateResult(id_=props["assignment_id"], outs=props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Wait until what depended on it, and is gone by now, is likely to be known as gone."""
        time.sleep(float(_props.get("free_seconds") or 0))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """See a change in another assignment alone: what was waited for needs no other wait."""
        return DiffResult(changes=_olds.get("assignment_id") != _news.get("assignment_id"))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Wait for another assignment."""
        time.sleep(remaining(_news))
        return UpdateResult(outs=_news)


class RoleWait(Resource, module="authorization", name="RoleWait"):
    """The moment from which on a role assignment, or a role itself, can be relied on.

    Whoever gives a role cannot ask whether it is in force for another identity, and Azure says only how long that may
    take. Source: https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
    """

    def __init__(
        self,
        name: str,
        *,
        assignment_id: pulumi.Input[str],
        created_on: pulumi.Input[str],
        free_seconds: int = 0,
        seconds: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the pause.

        Args:
            name: the resource's name in the stack.
            assignment_id: ARM id of the role assignment, or of the role's definition.
            created_on: when it was made, as Azure says; the time since then is not waited for again.
            free_seconds: how long it takes to delete it, so that a role is deleted once it is known that nobody has it.
            seconds: the age that it is to have.
            opts: the resource's options.
        """
        super().__init__(
            RoleWaitProvider(),
            name,
            {
                "assignment_id": assignment_id,
                "created_on": created_on,
                "free_seconds": free_seconds,
                "seconds": seconds,
            },
            opts,
        )


def remaining(props: dict[str, Any], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float:
    """Return for how many seconds to wait: never longer than the whole time, whatever this machine's clock says."""
    seconds = float(props["seconds"])
    try:
        age = (now() - datetime.fromisoformat(props.get("created_on") or "")).total_seconds()
    except (TypeError, ValueError):
        # Azure gave no time, or none that can be read.
        return seconds
    return min(max(seconds - age, 0.0), seconds)
