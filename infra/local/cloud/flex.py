"""What Azure refuses of a Function App on Flex Consumption.

Site properties and settings of other plans are refused with 400/51021, in every region by now or soon: older stamps
only ignored them. The names are those that Azure named in refusals, and those of its list of what is deprecated there:
https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations and
https://github.com/Azure/terraform-azurerm-avm-res-web-site/issues/360 (with the text of the refusal).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

APP_SETTINGS: Final = frozenset(
    {
        "enable_oryx_build",
        "functions_extension_version",
        "functions_max_http_concurrency",
        "functions_worker_dynamic_concurrency_enabled",
        "functions_worker_process_count",
        "functions_worker_runtime",
        "functions_worker_runtime_version",
        "scm_do_build_during_deployment",
        "website_contentazurefileconnectionstring",
        "website_contentovervnet",
        "website_contentshare",
        "website_dns_server",
        "website_max_dynamic_application_scale_out",
        "website_node_default_version",
        "website_run_from_package",
        "website_skip_contentshare_validation",
        "website_vnet_route_all",
    }
)
# Source: https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan#instance-sizes
INSTANCE_MEMORY_MB: Final = (512, 2048, 4096)
MAXIMUM_INSTANCES: Final = 1000
# Source: https://github.com/Azure/azure-functions-python-worker/issues/1701 for the last of them.
PYTHON_VERSIONS: Final = ("3.10", "3.11", "3.12", "3.13", "3.14")
SITE_CONFIG: Final = frozenset(
    {
        "alwaysOn",
        "ftpsState",
        "functionAppScaleLimit",
        "functionsRuntimeScaleMonitoringEnabled",
        "javaVersion",
        "linuxFxVersion",
        "netFrameworkVersion",
        "powerShellVersion",
        "preWarmedInstanceCount",
        "use32BitWorkerProcess",
        "vnetRouteAllEnabled",
        "windowsFxVersion",
    }
)
SITE_PROPERTIES: Final = frozenset(
    {
        "containerSize",
        "reserved",
        "vnetBackupRestoreEnabled",
        "vnetContentShareEnabled",
        "vnetImagePullEnabled",
        "vnetRouteAllEnabled",
    }
)
# The SDK sends these as false for every site, which Azure took while it named others in the same refusal.
# Source: https://github.com/pulumi/pulumi-azure-native/issues/4168
SITE_SWITCHES: Final = frozenset({"hyperV", "isXenon"})


def refusal(site: Mapping[str, Any]) -> str | None:
    """Return why Azure refuses a site on a Flex Consumption plan, or None; ``site`` has the provider's input names."""
    function_config = site.get("functionAppConfig")
    if not function_config:
        # Source: https://github.com/Azure/terraform-azurerm-avm-res-web-site/issues/195
        return "BadRequest: FunctionAppConfig is required on create for FlexConsumption sites"
    config = site.get("siteConfig") or {}
    settings = [str(each["name"]) for each in config.get("appSettings") or []]
    found = [f"Site.{_title(each)}" for each in sorted(SITE_PROPERTIES & site.keys())]
    found += [f"Site.{_title(each)}" for each in sorted(SITE_SWITCHES) if site.get(each)]
    found += [f"Site.SiteConfig.{_title(each)}" for each in sorted(SITE_CONFIG & config.keys())]
    found += [f"Site.SiteConfig.AppSettings.{each}" for each in settings if each.lower() in APP_SETTINGS]
    if found:
        return (
            f"BadRequest (51021): The following list of {len(found)} site configuration properties "
            f"({', '.join(found)}) for Flex Consumption sites is invalid. Please remove or rename them before retrying."
        )
    runtime = function_config.get("runtime") or {}
    scale = function_config.get("scaleAndConcurrency") or {}
    return (
        _not_one_of("Runtime.Name", runtime.get("name"), ["python"])
        or _not_one_of("Runtime.Version", runtime.get("version"), PYTHON_VERSIONS)
        or _not_one_of("ScaleAndConcurrency.InstanceMemoryMB", scale.get("instanceMemoryMB"), INSTANCE_MEMORY_MB)
        or _not_one_of(
            "ScaleAndConcurrency.MaximumInstanceCount",
            scale.get("maximumInstanceCount"),
            range(1, MAXIMUM_INSTANCES + 1),
        )
    )


def _not_one_of(name: str, value: Any, allowed: Iterable[Any]) -> str | None:
    choices = list(allowed)
    if value in choices:
        return None
    shown = ", ".join(map(str, choices)) if len(choices) < 10 else f"{choices[0]} to {choices[-1]}"
    return f"BadRequest: Site.FunctionAppConfig.{name} is {value!r}. Allowed: {shown}."


def _title(name: str) -> str:
    return name[:1].upper() + name[1:]
