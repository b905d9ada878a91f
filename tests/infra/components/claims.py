"""What docs/identities.md claims that somebody cannot do, as actions that none of their roles may allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.engine.standin.roles import BLOBS
from tests.infra.components.rights import Rights

CONTAINERS = BLOBS.removesuffix("/blobs")
GROUPS = "Microsoft.ContainerInstance/containerGroups"
QUEUES = "Microsoft.Storage/storageAccounts/queueServices/queues"
MESSAGES = f"{QUEUES}/messages"


def changes(path: str) -> Iterator[tuple[str, str]]:
    """Yield what changes a blob."""
    for verb in ("add/action", "delete", "write"):
        yield f"{BLOBS}/{verb}", path


# What each claim of the document comes to: actions, none of which is allowed on what the claim is about.
Claim = Callable[[Rights, dict[str, str]], list[bool]]
INPUT, RECEIPT = "incoming/a.csv", "outgoing/a.csv/receipt.json"
CLAIMS: dict[str, Claim] = {
    "change a result or a receipt": lambda who, ids: [
        who.may(action, ids["files"], path=path) for action, path in changes(RECEIPT)
    ],
    "change an input": lambda who, ids: [who.may(action, ids["files"], path=path) for action, path in changes(INPUT)],
    "change an input, a result or a receipt": lambda who, ids: [
        who.may(action, ids["files"], path=path) for name in (INPUT, RECEIPT) for action, path in changes(name)
    ],
    "give a role": lambda who, ids: [
        who.may(f"Microsoft.Authorization/{kind}/write", id_)
        for kind in ("roleAssignments", "roleDefinitions")
        for id_ in ids.values()
    ],
    "create or delete a container or a queue": lambda who, ids: [
        *(who.may(f"{CONTAINERS}/{verb}", ids["files"]) for verb in ("delete", "write")),
        *(who.may(f"{QUEUES}/{verb}", ids[queue]) for verb in ("delete", "write") for queue in ("events", "jobs")),
    ],
    "create or delete the container": lambda who, ids: [
        who.may(f"{CONTAINERS}/{verb}", ids["files"]) for verb in ("delete", "write")
    ],
    "create, change, delete or enter a container group": lambda who, ids: [
        who.may(f"{GROUPS}/{verb}", ids["group"]) for verb in ("write", "delete", "containers/exec/action")
    ],
    "push an image": lambda who, ids: [
        who.may("Microsoft.ContainerRegistry/registries/push/write", ids["registry"]),
        who.may("Microsoft.ContainerRegistry/registries/listCredentials/action", ids["registry"]),
    ],
    "read an artifact": lambda who, ids: [
        who.may(f"{BLOBS}/read", ids["artifacts"], path="applications/a.zip"),
        who.may(f"{BLOBS}/read", ids["artifacts"], prefix=""),
    ],
    "read an event": lambda who, ids: [
        who.may(f"{MESSAGES}/{verb}", ids["events"]) for verb in ("process/action", "read")
    ],
    "read the vault's secrets or an account's keys": lambda who, ids: [
        who.may("Microsoft.KeyVault/vaults/secrets/getSecret/action", ids["vault"]),
        *(
            who.may("Microsoft.Storage/storageAccounts/listKeys/action", ids[account])
            for account in ("artifacts-account", "files-account", "host-account")
        ),
    ],
    "see a blob beside the two paths": lambda who, ids: [
        who.may(f"{BLOBS}/read", ids["files"], path="incoming-not/a.csv"),
        *(who.may(f"{BLOBS}/read", ids["files"], prefix=prefix) for prefix in ("", "in", "incoming", None)),
    ],
    "start or change a container group": lambda who, ids: [
        who.may(f"{GROUPS}/{verb}", ids["group"]) for verb in ("start/action", "stop/action", "write", "delete")
    ],
    "take or delete a job": lambda who, ids: [
        who.may(f"{MESSAGES}/{verb}", ids["jobs"]) for verb in ("delete", "process/action", "write")
    ],
    "take or put a message": lambda who, ids: [
        who.may(f"{MESSAGES}/{verb}", ids[queue])
        for verb in ("add/action", "delete", "process/action", "read", "write")
        for queue in ("events", "jobs")
    ],
}
