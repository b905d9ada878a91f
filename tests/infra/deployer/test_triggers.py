"""The code is deployed once Azure lists its functions, which it is made to know until it does."""

from __future__ import annotations

import pytest

from infra.deployer.package_deploy import DeployError
from tests.infra.azure import PACKAGE, Azure
from tests.infra.deployer.deploying import SYNC, Clock, deploy, deployed_before


def test_a_deployment_ends_when_azure_lists_both_functions(azure: Azure, clock: Clock) -> None:
    azure.script()
    deploy(azure, clock)
    assert azure.site["functions"] == ["dispatch", "sweep"]
    assert azure.site["package"] == PACKAGE
    assert azure.requests()[-2:] == [SYNC, "functions"]


def test_the_triggers_are_made_known_until_that_succeeds(azure: Azure, clock: Clock) -> None:
    azure.script(sync=[[400, {}], [502, {}], [503, {}], [429, {"Retry-After": "44"}]])
    deploy(azure, clock)
    assert azure.requests(SYNC) == [SYNC] * 5
    assert 44.0 in clock.slept


def test_an_update_too_waits_for_its_triggers_although_the_earlier_ones_are_listed(azure: Azure, clock: Clock) -> None:
    deployed_before(azure, clock, sync=[[502, {}], [503, {}]])
    deploy(azure, clock)
    assert azure.requests(SYNC) == [SYNC] * 3


def test_a_placeholders_functions_do_not_count(azure: Azure, clock: Clock) -> None:
    """A host that has not taken the package yet makes its own placeholder known, and nothing corrects it by itself."""
    azure.script(placeholder=3)
    deploy(azure, clock)
    assert azure.requests(SYNC) == [SYNC] * 4


def test_functions_that_are_listed_late_are_waited_for(azure: Azure, clock: Clock) -> None:
    azure.script(late=4)
    deploy(azure, clock)
    assert azure.site["functions"] == ["dispatch", "sweep"]
    assert azure.requests()[-1] == "functions"


def test_functions_that_are_never_listed_fail_the_deploy_within_a_bounded_time(azure: Azure, clock: Clock) -> None:
    azure.script(placeholder=100_000)
    with pytest.raises(DeployError, match=r"lists WarmUp and not dispatch, sweep.*Application Insights"):
        deploy(azure, clock, poll=60.0)
    assert 600 <= clock.now < 700


def test_triggers_that_are_never_known_fail_the_deploy_with_azures_answer(azure: Azure, clock: Clock) -> None:
    deployed_before(azure, clock, sync=[[503, {}]] * 300)
    with pytest.raises(DeployError, match=r"not its triggers.*answered 503: .*refused with 503"):
        deploy(azure, clock, poll=60.0)


def test_a_deployer_who_may_not_make_triggers_known_is_told_the_right_that_is_missing(
    azure: Azure, clock: Clock
) -> None:
    azure.script(sync=[[401, {}]])
    with pytest.raises(DeployError, match=r"Microsoft\.Web/sites/syncfunctiontriggers/action"):
        deploy(azure, clock)
