"""The image that the worker runs: one that is there already, or one that is built from the application's artifact."""

from __future__ import annotations

import pulumi

from infra import wiring
from infra.artifact import Artifact
from infra.config import StackConfig
from infra.image import WorkerImage
from infra.placement import Placement
from infra.registry import Registry
from infra.storage import ArtifactStorage


def worker_image(
    cfg: StackConfig, placement: Placement, artifacts: ArtifactStorage, registry: Registry
) -> pulumi.Output[str]:
    """Return the reference of the image by digest, and declare what is needed to build it unless it is there."""
    if cfg.image_reference:
        return pulumi.Output.from_input(cfg.image_reference)
    application = Artifact("application", wiring.artifact(cfg, placement, artifacts))
    return WorkerImage("worker-image", wiring.worker_image(cfg, registry, application)).reference
