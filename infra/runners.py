"""What runs the worker: container groups that the function starts, or a Container Apps job that Azure scales."""

from __future__ import annotations

import pulumi

from infra import wiring
from infra.components.container_apps_job import WorkerJob
from infra.components.container_group import WorkerGroup, WorkerGroupArgs
from infra.components.identities import WorkloadIdentity
from infra.components.image_pull import ImagePull
from infra.components.share_files import ShareFiles
from infra.components.worker import Runner
from infra.platform import Platform
from infra.settings.runner_limits import runner_warnings


def worker_runner(
    platform: Platform, image: pulumi.Input[str], pull: ImagePull, share_files: ShareFiles, identity: WorkloadIdentity
) -> Runner:
    """Declare the runner that the configuration asks for, and say what it does worse than asked for."""
    for warning in runner_warnings(platform.config):
        pulumi.log.warn(warning)
    worker = wiring.worker(platform, image, pull, share_files, identity)
    if platform.config.runner == "containerAppsJob":
        return _job(WorkerJob("worker", wiring.worker_job(platform, worker)))
    group_args = WorkerGroupArgs(os_type=platform.config.container_os_type, worker=worker)
    count = platform.config.container_group_count
    return _groups([WorkerGroup(f"worker-{number}", group_args) for number in range(1, count + 1)])


def _groups(groups: list[WorkerGroup]) -> Runner:
    group_ids = [group.group_id for group in groups]
    return Runner(
        components=groups,
        function_settings={"APP_CONTAINER_GROUP_IDS": pulumi.Output.all(*group_ids).apply(",".join)},
        group_ids=group_ids,
        outputs={"containerGroupNames": pulumi.Output.all(*(group.group_name for group in groups))},
    )


def _job(job: WorkerJob) -> Runner:
    return Runner(
        components=[job],
        function_settings={"APP_CONTAINER_APPS_JOB_ID": job.job_id},
        job_id=job.job_id,
        outputs={"containerAppsJobName": job.job_name, "containerGroupNames": []},
    )
