"""The image that the worker runs: one that is there already, or one that is built from the application's artifact."""

from __future__ import annotations

import pulumi

from infra import wiring
from infra.components.artifact import Artifact
from infra.components.image import WorkerImage
from infra.platform import Platform


def worker_image(platform: Platform) -> pulumi.Output[str]:
    """Return the reference of the image by digest, and declare what is needed to build it unless it is there."""
    given = platform.config.image_reference
    if given:
        return pulumi.Output.from_input(given)
    application = Artifact("application", wiring.artifact(platform))
    return WorkerImage("worker-image", wiring.worker_image(platform, application)).reference
