"""A package is handed over until Azure says that it is deployed, whatever happens on the way."""

from __future__ import annotations

from typing import Any

import pytest

from infra.deployer.credentials import HandedToken
from infra.deployer.package_deploy import DeployError, Deployment, Patience
from infra.deployer.resource_manager import connected
from infra.settings.clouds import RESOURCE_MANAGER
from tests.infra.azure import SITE, Azure
from tests.infra.deployer.deploying import PROPS, PUT, Clock, deploy, deployed_before


@pytest.mark.parametrize("status", [400, 403, 404, 408, 409, 429, 500, 502, 503])
def test_an_answer_that_may_pass_is_tried_again(azure: Azure, clock: Clock, status: int) -> None:
    azure.script(put=[[status, {}], [status, {}]])
    deploy(azure, clock)
    assert azure.requests(PUT) == [PUT] * 3


def test_throttling_is_waited_for_as_long_as_azure_asks(azure: Azure, clock: Clock) -> None:
    azure.script(put=[[429, {"Retry-After": "217"}]])
    deploy(azure, clock)
    assert 217.0 in clock.slept


def test_another_deployment_in_progress_is_waited_for(azure: Azure, clock: Clock) -> None:
    deployed_before(azure, clock, put=[[409, {}], [409, {}]])
    deploy(azure, clock)
    assert azure.requests(PUT) == [PUT] * 3


@pytest.mark.parametrize("status", [401, 405, 422])
def test_a_refusal_for_good_is_told_at_once_with_azures_answer_and_what_to_do(
    azure: Azure, clock: Clock, status: int
) -> None:
    azure.script(put=[[status, {}]])
    with pytest.raises(DeployError, match=f"answered {status}: .*refused with {status}.*'pulumi up' again") as caught:
        deploy(azure, clock)
    assert "sig=" not in str(caught.value)
    assert azure.requests(PUT) == [PUT]


def test_a_deployment_that_goes_on_is_watched_to_its_end(azure: Azure, clock: Clock) -> None:
    azure.script(looks=5)
    deploy(azure, clock)
    assert azure.requests("deployments/latest", PUT) == ["deployments/latest", PUT] + ["deployments/latest"] * 6


@pytest.mark.parametrize("script", [{"bare": True, "looks": 3}, {"kudu": True}, {"anonymous": True, "looks": 2}])
def test_an_answer_without_a_status_an_id_or_an_address_of_resource_manager_is_unfinished(
    azure: Azure, clock: Clock, script: dict[str, Any]
) -> None:
    azure.script(**script)
    deploy(azure, clock)
    seen = azure.requests()
    assert "deployments/None" not in seen
    assert seen.count(PUT) == 1
    assert azure.site["functions"] == ["dispatch", "sweep"]


def test_a_partial_success_is_no_success_but_made_again(azure: Azure, clock: Clock) -> None:
    """The package is there then, but the scaler knows no trigger."""
    azure.script(ends=[6, 6, 4])
    deploy(azure, clock)
    assert azure.requests(PUT) == [PUT] * 3


@pytest.mark.parametrize("status", [-1, 3, 5])
def test_a_deployment_that_fails_is_made_again_since_the_platform_may_lack_its_role(
    azure: Azure, clock: Clock, status: int
) -> None:
    azure.script(ends=[status])
    deploy(azure, clock)
    assert azure.requests(PUT) == [PUT] * 2


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (-1, "was cancelled"),
        (3, r"failed \(status 3\): Failed to upload because Azure Storage responded with Forbidden"),
        (5, "gave way to another deployment"),
        (6, r"left its triggers unknown to the scaler \(status 6, PartialSuccess\): Sync triggers failed"),
    ],
)
def test_a_failure_that_stays_is_told_with_its_reason_within_a_bounded_time(
    azure: Azure, clock: Clock, status: int, sentence: str
) -> None:
    azure.script(ends=[status] * 100)
    with pytest.raises(DeployError, match=f"{sentence}.*run 'pulumi up' again"):
        deploy(azure, clock, poll=60.0)
    assert 900 <= clock.now < 1000


