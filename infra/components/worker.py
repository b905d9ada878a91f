"""What the worker is told and needs, whatever runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi

from infra.components.connections import storage_settings
from infra.components.identities import WorkloadIdentity
from infra.components.image_pull import ImagePull
from infra.components.monitoring import Monitoring
from infra.components.placement import Placement
from infra.components.share_files import ShareFiles
from infra.components.storage import ApplicationStorage
from infra.settings.naming import SHARE_MOUNT
from pipeline_app.contract import StorageNames

CONTAINER: Final = "worker"
HEALTH_PATH: Final = "/healthz"
SHARE_VOLUME: Final = "share"


@dataclass(frozen=True, kw_only=True)
class WorkerArgs:
    """One worker: ``cpu`` in cores, ``memory_gib`` in GiB.

    ``environment`` is what the worker is told besides its storage, its image and where the share is mounted; ``logs``
    says whether what it prints goes to Log Analytics.
    """

    cpu: float
    environment: Mapping[str, str]
    identity: WorkloadIdentity
    image: pulumi.Input[str]
    logs: bool
    memory_gib: float
    monitoring: Monitoring
    names: StorageNames
    placement: Placement
    pull: ImagePull
    share_files: ShareFiles
    storage: ApplicationStorage

    @property
    def needs(self) -> Sequence[pulumi.Resource]:
        """What has to be there before a worker runs: its roles and its config files."""
        return [self.identity, self.pull, self.share_files]

    def variables(self) -> Mapping[str, pulumi.Input[str]]:
        """Return the worker's environment, in the order of its names."""
        environment: dict[str, pulumi.Input[str]] = {
            "APP_IMAGE": self.image,
            "APP_SHARE_DIRECTORY": SHARE_MOUNT,
        }
        environment |= dict(self.environment) | storage_settings(self.storage, self.names, self.identity)
        return dict(sorted(environment.items()))


@dataclass(frozen=True, kw_only=True)
class Runner:
    """What runs the worker, as the rest of the stack sees it.

    Attributes:
        components: what has to be there before anything is done with it.
        function_settings: by which the function knows what it sees to.
        group_ids: ARM ids of the container groups, where there are any.
        job_id: ARM id of the Container Apps job, or None.
        outputs: what a person is told of it.
    """

    components: Sequence[pulumi.Resource]
    function_settings: Mapping[str, pulumi.Input[str]]
    group_ids: Sequence[pulumi.Output[str]] = ()
    job_id: pulumi.Output[str] | None = None
    outputs: Mapping[str, pulumi.Input[object]]
