"""The file processing pipeline: one stack, from an uploaded file to its results."""

import gc
from pathlib import Path

import pulumi

from infra import config, wiring
from infra.accounts import storage_accounts
from infra.alerts import Alerts
from infra.container import WorkerGroup
from infra.data_logs import DataLogs
from infra.events import UploadEvents
from infra.function_app import FunctionApp
from infra.identities import WorkloadIdentity
from infra.image_pull import ImagePull
from infra.image_source import worker_image
from infra.monitoring import Monitoring
from infra.outputs import export_outputs
from infra.placement import place
from infra.registry import Registry
from infra.share_files import ShareFiles
from infra.stack_roles import StackRoles
from infra.uploaders import Uploaders
from infra.vault import Vault
from infra.verify_deploy import DeployVerification

# All that a run of the program makes lives until its end, and looking for garbage would take a quarter of its time.
gc.disable()

cfg = config.load(Path(__file__).parent)
here = place(pulumi.get_project(), pulumi.get_stack(), protect=cfg.protect_files, tags=cfg.tags)
logs = Monitoring("monitoring", wiring.monitoring(cfg, here))
registry = Registry("registry", wiring.registry(cfg, here))
vault = Vault("vault", wiring.vault(cfg, here, registry))
artifacts, files, host = storage_accounts(cfg, here)
roles = StackRoles("roles", wiring.roles(cfg, here))
Uploaders("uploaders", wiring.uploaders(cfg, files, roles))
DataLogs("data-logs", wiring.data_logs(cfg, artifacts, files, logs, vault))

# The worker: its image, its config on the share, what it may do, and the container groups that run it.
image = worker_image(cfg, here, artifacts, registry)
share_files = ShareFiles("worker-config", wiring.share_files(cfg, files, image))
worker = WorkloadIdentity("worker-identity", wiring.worker_identity(cfg, here, files, registry, roles))
pull = ImagePull("image-pull", wiring.image_pull(cfg, registry, worker))
group_args = wiring.worker_group(cfg, here, files, image, logs, pull, share_files, worker)
groups = [WorkerGroup(f"worker-{number}", group_args) for number in range(1, cfg.container_group_count + 1)]

# The function: what it may do, and its code; then the events that wake it, and the alerts for when that goes wrong.
function = WorkloadIdentity("function-identity", wiring.function_identity(here, artifacts, files, host, logs, roles))
app = FunctionApp("function", wiring.function_app(cfg, here, artifacts, files, host, function, groups, logs))
uploads = UploadEvents("uploads", wiring.upload_events(cfg, here, files))
Alerts("alerts", wiring.alerts(cfg, here, logs, uploads, app))
if cfg.verify_deploy:
    DeployVerification("verification", wiring.verification(cfg, app, files, groups, image, uploads))

export_outputs(app, artifacts, cfg, files, groups, image, here, registry, roles, vault)
