"""Where a canary ended that did not come through, in sentences, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from infra.operate.log_lines import readable
from infra.operate.story import Story
from infra.operate.telling import tell
from infra.verification.canary import RunnerFacts, Step, Watch
from pipeline_app.contract import StorageNames
from pipeline_app.contract.log_lines import decode
from pipeline_app.printable import printable

# What Container Instances says of a group whose image or share it cannot get at, and what mends it.
# Source: https://learn.microsoft.com/azure/container-instances/container-instances-troubleshooting
PLATFORM: Final[Mapping[str, str]] = {
    "Failed to mount": (
        "The file share cannot be mounted. Is the share there, and is the storage account's key the present one? "
        "'pulumi up --refresh' puts both right."
    ),
    "Failed to pull image": (
        "The image cannot be pulled. Is it in the registry, and has the worker's identity AcrPull on it? A role that "
        "was given a moment ago may take minutes: run 'pulumi up' again."
    ),
}

# The storage's codes, in the events of a worker whose identity may not do what it has to.
REFUSED: Final = ("AuthorizationFailure", "AuthorizationPermissionMismatch")

SHOWN_EVENTS: Final = 3
SHOWN_LINES: Final = 8

# What to do where a canary was seen to come this far and no further.
ADVICE: Final[Mapping[Step, str]] = {
    Step.UPLOADED: (
        "No event of the upload arrived. Is the event subscription there, does its filter take the input path, and may "
        "it put messages on the queue 'events'? 'pulumi up --refresh' makes it anew where it is gone."
    ),
    Step.EVENT: (
        "Its event waits in the queue 'events', and no job came of it. The function does not run, or may not take "
        "events or put jobs: look at its exceptions (AppExceptions in Log Analytics) and at the roles of its identity."
    ),
    Step.JOB: (
        "Its job waits in the queue 'jobs', and no worker took it to its end. Look at what runs the worker, above: it "
        "was not started, does not come up, or may not use the storage account."
    ),
    Step.WORKER: (
        "A worker began with it and wrote no receipt. Look at the worker's lines above, and at the time that the "
        "application takes (verifySeconds bounds all of it)."
    ),
    Step.POISONED: (
        "Look at the message ('az storage message peek') and at the exceptions of the function and the lines of the "
        "worker, mend the cause, and delete the message."
    ),
}


def diagnose(watch: Watch, story: Story, names: StorageNames, runners: Sequence[RunnerFacts], moment: datetime) -> str:
    """Return the file's story and what to do.

    Args:
        watch: how far the canary was seen to come.
        story: what the storage account knows of it now.
        names: the container and paths.
        runners: what runs the workers, as it is now.
        moment: now, with a time zone.
    """
    lines = [f"The pipeline is deployed, but its canary {watch.name!r} did not come through. {watch.problem}"]
    # The last section advises somebody whose file waits; here nobody waits any longer.
    for section in tell(story, names, moment)[:-1]:
        lines.append(section.heading)
        lines += [f"  {line}" for line in section.lines]
    for runner in runners:
        lines += _runner_lines(runner)
    lines += ["What to do", *(f"  {line}" for line in _advice(watch, runners))]
    # What a worker printed is in it, and it goes to a terminal.
    return printable("\n".join(lines))


def _advice(watch: Watch, runners: Sequence[RunnerFacts]) -> list[str]:
    lines = []
    if watch.receipt is None:
        lines += _runner_advice(runners) or [ADVICE[watch.furthest]]
    elif watch.receipt.status == "failed":
        lines.append(
            "Mend what the receipt says: the application, its config, or the file that verifyFile names. "
            "The end of the application's log stands above."
        )
    else:
        lines.append("Somebody else writes results of this stack. See that no other worker uses its queue.")
    return [
        *lines,
        "All else is deployed, and the canary is removed. 'pulumi up' tries again; 'pulumi config set verifyDeploy "
        "false' goes without.",
    ]


def _runner_advice(runners: Sequence[RunnerFacts]) -> list[str]:
    lines = []
    for runner in runners:
        if runner.state is None:
            lines.append(f"The {runner.kind} {runner.name} does not exist. 'pulumi up --refresh' makes it anew.")
        lines += [advice for words, advice in PLATFORM.items() if any(words in event for event in runner.events)]
        if any((decode(line) or {}).get("code") in REFUSED for line in runner.log):
            lines.append(
                f"The worker in {runner.name} may not use the storage account. Has its identity the roles that "
                "docs/identities.md lists? A role that was given a moment ago may take minutes: run 'pulumi up' again."
            )
    return list(dict.fromkeys(lines))


def _runner_lines(runner: RunnerFacts) -> list[str]:
    title = f"{runner.kind[0].upper()}{runner.kind[1:]} {runner.name}"
    if runner.state is None:
        return [title, "  There is none."]
    lines = [title, f"  It is {runner.state}."]
    lines += [f"  {event}" for event in runner.events[:SHOWN_EVENTS]]
    if runner.log:
        lines += ["  Its worker's last lines:", *(f"    {readable(line)}" for line in runner.log[-SHOWN_LINES:])]
    return lines
