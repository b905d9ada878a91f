"""What Event Grid may do to a subscriber: deliver twice, late, in another order, what no one wants, or not at all.

Events are put on the ``events`` queue, and taken from it, from outside, as Event Grid would write them: the Event Grid
schema in base64. Nothing that runs knows of it.
"""

from __future__ import annotations

import base64
import json
import random
import uuid
from collections import Counter
from typing import Final

from azure.storage.queue import QueueClient

from pipeline_app.contract import now
from tests.chaos.checking import NAMES

# Of the events that are held back, this part never comes.
DROPPED: Final = 0.5
HELD_BACK: Final = 32


class Noise:
    """Makes trouble on the queue ``events``; ``counts`` says how much of which kind."""

    def __init__(self, account: str, chance: random.Random, counts: Counter[str]) -> None:
        self._account = account
        self._chance = chance
        self._counts = counts
        self._held: list[str] = []
        for kind in ("duplicate or late", "of other blobs", "never delivered", "re-ordered", "wrong"):
            counts[f"events {kind}"] = 0

    def repeat(self, events: QueueClient, name: str, etag: str) -> None:
        """Deliver an event of an upload again, be it of the newest version, of an older one, or of a deleted blob."""
        self._send(events, self._event(name, etag), "duplicate or late")

    def confuse(self, events: QueueClient, name: str) -> None:
        """Deliver what is not for the pipeline: of its own results, of other containers and accounts, and no event."""
        etag = "0x8DC0FFEE"
        others = [
            self._event(name, etag, container="other"),
            self._event(NAMES.receipt_name(name), etag),
            self._event("incoming", etag),
            self._event(f"{name}/there/is/no/such.csv", etag),
        ]
        self._send(events, self._chance.choice(others), "of other blobs")
        wrong = [
            [self._event(name, etag)],
            self._event(name, etag) | {"eventType": "Microsoft.Storage.BlobDeleted"},
            self._event(name, etag) | {"topic": "/subscriptions/x/Microsoft.Storage/storageAccounts/another"},
            {},
            None,
        ]
        self._send(events, self._chance.choice(wrong), "wrong")

    def hold_back(self, events: QueueClient) -> None:
        """Take what waits on the queue; some of it comes back by ``release``, in another order, the rest never."""
        for message in events.receive_messages(max_messages=HELD_BACK, messages_per_page=HELD_BACK):
            events.delete_message(message)
            if self._chance.random() < DROPPED:
                self._counts["events never delivered"] += 1
            else:
                self._held.append(message.content)

    def release(self, events: QueueClient) -> None:
        """Deliver at last, the newest first, what was held back."""
        while self._held:
            events.send_message(self._held[-1], time_to_live=-1)
            self._held.pop()
            self._counts["events re-ordered"] += 1

    def _event(self, name: str, etag: str, container: str = NAMES.container) -> dict[str, object]:
        url = f"https://{self._account}.blob.core.windows.net/{container}/{name}"
        return {
            "data": {"api": "PutBlob", "blobType": "BlockBlob", "contentLength": 9, "eTag": etag, "url": url},
            "dataVersion": "",
            "eventTime": now(),
            "eventType": "Microsoft.Storage.BlobCreated",
            "id": str(uuid.uuid4()),
            "metadataVersion": "1",
            "subject": f"/blobServices/default/containers/{container}/blobs/{name}",
            "topic": f"/subscriptions/x/providers/Microsoft.Storage/storageAccounts/{self._account}",
        }

    def _send(self, events: QueueClient, event: object, kind: str) -> None:
        events.send_message(base64.b64encode(json.dumps(event).encode()).decode(), time_to_live=-1)
        self._counts[f"events {kind}"] += 1
