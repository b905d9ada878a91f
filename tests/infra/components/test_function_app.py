"""The Function App has what Flex Consumption takes, and nothing that an SDK adds unasked."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pulumi
import pytest
from pulumi import _types

from infra.local.cloud import flex
from tests.infra.recording import Run, run_program, settings_of

HOST_JSON = Path(__file__).parents[3] / "function" / "host.json"

# What the SDK adds to what this program declares. Each is the service's own default, and nothing of it is refused: the
# four of a site went with a request of which Azure refused netFrameworkVersion alone
# (https://github.com/pulumi/pulumi-azure-native/issues/4168).
ADDED = {
    "Blob.type": "Block",
    "Component.flow_type": "Bluefield",
    "Component.public_network_access_for_ingestion": "Enabled",
    "Component.public_network_access_for_query": "Enabled",
    "Component.request_source": "rest",
    "Registry.anonymous_pull_enabled": False,
    "Registry.network_rule_bypass_options": "AzureServices",
    "Registry.public_network_access": "Enabled",
    "Registry.zone_redundancy": "Disabled",
    "VaultPropertiesArgs.enabled_for_deployment": False,
    "VaultPropertiesArgs.enabled_for_disk_encryption": False,
    "VaultPropertiesArgs.enabled_for_template_deployment": False,
    "VaultPropertiesArgs.public_network_access": "enabled",
    "WebApp.client_affinity_enabled": False,
    "WebApp.hyper_v": False,
    "WebApp.is_xenon": False,
    "WebApp.scm_site_also_stopped": False,
}


def test_the_site_has_exactly_these_properties(program: Run) -> None:
    site = program.one("web:WebApp").inputs
    assert sorted(site) == [
        "clientAffinityEnabled",
        "functionAppConfig",
        "httpsOnly",
        "hyperV",
        "identity",
        "isXenon",
        "kind",
        "resourceGroupName",
        "scmSiteAlsoStopped",
        "serverFarmId",
        "siteConfig",
        "tags",
    ]
    assert sorted(site["siteConfig"]) == ["appSettings", "minTlsVersion"]
    assert all(sorted(each) == ["name", "value"] for each in site["siteConfig"]["appSettings"])
    # The plan alone says that it is for Linux.
    assert program.one("web:AppServicePlan").inputs["reserved"] is True


def test_the_site_is_one_that_flex_consumption_takes(program: Run) -> None:
    assert flex.refusal(program.one("web:WebApp").inputs) is None


SITE: dict[str, Any] = {
    "functionAppConfig": {
        "runtime": {"name": "python", "version": "3.13"},
        "scaleAndConcurrency": {"instanceMemoryMB": 2048, "maximumInstanceCount": 40},
    },
    "siteConfig": {"appSettings": [{"name": "APP_SETTING", "value": "1"}], "minTlsVersion": "1.2"},
}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"functionAppConfig": None}, "FunctionAppConfig is required"),
        ({"isXenon": True}, "Site.IsXenon"),
        ({"reserved": True}, "Site.Reserved"),
        ({"siteConfig": {"alwaysOn": False}}, "Site.SiteConfig.AlwaysOn"),
        # A null is refused like any value: https://github.com/microsoft/azure-pipelines-tasks/issues/21032.
        (
            {"siteConfig": {"ftpsState": None, "netFrameworkVersion": "v4.6"}},
            "SiteConfig.FtpsState, Site.SiteConfig.Net",
        ),
        ({"siteConfig": {"linuxFxVersion": "PYTHON|3.13"}}, "Site.SiteConfig.LinuxFxVersion"),
        (
            {"siteConfig": {"appSettings": [{"name": "FUNCTIONS_WORKER_RUNTIME", "value": "python"}]}},
            "Site.SiteConfig.AppSettings.FUNCTIONS_WORKER_RUNTIME",
        ),
        (
            {"siteConfig": {"appSettings": [{"name": "website_run_from_package", "value": "1"}]}},
            "Site.SiteConfig.AppSettings.website_run_from_package",
        ),
        (
            {"functionAppConfig": SITE["functionAppConfig"] | {"runtime": {"name": "python", "version": "3.9"}}},
            "Runtime.Version is '3.9'",
        ),
        (
            {
                "functionAppConfig": SITE["functionAppConfig"]
                | {"scaleAndConcurrency": {"instanceMemoryMB": 1024, "maximumInstanceCount": 40}}
            },
            "InstanceMemoryMB is 1024. Allowed: 512, 2048, 4096.",
        ),
    ],
)
def test_what_belongs_to_other_plans_is_refused_by_its_name(change: dict[str, Any], named: str) -> None:
    assert flex.refusal(SITE) is None
    problem = flex.refusal(SITE | change)
    assert problem is not None
    assert named in problem


def test_no_password_opens_the_deployment_of_the_code(program: Run) -> None:
    app, deploy = program.one("web:WebApp"), program.one("dynamic/web:OneDeploy")
    assert program.all("web:WebAppFtpAllowed") == []
    policy = program.one("web:WebAppScmAllowed")
    assert policy.inputs == {
        "allow": False,
        "name": "~function",
        "resourceGroupName": app.inputs["resourceGroupName"],
    }
    assert policy.request.deletedWith.endswith("::function")
    # The code comes by a token of Resource Manager, so neither has to wait for the other.
    assert not [urn for urn in deploy.request.dependencies if urn.endswith(policy.name)]


@pytest.mark.usefixtures("function_package")
def test_the_configured_memory_reaches_the_app(artifact_cache: Path) -> None:
    run = run_program({"artifactCache": str(artifact_cache), "functionMemoryMb": "512"})
    scale = run.one("web:WebApp").inputs["functionAppConfig"]["scaleAndConcurrency"]
    assert scale == {"instanceMemoryMB": 512, "maximumInstanceCount": 40}


def test_the_worker_has_a_thread_for_all_that_the_host_hands_over_at_a_time(program: Run) -> None:
    queues = json.loads(HOST_JSON.read_text(encoding="utf-8"))["extensions"]["queues"]
    threads = int(settings_of(program.one("web:WebApp"))["PYTHON_THREADPOOL_THREAD_COUNT"])
    # One more is for the sweep; the worker takes no more than 32.
    assert queues["batchSize"] + queues["newBatchThreshold"] + 1 <= threads <= 32


@pytest.fixture
def added(program: Run, function_package: None, artifact_cache: Path) -> Mapping[str, Any]:
    """Run the program once more; return by class and parameter what its resources got without having been given it."""
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        watch(patch, program, found)
        run_program({"artifactCache": str(artifact_cache), "tags": '{"team": "files"}'})
    return found


def watch(patch: pytest.MonkeyPatch, program: Run, found: dict[str, Any]) -> None:
    """Note what the constructors of the SDK's resources and argument classes add to what they are given."""
    modules = {each.token.split(":")[1] for each in program.resources if each.token.startswith("azure-native:")}
    assert {"storage", "web"} <= modules
    given: list[tuple[str, set[str]]] = []

    def arguments(original: Callable[..., None], kind: type) -> Callable[..., None]:
        @functools.wraps(original)
        def construct(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            passed = {name for name, value in kwargs.items() if value is not None}
            for name, value in vars(self).items():
                if name not in passed and value is not None and not name.startswith("_"):
                    found[f"{kind.__name__}.{name}"] = value

        return construct

    def resource(original: Callable[..., None], kind: type) -> Callable[..., None]:
        @functools.wraps(original)
        def construct(self: Any, *args: Any, **kwargs: Any) -> None:
            given.append((kind.__name__, {name for name, value in kwargs.items() if value is not None}))
            original(self, *args, **kwargs)
            given.pop()

        return construct

    register = pulumi.CustomResource.__init__

    def registered(self: Any, t: str, name: str, props: Any = None, *args: Any, **kwargs: Any) -> None:
        if given and t.startswith("azure-native:"):
            kind, passed = given[-1]
            values = props if isinstance(props, dict) else vars(props)
            for key, value in values.items():
                if value is not None and key not in passed and not key.startswith("_"):
                    found[f"{kind}.{key}"] = value
        register(self, t, name, props, *args, **kwargs)

    patch.setattr(pulumi.CustomResource, "__init__", registered)
    for name in modules:
        for kind in vars(importlib.import_module(f"pulumi_azure_native.{name.replace('/', '.')}")).values():
            if not inspect.isclass(kind):
                continue
            if _types.is_input_type(kind):
                patch.setattr(kind, "__init__", arguments(kind.__init__, kind))
            elif issubclass(kind, pulumi.CustomResource):
                patch.setattr(kind, "_internal_init", resource(cast(Any, kind)._internal_init, kind))


def test_the_sdk_adds_nothing_but_these_defaults(added: Mapping[str, Any]) -> None:
    assert {key: value for key, value in added.items() if ADDED.get(key, "nothing") != value} == {}
    # It sees what is added, or it would prove nothing.
    assert "WebApp.is_xenon" in added
