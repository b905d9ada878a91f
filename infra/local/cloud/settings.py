"""What Azure's settings mean on this machine: identity connections become connection strings, the mount a folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from infra.local.services.azurite import StorageAccount

CONNECTION_KEYS: Final = ("accountName", "blobServiceUri", "queueServiceUri", "tableServiceUri")


class SettingsError(ValueError):
    """A setting would not work in Azure either; the text names it."""


def localize(
    settings: Mapping[str, str], accounts: Mapping[str, StorageAccount], client_ids: Collection[str]
) -> dict[str, str]:
    """Return the settings with each identity-based connection replaced by one that its account knows the identity by.

    ``PREFIX__blobServiceUri``, ``PREFIX__queueServiceUri``, ``PREFIX__accountName`` and what else begins with
    ``PREFIX__`` become ``PREFIX``. ``client_ids`` are the identities that the owner of the settings has.

    Raises:
        SettingsError: a connection leads to no account of the stack, to two, or uses an identity that is not there.
    """
    prefixes: dict[str, set[str]] = {}
    for name, value in settings.items():
        prefix, separator, key = name.partition("__")
        if separator and key in CONNECTION_KEYS:
            prefixes.setdefault(prefix, set()).add(_account_of(name, value, accounts))
    result = {name: value for name, value in settings.items() if name.partition("__")[0] not in prefixes}
    for prefix, found in prefixes.items():
        if len(found) != 1:
            raise SettingsError(f"The connection {prefix} leads to several accounts: {', '.join(sorted(found))}.")
        client_id = settings.get(f"{prefix}__clientId")
        if client_id is None or client_id not in client_ids:
            raise SettingsError(
                f"{prefix}__clientId is {client_id!r}; no identity with that client id is assigned. Assign it."
            )
        result[prefix] = accounts[found.pop()].connection_of(client_id)
    return result


def mount(settings: Mapping[str, str], mounts: Mapping[str, Path]) -> dict[str, str]:
    """Return the settings with each value at or below a mount path replaced by the folder's path."""
    return {name: _mounted(value, mounts) for name, value in settings.items()}


def _account_of(name: str, value: str, accounts: Mapping[str, StorageAccount]) -> str:
    for account in accounts.values():
        if value == account.name or any(value == account.endpoint(kind) for kind in ("blob", "queue", "table")):
            return account.name
    raise SettingsError(f"{name} is {value!r}, which leads to no storage account of this stack.")


def _mounted(value: str, mounts: Mapping[str, Path]) -> str:
    for path, folder in mounts.items():
        if value == path or value.startswith(f"{path}/"):
            return str(folder) + value[len(path) :]
    return value
