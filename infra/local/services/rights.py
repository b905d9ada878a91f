"""What the roles of an identity allow in a storage account, as its front evaluates it with each request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from infra.local.services.identity import Assignment

_WITHIN: Final = re.compile(
    r"/(?P<service>blob|queue)services/default/(?:containers|queues)/(?P<name>[^/]+)", re.IGNORECASE
)


def rights_in(account_id: str, assignments: Iterable[Assignment]) -> list[dict[str, Any]]:
    """Return those of the assignments that reach an account, in the form of ``rights.cjs``.

    Each has ``actions``, ``dataActions``, ``condition`` (see :mod:`infra.local.services.conditions`, or None), and
    ``service`` and ``name`` of the one container or queue that it is for; both are empty where it is for the
    whole account.
    """
    return list(_rights(account_id.lower(), assignments))


def _rights(account_id: str, assignments: Iterable[Assignment]) -> Iterator[dict[str, Any]]:
    for each in assignments:
        within = _WITHIN.fullmatch(each.scope.removeprefix(account_id)) if each.scope.startswith(account_id) else None
        if within is None and not f"{account_id}/".startswith(f"{each.scope}/"):
            continue
        yield {
            "actions": list(each.permissions.actions),
            "condition": each.condition,
            "dataActions": list(each.permissions.data_actions),
            "name": within["name"] if within else "",
            "service": within["service"].capitalize() if within else "",
        }
