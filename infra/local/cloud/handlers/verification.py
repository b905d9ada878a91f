"""The canary that ends a deploy, through the pipeline that runs here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from infra.local.cloud.cloud import Declared, Properties, ResourceHandler, Scene
from infra.local.cloud.machine import Machine
from infra.verification.azure import keyed_storage, verify_through
from infra.verification.canary import RunnerFacts, Runners
from infra.verification.runners import execution_facts


class LocalJob:
    """The Container Apps job of the run; the logs of its executions are in the data folder."""

    def __init__(self, machine: Machine, job_id: str) -> None:
        self._job_id = job_id
        self._machine = machine

    def facts(self) -> tuple[RunnerFacts, ...]:
        """Return what its executions say of it."""
        return (
            execution_facts(self._job_id.rpartition("/")[2], self._machine.jobs[self._job_id.lower()].executions()),
        )


class LocalGroups:
    """The container groups of the run by their ARM ids; their logs are in the data folder."""

    def __init__(self, machine: Machine, group_ids: Sequence[str]) -> None:
        self._group_ids = group_ids
        self._machine = machine

    def facts(self) -> tuple[RunnerFacts, ...]:
        """Return the state of each."""
        return tuple(self._facts(group_id) for group_id in self._group_ids)

    def _facts(self, group_id: str) -> RunnerFacts:
        group = self._machine.groups.get(group_id.lower())
        state = group.view()["properties"]["instanceView"]["state"] if group else None
        return RunnerFacts(name=group_id.rpartition("/")[2], state=state)


def canary(scene: Scene, declared: Declared) -> Properties:
    """Put a canary through the pipeline that runs here.

    Raises:
        CanaryError: it did not come through.
    """
    machine, inputs = scene.machine, declared.inputs
    account = machine.accounts[inputs["account_id"].rpartition("/")[2]]
    with keyed_storage(account.connection_string, inputs["container"]) as storage:
        job_id = inputs.get("job_id")
        runners: Runners = LocalJob(machine, job_id) if job_id else LocalGroups(machine, inputs["group_ids"])
        return {"outcome": verify_through(inputs, storage, runners)}


RESOURCES: Final[Mapping[str, ResourceHandler]] = {"pulumi-python:dynamic/verification:Canary": canary}
