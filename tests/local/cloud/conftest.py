"""What the tests of the local cloud share: one with all its handlers, on a machine without any process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.cloud.cloud import LocalCloud, Scene
from infra.local.cloud.handlers import INVOKES, RESOURCES
from infra.local.cloud.machine import Machine, Options
from infra.local.commands.run import PROJECT
from infra.local.data.folder import DataFolder
from tests.local.cloud.declaring import GROUP, declare
from tests.local.fakes import Recorder


@pytest.fixture
def scene(tmp_path: Path, watcher: Recorder) -> Iterator[Scene]:
    """A scene on a machine without any process."""
    data = DataFolder(tmp_path / "data")
    machine = Machine(Options(containers=False, project=PROJECT), data, watcher)
    yield Scene(location="westeurope", machine=machine, subscription="sub", tenant="tenant")
    machine.close()
    data.release()


@pytest.fixture
def cloud(scene: Scene) -> LocalCloud:
    """The cloud with all its handlers and a resource group ``rg``."""
    made = LocalCloud(scene, RESOURCES, INVOKES)
    declare(made, GROUP, "rg", resourceGroupName="rg")
    return made
