"""The Queue service in memory: messages with claims, receipts and lives.

Source: https://learn.microsoft.com/rest/api/storageservices/queue-service-rest-api
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from xml.etree import ElementTree

from tests.memory.requests import XML_TYPE, Asked, Refused, Reply, elements
from tests.memory.rules import WEEK_SECONDS, check_queue_name, metadata_of, number_of

Dated = Callable[[float], str]
MAX_MESSAGE_BYTES: Final = 64 * 1024
MAX_NUMBER: Final = 2**31 - 1


class Queued(NamedTuple):
    """A message: ``pop`` counts its receipts, and moments are seconds since the account's epoch."""

    id: str
    content: str
    dequeue_count: int = 0
    pop: int = 0
    inserted: float = 0.0
    visible_at: float = 0.0
    expires: float | None = None

    @property
    def receipt(self) -> str:
        """The proof of the newest claim."""
        return f"{self.id}.{self.pop}"


class Queues:
    """Queues by their names, and the messages of each in the order in which they can be claimed."""

    def __init__(self) -> None:
        self.queues: dict[str, list[Queued]] = {}
        self._count = 0
        # The queues that ever had a message with an end to its life; in others nobody need look for one.
        self._mortal: set[str] = set()

    def answer(self, asked: Asked, moment: float, dated: Dated) -> Reply:
        """Carry out a request at a moment; raises Refused."""
        queue, _, rest = asked.path.partition("/")
        check_queue_name(queue)
        what, _, message_id = rest.partition("/")
        if what != "messages":
            return self._of_queue(asked, queue, moment, dated)
        if asked.method == "GET":
            return self._get(asked, queue, moment, dated)
        if asked.method == "POST":
            return self._post(asked, queue, moment, dated)
        if asked.method not in ("DELETE", "PUT") or not message_id:
            raise Refused(400, "InvalidQueryParameterValue", f"{asked.method} {asked.path} is not served here.")
        for needed in ("popreceipt", *(("visibilitytimeout",) if asked.method == "PUT" else ())):
            if not asked.parameter(needed):
                raise Refused(400, "MissingRequiredQueryParameter", f"{needed} is missing.")
        hidden = number_of(asked, "visibilitytimeout", 0, WEEK_SECONDS, 0)
        text = _text(asked.body) if asked.body else None
        receipt = asked.parameter("popreceipt") or ""
        if asked.method == "DELETE":
            self.delete(queue, message_id, receipt, moment)
            return Reply(204)
        changed = self.update(queue, message_id, receipt, moment, hidden, text)
        headers = (("x-ms-popreceipt", changed.receipt), ("x-ms-time-next-visible", dated(changed.visible_at)))
        return Reply(204, headers)

    def put(
        self,
        queue: str,
        content: str,
        moment: float,
        *,
        hidden: float = 0.0,
        life: float | None = None,
        claims: int = 0,
    ) -> Queued:
        """Add a message; returns it."""
        self._count += 1
        expires = None if life is None else moment + life
        if life is not None:
            self._mortal.add(queue)
        message = Queued(f"m{self._count}", content, claims, 0, moment, moment + hidden, expires)
        self.queues[queue].append(message)
        return message

    def claim(self, queue: str, moment: float, seconds: float, most: int = 1) -> list[Queued]:
        """Claim the first messages that are visible for so many seconds."""
        claimed: list[Queued] = []
        messages = self._messages(queue, moment)
        for place, each in enumerate(messages):
            if each.visible_at <= moment:
                count, pop = each.dequeue_count + 1, each.pop + 1
                messages[place] = each._replace(dequeue_count=count, pop=pop, visible_at=moment + seconds)
                claimed.append(messages[place])
                if len(claimed) == most:
                    break
        return claimed

    def count(self, queue: str, moment: float) -> int:
        """Count the messages, those that are claimed or hidden among them."""
        return len(self._messages(queue, moment))

    def delete(self, queue: str, message_id: str, receipt: str, moment: float) -> None:
        """Delete a message by the receipt of its newest claim; raises Refused."""
        messages = self._messages(queue, moment)
        del messages[_place(messages, message_id, receipt)]

    def update(
        self, queue: str, message_id: str, receipt: str, moment: float, hidden: float, content: str | None = None
    ) -> Queued:
        """Hide a message for so many seconds from now on, and let it say something else; raises Refused."""
        messages = self._messages(queue, moment)
        place = _place(messages, message_id, receipt)
        message = messages[place]
        said = message.content if content is None else content
        messages[place] = message._replace(content=said, pop=message.pop + 1, visible_at=moment + hidden)
        return messages[place]

    def _messages(self, queue: str, moment: float) -> list[Queued]:
        if queue not in self.queues:
            raise Refused(404, "QueueNotFound")
        messages = self.queues[queue]
        if queue in self._mortal and any(each.expires is not None and each.expires <= moment for each in messages):
            messages[:] = [each for each in messages if each.expires is None or each.expires > moment]
        return messages

    def _of_queue(self, asked: Asked, queue: str, moment: float, dated: Dated) -> Reply:
        if asked.method == "PUT" and asked.parameter("comp") is None:
            metadata_of(asked)
            created = queue not in self.queues
            self.queues.setdefault(queue, [])
            return Reply(201 if created else 204)
        if asked.method != "GET" or asked.parameter("comp") != "metadata":
            raise Refused(400, "InvalidQueryParameterValue", f"{asked.method} of a queue is not served here.")
        count = self.count(queue, moment)
        return Reply(200, (("Date", dated(moment)), ("x-ms-approximate-messages-count", str(count))))

    def _get(self, asked: Asked, queue: str, moment: float, dated: Dated) -> Reply:
        most = number_of(asked, "numofmessages", 1, 32, 1)
        seconds = number_of(asked, "visibilitytimeout", 1, WEEK_SECONDS, 30)
        peek = asked.parameter("peekonly") == "true"
        if peek:
            found = [each for each in self._messages(queue, moment) if each.visible_at <= moment][:most]
        else:
            found = self.claim(queue, moment, seconds, most)
        written = "".join(f"<QueueMessage>{elements(_written(each, dated, peek))}</QueueMessage>" for each in found)
        return Reply(200, (XML_TYPE,), f"<QueueMessagesList>{written}</QueueMessagesList>".encode())

    def _post(self, asked: Asked, queue: str, moment: float, dated: Dated) -> Reply:
        hidden = number_of(asked, "visibilitytimeout", 0, WEEK_SECONDS, 0)
        life = number_of(asked, "messagettl", -1, MAX_NUMBER, WEEK_SECONDS)
        if life == 0:
            raise Refused(400, "OutOfRangeQueryParameterValue", "messagettl is 0.")
        if 0 < life <= hidden:
            raise Refused(400, "InvalidQueryParameterValue", "A message has to live longer than it hides.")
        text = _text(asked.body)
        self._messages(queue, moment)
        message = self.put(queue, text, moment, hidden=hidden, life=None if life < 0 else life)
        said = _written(message, dated, peek=False)
        del said["MessageText"], said["DequeueCount"]
        body = f"<QueueMessagesList><QueueMessage>{elements(said)}</QueueMessage></QueueMessagesList>"
        return Reply(201, (XML_TYPE,), body.encode())


