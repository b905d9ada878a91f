"""Whether an event wakes the function from nothing, with its roles on single queues."""

from __future__ import annotations

import uuid
from datetime import datetime

from infra.acceptance.asking import NotAnswered, Question, Seen
from infra.acceptance.site import Site

CONTENT = b"a,b\n1,2\n"
QUIET_SECONDS = 600
RECEIPT_SECONDS = 1200


def _ask(site: Site) -> Seen:
    # The app's instances end some minutes after their last event; the throw-away stack's sweep runs once a year.
    site.clock.sleep(QUIET_SECONDS)
    name = f"{site.account.names.input_path}/acceptance-{uuid.uuid4().hex[:8]}.csv"
    begin = site.clock.now()
    etag = site.account.put(name, CONTENT)
    try:
        receipt = site.clock.wait(
            lambda: site.account.receipt(name, etag), "the receipt", seconds=RECEIPT_SECONDS, every=2
        )
    except NotAnswered as reason:
        return Seen(
            advice=(
                "The scaler does not see the queue: give function-identity Storage Queue Data Contributor and Reader "
                "on the whole account (infra/components/grants.py). Until then the sweep alone wakes the function."
            ),
            as_expected=False,
            details={"seconds": site.clock.now() - begin},
            text=f"No receipt came. {reason}",
        )
    seconds = site.clock.now() - begin
    queued, started, finished = (
        datetime.fromisoformat(str(receipt[key]).replace("Z", "+00:00"))
        for key in ("queued_at", "started_at", "finished_at")
    )
    wake = (started - queued).total_seconds()
    work = (finished - started).total_seconds()
    woken = not str(receipt["event_id"]).startswith("sweep-")
    return Seen(
        advice="The sweep found the file, and no event woke the function: look at its log (AppTraces).",
        as_expected=woken and receipt["status"] == "succeeded",
        details={"receipt": receipt, "seconds": round(seconds, 1)},
        text=(
            f"{'The event' if woken else 'The sweep'} woke it: receipt ({receipt['status']}) after {seconds:.0f} s, of "
            f"which event and function {seconds - wake - work:.0f} s, container {wake:.0f} s, work {work:.0f} s."
        ),
    )


QUESTION = Question(
    ask=_ask,
    container_minutes=2,
    expected="Yes: the receipt comes by an event, without a sweep.",
    limit_minutes=40,
    minutes=13,
    name="scaler-from-zero",
    source="https://github.com/Azure/azure-functions-host/issues/10904; that roles on single queues are enough is "
    "inferred",
    text="Does an upload wake the function from zero instances, with roles on single queues, and how soon?",
)
