"""A trace as a story in words, a sentence a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pipeline_app.contract import JOBS_POISON_QUEUE
from tests.memory.requests import Asked, Reply


class Step(NamedTuple):
    """One step: what kind it is, whose, and the request and its answer, or the message, that it is about."""

    kind: str
    answer: Reply | None = None
    call: Asked | None = None
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


def _answer(answer: Reply) -> str:
    return (answer.header("ETag") or "").strip('"') or answer.code or "done"


def _request(asked: Asked) -> str:
    if asked.service == "queue":
        return _of_message(asked)
    if asked.parameter("comp") == "list":
        return f"list {asked.parameter('prefix')}"
    name = asked.path.rpartition("/")[2]
    method = {"DELETE": "delete", "GET": "read", "HEAD": "look at", "PUT": "put"}[asked.method]
    state = asked.header("x-ms-meta-state")
    match, none = asked.header("if-match"), asked.header("if-none-match")
    condition = "" if match is None else f" if it has ETag {match.strip(chr(34))}"
    condition = " if it is not there" if none else condition
    return f"{method} {name}{f' ({state})' if state else ''}{condition}"


def _of_message(asked: Asked) -> str:
    queue, _, message = asked.path.partition("/messages")
    if asked.method == "POST":
        return "bury a copy of the message" if queue == JOBS_POISON_QUEUE else "queue a job"
    if asked.method == "DELETE":
        return f"delete message {message.strip('/')}"
    return f"{'renew' if not asked.body else 'change'} message {message.strip('/')}"
