"""The real Pulumi engine on copies of the project, with stand-ins for Azure and Docker."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pulumi.automation as auto
import pytest
import trustme

from infra.packages.function_package import function_archive
from tests.engine.comparison import comparable_cloud, comparable_state
from tests.engine.deployment import ROOT, FirstDeploy, NewSite, Site, copy_project
from tests.engine.standin.azure import SCHEMA_VARIABLE
from tests.engine.standin.cloud import VARIABLE, Cloud
from tests.engine.standin.docker import ENGINE_VARIABLE
from tests.engine.standin.kinds import KINDS, SUBSCRIPTION, TENANT
from tests.engine.standin.proxy import Proxy, running_proxy
from tests.engine.standin.schema import read_schema

PLUGIN = """\
#!/bin/sh
PYTHONPATH='{root}' exec '{python}' -P -c 'from tests.engine.standin.{module} import main; main()'
"""


@pytest.fixture(scope="session")
def pulumi_command() -> auto.PulumiCommand:
    """The Pulumi CLI of this environment, else that of the project's, else that of the PATH."""
    for root in (Path(sys.prefix), ROOT / ".venv"):
        if (root / "bin" / "pulumi").is_file():
            return auto.PulumiCommand(root=str(root))
    if shutil.which("pulumi") is None:
        pytest.skip("There is no Pulumi CLI in .venv/bin or on the PATH. Get it with: make pulumi")
    return auto.PulumiCommand()


@pytest.fixture(scope="session")
def proxy(pulumi_command: auto.PulumiCommand) -> Iterator[Proxy]:
    """Azure's own addresses; nothing may ask for any other."""
    with running_proxy(trustme.CA()) as proxy:
        yield proxy
    assert not proxy.refused


@pytest.fixture(scope="session")
def engine_environment(
    tmp_path_factory: pytest.TempPathFactory, pulumi_command: auto.PulumiCommand, proxy: Proxy
) -> dict[str, str]:
    """What every run of the engine is told; nothing of this machine's Pulumi or Azure settings takes part."""
    folder = tmp_path_factory.mktemp("engine")
    schema = folder / "schema.json"
    schema.write_text(json.dumps(read_schema(list(KINDS))), encoding="utf-8")
    authority = folder / "authority.pem"
    proxy.authority.cert_pem.write_to_path(authority)
    plugins = folder / "plugins"
    plugins.mkdir()
    for plugin, module in (("azure-native", "azure"), ("docker", "docker")):
        script = plugins / f"pulumi-resource-{plugin}"
        script.write_text(PLUGIN.format(module=module, python=sys.executable, root=ROOT), encoding="utf-8")
        script.chmod(0o755)
    path = [str(plugins), os.environ["PATH"]]
    if os.sep in pulumi_command.command:
        path.insert(1, str(Path(pulumi_command.command).parent))
    return {
        "ARM_CLIENT_ID": "11111111-0000-0000-0000-000000000000",
        "ARM_CLIENT_SECRET": "invented",
        "ARM_SUBSCRIPTION_ID": SUBSCRIPTION,
        "ARM_TENANT_ID": TENANT,
        "ARM_USE_OIDC": "false",
        "HTTPS_PROXY": proxy.url,
        "NO_PROXY": "127.0.0.1,localhost",
        "PATH": os.pathsep.join(path),
        "PULUMI_CONFIG_PASSPHRASE": "invented",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_ERROR_OUTPUT_STRING": "true",
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "false",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
        "REQUESTS_CA_BUNDLE": str(authority),
        "SSL_CERT_FILE": str(authority),
        "https_proxy": proxy.url,
        "no_proxy": "127.0.0.1,localhost",
        SCHEMA_VARIABLE: str(schema),
    }


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory, pulumi_command: auto.PulumiCommand) -> Path:
    """A copy of the project as it is now, so that all tests see the same one."""
    # The function's dependencies are installed once, into the project's own cache.
    function_archive(ROOT)
    folder = tmp_path_factory.mktemp("pristine") / "project"
    copy_project(folder)
    return folder


@pytest.fixture(scope="session")
def new_site(
    tmp_path_factory: pytest.TempPathFactory,
    engine_environment: dict[str, str],
    pristine: Path,
    proxy: Proxy,
    pulumi_command: auto.PulumiCommand,
) -> NewSite:
    """Make an empty cloud, and a copy of the project whose stack ``dev`` is to live in it."""

    def make(name: str) -> Site:
        folder = tmp_path_factory.mktemp(name)
        cloud = Cloud(folder / "cloud.json")
        environment = engine_environment | {
            ENGINE_VARIABLE: str(folder / "engine.json"),
            "PULUMI_BACKEND_URL": f"file://{folder}",
            VARIABLE: str(cloud.path),
        }
        shutil.copytree(pristine, folder / "project", symlinks=True)
        site = Site(
            cloud=cloud, command=pulumi_command, environment=environment, folder=folder, machine="project", proxy=proxy
        )
        site.engine.start()
        return site

    return make


@pytest.fixture(scope="session")
def first_deploy(new_site: NewSite) -> FirstDeploy:
    """Preview and deploy the development stack into an empty cloud, whose first answers are that a role is missing."""
    site = new_site("first")
    deployment = site.deployment()
    preview = deployment.preview()
    preview_requests = site.cloud.take_log()
    site.proxy.statuses = [403, 403, 403]
    up = deployment.up()
    return FirstDeploy(
        cloud=comparable_cloud(deployment),
        deployment=deployment,
        preview=preview,
        preview_requests=preview_requests,
        refused=site.proxy.statuses,
        state=comparable_state(deployment),
        up=up,
        up_requests=site.cloud.take_log(),
    )
