"""A trace as a story in words, a sentence a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.interleavings.storage import Answer, Call


class Step(NamedTuple):
    """One step: what kind it is, whose, and the request and its answer, or the message, that it is about."""

    kind: str
    answer: Answer | None = None
    call: Call | None = None
    end: str = ""
    message: str = ""
    worker: int = 0


def story(steps: Iterable[Step]) -> Iterator[str]:
    """Tell steps in their order."""
    for step in steps:
        who = f"Worker {step.worker}"
        what = _request(step.call) if step.call else ""
        done = f"{what} → {_answer(step.answer)}" if step.answer else what
        ended = f", and has ended: {step.end}" if step.end else ""
        yield {
            "asks": f"{who}: {done}{ended}.",
            "asks again": f"{who} does not get the answer and will ask once more: {done}.",
            "asks again, late": f"{who} gets no answer and will ask once more, while this is under way: {what}.",
            "claims": f"{who} claims {step.message}.",
            "expired": f"The claim on {step.message} expires, and {who.lower()} claims it.",
            "killed after": f"{who} is killed before it has the answer: {done}.",
            "killed before": f"{who} is killed before it asks: {what}.",
            "killed, late": f"{who} is killed while this is under way: {what}.",
            "late": f"What was under way is carried out: {done}.",
            "overwritten": f"The input is overwritten and has version {step.message}.",
            "undisturbed": "All workers are lost, and from here on nothing goes wrong.",
        }[step.kind]


def _answer(answer: Answer) -> str:
    if answer.error is not None:
        return answer.error[0].__name__
    if answer.value is None:
        return "nothing"
    return getattr(answer.value, "etag", None) or (answer.value if isinstance(answer.value, str) else "done")


def _request(call: Call) -> str:
    name = call.name.rpartition("/")[2] or call.name
    if call.method not in ("delete", "put", "read"):
        return f"{call.method} {name}"
    state = dict(call.arguments[2]).get("state") if call.method == "put" else None
    condition = f"if it has ETag {call.arguments[0]}" if call.arguments[0] else "if it is not there"
    return f"{call.method} {name}{f' ({state})' if state else ''} {condition}"
