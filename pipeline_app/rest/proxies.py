"""Which addresses are never asked through a proxy: this machine, and the platform's endpoints beside it.

Every client that runs in a process goes by its environment (requests, and with it the SDKs of Azure; urllib; the
clients here), so the names stand there once. What they protect are signed requests and tokens of identities, which a
proxy has no business to see and cannot deliver.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Final
from urllib.parse import urlsplit

# The last is the identity endpoint of container groups and virtual machines.
# Source: https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
NEAR: Final = ("127.0.0.1", "localhost", "::1", "169.254.169.254")
# Where the platform says that its identity endpoint is, as for functions.
_ENDPOINTS: Final = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT")


def is_near(host: str) -> bool:
    """Tell whether a host name or address is this machine or the platform beside it."""
    return host.strip("[]").lower() in NEAR or host.startswith("127.")


def keep_near(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have ``NO_PROXY`` name what is never asked through a proxy, in both cases, since clients read either.

    Where no proxy is set there, nothing is: a variable of its own would hide the proxies of a desktop's settings.
    """
    if not any(value and name.lower().endswith("_proxy") for name, value in environment.items()):
        return
    present = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if present.strip() == "*":
        return
    names = [name.strip() for name in present.split(",") if name.strip()]
    hosts = [urlsplit(environment.get(name, "")).hostname for name in _ENDPOINTS]
    names += [name for name in (*NEAR, *filter(None, hosts)) if name not in names]
    environment["no_proxy"] = environment["NO_PROXY"] = ",".join(names)