def _place(messages: Sequence[Queued], message_id: str, receipt: str) -> int:
    """Return where a message is; raises Refused where it is not there or was claimed anew since."""
    for place, each in enumerate(messages):
        if each.id == message_id:
            if each.receipt != receipt:
                raise Refused(400, "PopReceiptMismatch")
            return place
    raise Refused(404, "MessageNotFound")


def _text(body: bytes) -> str:
    raw = re.search(rb"<MessageText>(.*)</MessageText>", body, re.DOTALL)
    if raw is not None and len(raw[1]) > MAX_MESSAGE_BYTES:
        raise Refused(413, "RequestBodyTooLarge")
    try:
        return ElementTree.fromstring(body).findtext("MessageText", "")  # noqa: S314 -- of these tests.
    except ElementTree.ParseError as error:
        raise Refused(400, "InvalidXmlDocument", str(error)) from error


def _written(message: Queued, dated: Dated, peek: bool) -> dict[str, object]:
    said: dict[str, object] = {
        "MessageId": message.id,
        "InsertionTime": dated(message.inserted),
        # What never expires has the last moment that there is.
        "ExpirationTime": "Fri, 31 Dec 9999 23:59:59 GMT" if message.expires is None else dated(message.expires),
    }
    if not peek:
        said |= {"PopReceipt": message.receipt, "TimeNextVisible": dated(message.visible_at)}
    return said | {"DequeueCount": message.dequeue_count, "MessageText": message.content}
