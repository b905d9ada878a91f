"""A refusal is told and kept without secrets, and is an error where nobody had asked for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_app.rest.endpoint import API_VERSION
from tests.accounts import fresh_refusals, running_account
from tests.local.fakes import Eventually
from tests.local.services.raw_requests import PUT, Call, Raw, put


@pytest.mark.refused
def test_a_refusal_is_told_and_kept_without_the_signature(tmp_path: Path, eventually: Eventually) -> None:
    told: list[str] = []
    with running_account("watched", tmp_path) as account:
        account.on_refusal(told.append)
        said = Raw(account).send(
            Call(path="files/a.", query={"sig": "topsecret", "sv": API_VERSION}, headers=PUT), signed=False
        )
        assert said.status == 400
        (line,) = fresh_refusals()
        eventually(lambda: told == [line])
    assert "topsecret" not in line
    assert "a part that ends in a dot" in line
    assert "topsecret" not in account.log.read_text(encoding="utf-8")


def test_an_account_of_the_tests_ends_with_an_error_where_nobody_had_asked_for_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="400 InvalidUri to PUT"), running_account("strict", tmp_path) as account:
        assert Raw(account).send(put("a.")).status == 400