def test_a_deployment_that_never_ends_is_given_up_within_a_bounded_time(azure: Azure, clock: Clock) -> None:
    azure.script(looks=100_000)
    with pytest.raises(DeployError, match="still has the status 2: it is neither done nor failed"):
        deploy(azure, clock, poll=60.0)
    assert 1800 <= clock.now < 1900
    assert azure.requests(PUT) == [PUT]


def test_refused_looks_at_a_deployment_do_not_hand_the_package_over_again(azure: Azure, clock: Clock) -> None:
    azure.script(looks=3)
    with azure.cloud.open() as content:
        # The first look is the one before the package is handed over.
        content["sites"][SITE]["script"]["get"] = [[404, {}], [502, {}], [429, {"Retry-After": "33"}], [503, {}]]
    deploy(azure, clock)
    assert azure.requests(PUT) == [PUT]
    assert 33.0 in clock.slept


def test_an_update_is_not_taken_for_done_by_the_record_of_the_deployment_before(azure: Azure, clock: Clock) -> None:
    """The newest deployment on record may still be the earlier one, which succeeded."""
    deployed_before(azure, clock, ends=[3, 4], stale=3)
    deploy(azure, clock)
    assert azure.requests(PUT) == [PUT] * 2
    assert azure.site["latest"]["id"] == "deployment-3"


def test_a_first_deployment_without_a_record_is_decided_by_the_functions(azure: Azure, clock: Clock) -> None:
    azure.script(lost=100)
    with azure.cloud.open() as content:
        content["sites"][SITE]["functions"] = []
    with pytest.raises(DeployError, match=r"knew no deployment \(GET .*/deployments/latest answered 404\)"):
        deploy(azure, clock)
    assert azure.requests(PUT) == [PUT] * 3
    assert clock.now < 400


def test_a_first_deployment_without_a_record_is_done_once_its_functions_are_listed(azure: Azure, clock: Clock) -> None:
    azure.script(lost=1)

    def listed(seconds: float) -> None:
        clock.sleep(seconds)
        with azure.cloud.open() as content:
            content["sites"][SITE]["functions"] = ["dispatch", "sweep"]

    with connected(HandedToken(azure.token), RESOURCE_MANAGER) as manager:
        Deployment(manager, PROPS, Patience(clock=clock, sleep=listed)).run()
    assert azure.requests(PUT) == [PUT]


def test_an_update_without_a_record_is_done_if_the_platform_took_the_package(azure: Azure, clock: Clock) -> None:
    deployed_before(azure, clock, lost=1)
    deploy(azure, clock)
    assert azure.requests(PUT) == [PUT]


def test_an_update_without_a_record_or_a_new_package_is_made_again(azure: Azure, clock: Clock) -> None:
    """The earlier functions are still listed, which says nothing of the new package."""
    deployed_before(azure, clock, lost=1, void=1)
    with azure.cloud.open() as content:
        content["sites"][SITE]["copied"] = "Mon, 01 Jan 2024 00:00:00 GMT"
    deploy(azure, clock)
    assert azure.requests(PUT) == [PUT] * 2


def test_an_update_that_never_takes_place_is_not_made_for_ever(azure: Azure, clock: Clock) -> None:
    deployed_before(azure, clock, lost=100, void=100)
    with azure.cloud.open() as content:
        content["sites"][SITE]["copied"] = "Mon, 01 Jan 2024 00:00:00 GMT"
    with pytest.raises(DeployError, match="nothing shows that the package is the one that the app runs"):
        deploy(azure, clock)
    assert azure.requests(PUT) == [PUT] * 3


def test_whoever_is_not_the_providers_principal_deploys_nothing(azure: Azure, clock: Clock) -> None:
    with azure.cloud.open() as content:
        content["principal"] = ["oidc", "11111111-0000-0000-0000-000000000000"]
    with pytest.raises(DeployError, match="does not have authorization"):
        deploy(azure, clock)
