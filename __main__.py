"""The file processing pipeline: one stack, from an uploaded file to its results."""

import gc
from pathlib import Path

import pulumi

from infra import wiring
from infra.accounts import storage_accounts
from infra.components.alerts import Alerts
from infra.components.data_logs import DataLogs
from infra.components.events import UploadEvents
from infra.components.function_app import FunctionApp
from infra.components.identities import WorkloadIdentity
from infra.components.image_pull import ImagePull
from infra.components.monitoring import Monitoring
from infra.components.placement import place
from infra.components.registry import Registry
from infra.components.share_files import ShareFiles
from infra.components.stack_roles import StackRoles
from infra.components.uploaders import Uploaders
from infra.components.vault import Vault
from infra.components.verification import DeployVerification
from infra.image_source import worker_image
from infra.outputs import export_outputs
from infra.platform import Platform
from infra.runners import worker_runner
from infra.settings.config import load

# All that a run of the program makes lives until its end, and looking for garbage would take a quarter of its time.
gc.disable()

cfg = load(Path(__file__).parent)
here = place(pulumi.get_project(), pulumi.get_stack(), protect=cfg.protect_files, tags=cfg.tags)
logs = Monitoring("monitoring", wiring.monitoring(cfg, here))
registry = Registry("registry", wiring.registry(cfg, here))
platform = Platform(accounts=storage_accounts(cfg, here), config=cfg, logs=logs, placement=here, registry=registry)
vault = Vault("vault", wiring.vault(platform))
roles = StackRoles("roles", wiring.roles(platform))
Uploaders("uploaders", wiring.uploaders(platform, roles))
DataLogs("data-logs", wiring.data_logs(platform, vault))

# The worker: its image, its config on the share, what it may do, and what runs it.
image = worker_image(platform)
share_files = ShareFiles("worker-config", wiring.share_files(platform, image))
worker = WorkloadIdentity("worker-identity", wiring.worker_identity(platform, roles))
pull = ImagePull("image-pull", wiring.image_pull(platform, worker))
runner = worker_runner(platform, image, pull, share_files, worker)

# The function: what it may do, and its code; then the events that wake it, and the alerts for when that goes wrong.
function = WorkloadIdentity("function-identity", wiring.function_identity(platform, roles))
app = FunctionApp("function", wiring.function_app(platform, function, runner))
uploads = UploadEvents("uploads", wiring.upload_events(platform))
Alerts("alerts", wiring.alerts(platform, uploads, app))
if cfg.verify_deploy:
    DeployVerification("verification", wiring.verification(platform, app, runner, image, uploads))

export_outputs(platform, app, image, roles, runner, vault)
