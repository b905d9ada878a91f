"""One file's story in plain sentences, and what to do next."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from infra.operate.log_lines import shown
from infra.operate.storage import archive_problem
from infra.operate.story import Story
from pipeline_app.contract import (
    EVENTS_POISON_QUEUE,
    EVENTS_QUEUE,
    JOBS_POISON_QUEUE,
    JOBS_QUEUE,
    Receipt,
    StorageNames,
    is_folder_marker,
)
from pipeline_app.printable import printable
from pipeline_app.worker.app_config import ConfigRefused

# The sweep leaves an input two minutes for its event, and runs every minute unless the stack says otherwise.
SWEPT_AFTER: Final = timedelta(minutes=3)
# After a pause of a quarter of an hour, unless the stack says otherwise, it looks at all inputs in any case.
RESTED_AFTER: Final = SWEPT_AFTER + timedelta(minutes=15)
TAIL_LINES: Final = 5

MADE_EMPTY: Final = (
    "It is of the type {kind}: its event comes when it is made, before its content, and none comes when it grows. The "
    "sweep queues it once it has not changed for two minutes (sweepGraceSeconds), within sweepPauseSeconds after that, "
    "and again when it has changed and rested once more. A block blob is processed as soon as it is there."
)
FOLDER: Final = "It has no bytes and stands for a folder, by its metadata or its name. So it is never processed."

Mood = Literal["bad", "good", "waiting"]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of a story: a heading, sentences, and how it stands."""

    heading: str
    lines: tuple[str, ...]
    mood: Mood


def tell(story: Story, names: StorageNames, moment: datetime) -> list[Section]:
    """Return the story in order; the last section says what to do. ``moment`` is now, with a time zone."""
    sections = (
        _input(story, moment),
        _filter(story, names),
        _messages(story),
        _attempts(story),
        _receipt(story),
        _next(story, moment),
    )
    # What an application printed, and how a file is called, is for reading; no terminal or page may act on it.
    return [replace(each, lines=tuple(map(printable, each.lines))) for each in sections]


def _input(story: Story, moment: datetime) -> Section:
    blob = story.input
    if blob is None:
        lines = (f"{story.name!r} is not there any more: it was deleted.",)
        return Section(heading="Input", lines=lines, mood="waiting")
    there = (
        f"{story.name!r} is there: {blob.size:,} bytes, version {blob.etag}, "
        f"uploaded {blob.modified:%Y-%m-%d %H:%M:%S %Z}, {_ago(moment - blob.modified)} ago."
    )
    if (archived := archive_problem(blob)) is not None:
        return Section(heading="Input", lines=(there, archived), mood="bad")
    return Section(heading="Input", lines=(there,), mood="good")


def _filter(story: Story, names: StorageNames) -> Section:
    if not story.is_input:
        line = (
            f"The event filter takes the blobs of the container {names.container!r} below '{names.input_path}/', with "
            f"regard to case. {names.refusal(story.name) or ''} So it is never processed."
        )
        return Section(heading="Event filter", lines=(line,), mood="bad")
    if _is_folder(story):
        return Section(heading="Event filter", lines=(FOLDER,), mood="good")
    if story.input and story.input.kind != "BlockBlob":
        return Section(heading="Event filter", lines=(MADE_EMPTY.format(kind=story.input.kind),), mood="waiting")
    line = f"It takes this file: a block blob of the container {names.container!r} below '{names.input_path}/'."
    return Section(heading="Event filter", lines=(line,), mood="good")


