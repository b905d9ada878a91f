"""What the front of the local run refuses as Azure would, the account in memory refuses alike."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

import pytest

from tests.local.services.front_rules import RULES
from tests.local.services.raw_requests import Call, put
from tests.memory.account import Account
from tests.memory.requests import Asked, Reply

# These are about how a request is signed and sent, which no request in memory is.
OF_THE_WIRE: Final = frozenset(
    {
        "a body has its length",
        "a client's own id has 1,024 characters",
        "a copy's source has 2 KiB",
        "a copy's source is no other blob's name",
        "a date at all",
        "a date within 15 minutes",
        "a request is UTF-8",
        "a request says its version",
        "a version exists",
    }
)
# Documents disagree about this one. The front takes the stricter side, and tests need such a blob that is there all the
# same.
DISPUTED: Final = "a private character"


def carried_out(account: Account, call: Call) -> Reply:
    """Carry out a request as it stands in the URL."""
    headers = tuple((name.lower(), value) for name, value in call.headers.items() if isinstance(value, str))
    return account.answer(
        Asked(call.service, call.method, unquote(call.path), tuple(call.query.items()), headers, call.body)
    )


@pytest.mark.parametrize("rule", sorted(RULES.keys() - OF_THE_WIRE - {DISPUTED}))
def test_a_request_that_azure_refuses_is_refused_and_its_neighbour_passes(rule: str) -> None:
    wrong, status, code, right, passed = RULES[rule]
    account = Account("files", queues=("jobs",))
    carried_out(account, put("ranged"))
    refused = carried_out(account, wrong)
    assert (refused.status, refused.code) == (status, code), refused.body
    assert carried_out(account, right).status == passed


def test_what_is_left_out_is_a_rule() -> None:
    assert RULES.keys() >= {*OF_THE_WIRE, DISPUTED}
