"""The file processing pipeline: one stack, from an uploaded file to its results."""

import gc
from pathlib import Path

import pulumi

from infra import config, wiring
from infra.alerts import Alerts
from infra.artifact import Artifact
from infra.container import WorkerGroup
from infra.events import UploadEvents
from infra.function_app import FunctionApp
from infra.identities import WorkloadIdentity
from infra.image import WorkerImage
from infra.image_pull import ImagePull
from infra.monitoring import Monitoring
from infra.outputs import export_outputs
from infra.placement import place
from infra.registry import Registry
from infra.retention import Retention
from infra.share_files import ShareFiles
from infra.storage import ApplicationStorage, ArtifactStorage
from infra.vault import Vault
from infra.verify_deploy import DeployVerification

# All that a run of the program makes lives until its end, and looking for garbage would take a quarter of its time.
gc.disable()

cfg = config.load(Path(__file__).parent)
here = place(pulumi.get_project(), pulumi.get_stack(), protect=cfg.protect_files, tags=cfg.tags)
logs = Monitoring("monitoring", wiring.monitoring(cfg, here))
registry = Registry("registry", wiring.registry(cfg, here))
vault = Vault("vault", wiring.vault(cfg, here, registry))
artifacts = ArtifactStorage("artifacts", wiring.artifact_storage(cfg, here))
files = ApplicationStorage("files", wiring.application_storage(cfg, here))
Retention("retention", wiring.retention(cfg, here, artifacts, files))

# The worker: its image, its config on the share, what it may do, and the container groups that run it.
if cfg.image_reference:
    image = pulumi.Output.from_input(cfg.image_reference)
else:
    application = Artifact("application", wiring.artifact(cfg, here, artifacts))
    image = WorkerImage("worker-image", wiring.worker_image(cfg, registry, application)).reference
share_files = ShareFiles("worker-config", wiring.share_files(cfg, files, image))
worker = WorkloadIdentity("worker-identity", wiring.worker_identity(cfg, here, files, registry))
pull = ImagePull("image-pull", wiring.image_pull(cfg, registry, worker))
group_args = wiring.worker_group(cfg, here, files, image, logs, pull, share_files, worker)
groups = [WorkerGroup(f"worker-{number}", group_args) for number in range(1, cfg.container_group_count + 1)]

# The function: what it may do, and its code; then the events that wake it, and the alerts for when that goes wrong.
function = WorkloadIdentity("function-identity", wiring.function_identity(cfg, here, artifacts, files, logs))
app = FunctionApp("function", wiring.function_app(cfg, here, artifacts, files, function, groups, logs))
uploads = UploadEvents("uploads", wiring.upload_events(cfg, here, files))
Alerts("alerts", wiring.alerts(cfg, here, logs, uploads, app))
if cfg.verify_deploy:
    DeployVerification("verification", wiring.verification(cfg, app, files, groups, image, uploads))

export_outputs(app, artifacts, cfg, files, groups, image, here, registry, vault)