def _messages(story: Story) -> Section:
    lines = []
    for sighting in story.sightings:
        what = "An event" if sighting.queue in (EVENTS_QUEUE, EVENTS_POISON_QUEUE) else "A job"
        lines.append(f"{what} for it is in the queue '{sighting.queue}'{_of_version(story, sighting.etag)}.")
    for letter in story.dead_letters:
        lines.append(
            f"An event of it is dead-lettered{_of_version(story, letter.etag)}: {letter.reason}, {letter.outcome}."
        )
    if not lines:
        lines.append("No message for it is in sight.")
    hidden = {queue: total - seen for queue, (seen, total) in story.counts.items() if total > seen}
    if hidden:
        listed = ", ".join(f"{count} in '{queue}'" for queue, count in hidden.items())
        lines.append(
            f"Out of sight are {listed}: somebody works on them, they are behind the first of their queue, or they are "
            "the function's own wake-ups. None of them need be about this file."
        )
    bad = story.dead_letters or _poisoned(story)
    return Section(heading="Messages", lines=tuple(lines), mood="bad" if bad else "good")


def _attempts(story: Story) -> Section:
    lines: list[str] = []
    if story.log is None:
        query = (
            "union isfuzzy=true AppTraces, ContainerInstanceLog, ContainerInstanceLog_CL "
            f"| extend e = parse_json(Message) | where tostring(e.name) == {_kusto(story.name)} "
            "| project TimeGenerated, Text = tostring(e.text) | order by TimeGenerated asc"
        )
        lines.append(f"What function and workers logged of it is in Log Analytics: {query}")
    elif story.log:
        said = (shown(event).partition("\n")[0] for event in story.log)
        lines += ["The last that the workers logged of it:", *(f"  {each}" for each in said)]
    else:
        lines.append("The workers have logged nothing of it.")
    if story.log_blob:
        lines.append(f"What the application printed is in {story.log_blob!r}.")
    return Section(heading="Attempts", lines=tuple(lines), mood="good" if story.log or story.log_blob else "waiting")


def _receipt(story: Story) -> Section:
    receipt = story.receipt
    if receipt is None:
        text = f"What is there cannot be read: {story.receipt_problem}" if story.receipt_problem else "There is none."
        bad = story.receipt_problem or story.held
        return Section(heading="Receipt", lines=(text, *_in_the_way(story)), mood="bad" if bad else "waiting")
    lines = [
        f"{story.receipt_name!r} says {receipt.status}, attempt {receipt.attempt}, finished {receipt.finished_at}."
    ]
    if story.input and not _is_present(story, receipt):
        lines.append(f"It is of another version, {receipt.input.etag}, and not of the present one.")
    if receipt.error:
        lines.append(receipt.error)
    if receipt.log_tail:
        lines += ["The log ended with:", *(f"  {line}" for line in receipt.log_tail.splitlines()[-TAIL_LINES:])]
    if receipt.warning:
        lines.append(receipt.warning)
    if receipt.outputs and not story.broken:
        lines.append(f"Its {len(receipt.outputs)} result(s) are there with the sizes that it names.")
    lines += story.broken
    lines += _in_the_way(story)
    if story.input and not _is_present(story, receipt):
        return Section(heading="Receipt", lines=tuple(lines), mood="waiting")
    mood: Mood = "bad" if receipt.status == "failed" or story.broken else "good"
    return Section(heading="Receipt", lines=tuple(lines), mood=mood)


def _in_the_way(story: Story) -> tuple[str, ...]:
    """Return what keeps the present version from being published; one that succeeded has nothing to fear of it."""
    receipt = story.receipt
    done = receipt and _is_present(story, receipt) and receipt.status == "succeeded" and not receipt.warning
    return () if done else story.held


def _next(story: Story, moment: datetime) -> Section:
    mood, lines = _advice(story, moment)
    return Section(heading="What to do", lines=tuple(lines), mood=mood)


def _advice(story: Story, moment: datetime) -> tuple[Mood, list[str]]:
    retry = f"'retry {shlex.quote(story.name)}'"
    if not story.is_input:
        return "bad", ["Upload the file below the input path, under another name if need be."]
    if _is_folder(story):
        return "good", ["Nothing. If it is meant as an empty file, upload it under a name of its own without metadata."]
    if story.input is None:
        return "good", ["Nothing: there is no input to process. Upload it again if it shall be."]
    receipt = story.receipt
    if receipt and _is_present(story, receipt):
        if story.broken:
            return "bad", [f"Results were deleted or changed after the receipt was written. {retry} makes them anew."]
        if receipt.status == "succeeded" and receipt.warning:
            return "bad", [f"See what the receipt warns of; once that is mended, {retry} has the file processed again."]
        if receipt.status == "succeeded":
            return "good", ["Nothing: it is done."]
        if (archived := archive_problem(story.input)) is not None:
            return "bad", [archived]
        if story.held:
            return "bad", [f"End what holds the blobs that are named above, then {retry} has the file processed again."]
        return "bad", [f"Mend what the receipt says, then {retry} has the file processed again."]
    if story.held:
        return "bad", [
            *story.held,
            f"As long as that lasts, nothing of the file's present version can be published. Then {retry} has it "
            "processed; its message in a poison queue, if there is one, can be deleted.",
        ]
    return _advice_without_receipt(story, moment, retry)


def _advice_without_receipt(story: Story, moment: datetime, retry: str) -> tuple[Mood, list[str]]:
    if (queue := _poisoned(story)) is not None:
        return "bad", [
            f"Look at the message in '{queue}' and at the log, and mend the cause. Then {retry} has the file "
            "processed, and the message can be deleted."
        ]
    if story.log and story.log[-1].get("cause") == ConfigRefused.__name__:
        return "bad", [
            "A config on the share is not the stack's, so no file is run: 'pulumi up' puts it back (in a local run, "
            "its next start). The file waits in the queue and costs no attempt; nothing else is to be done for it."
        ]
    waiting = {sighting.queue for sighting in story.sightings}
    if JOBS_QUEUE in waiting:
        return "waiting", [
            "Wait: it is in the queue, and the sweep sees to it every minute that a worker runs. If none "
            "comes, docs/troubleshooting.md says where to look."
        ]
    if EVENTS_QUEUE in waiting:
        return "waiting", ["Wait: its event is there, and the function makes a job of it. If not, look at its log."]
    seen, total = story.counts[JOBS_QUEUE]
    if total > seen:
        return "waiting", [
            "Wait: a worker may have it, or it is behind others in the queue. If the queue runs empty without a "
            "receipt, the sweep queues it once more."
        ]
    assert story.input is not None  # noqa: S101 -- the caller has dealt with a file that is gone.
    if story.input.kind != "BlockBlob" and moment - story.input.modified <= RESTED_AFTER:
        return "waiting", [
            "Wait: the sweep queues it once it has not changed for a while; 'backfill' does so at once, as it is now."
        ]
    if story.dead_letters or moment - story.input.modified > SWEPT_AFTER:
        return "bad", [
            "Its event was lost, and the sweep has not queued it. 'backfill' queues it now, with all others like it; "
            "if the sweep does not run, look at the function's log."
        ]
    return "waiting", [
        "Wait: its event is on the way, which takes seconds as a rule. If it is lost, the sweep queues the file some "
        "three minutes after the upload; 'backfill' does so at once."
    ]


def _ago(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def _is_present(story: Story, receipt: Receipt) -> bool:
    return story.input is not None and story.input.etag == receipt.input.etag


def _is_folder(story: Story) -> bool:
    blob = story.input
    return blob is not None and is_folder_marker(blob.name, blob.size, blob.metadata)


def _kusto(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _of_version(story: Story, etag: str | None) -> str:
    if etag is None or story.input is None:
        return ""
    return ", for this version" if etag.strip('"') == story.input.etag else ", for another version"


def _poisoned(story: Story) -> str | None:
    """Return the poison queue that a message for the file is in, or None."""
    found = {sighting.queue for sighting in story.sightings}
    return next((queue for queue in (JOBS_POISON_QUEUE, EVENTS_POISON_QUEUE) if queue in found), None)
