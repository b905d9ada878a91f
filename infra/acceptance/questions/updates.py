"""What Container Instances does with a PUT on a group that has ended."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from infra.acceptance.asking import Question, Seen
from infra.acceptance.groups import ProbeGroup, Wanted, probe_group
from infra.acceptance.site import Site

Change = Callable[[dict[str, Any]], None]

SOURCE = "https://learn.microsoft.com/azure/container-instances/container-instances-update"


def _put(site: Site, name: str, change: Change) -> Seen:
    with probe_group(site, name, Wanted(arguments=["0"], probe="end")) as group:
        group.wait_ended()
        before = group.container().get("currentState", {}).get("startTime")
        body = copy.deepcopy(group.body)
        change(body)
        reply = group.put(body)
        after = _start_after(group, before) if reply.ok else before
    said = [f"{'Accepted' if reply.ok else 'Refused'}: {reply.told}.", reply.message]
    if reply.ok:
        said.append("The group ran again." if after != before else "The group did not run again.")
    return Seen(
        advice=(
            "The pipeline replaces the group in this case, which works all the same; an update in place would do, "
            "and would keep its role."
        ),
        as_expected=not reply.ok,
        details={"code": reply.code, "message": reply.message, "ran_again": after != before, "status": reply.status},
        text=" ".join(filter(None, said)),
    )


def _start_after(group: ProbeGroup, before: object) -> object:
    group.wait_ended()
    return group.container().get("currentState", {}).get("startTime", before)


def _other_image(body: dict[str, Any]) -> None:
    properties = body["properties"]["containers"][0]["properties"]
    # The same image by the tag that the stack keeps beside its version.
    properties["image"] = f"{properties['image'].partition('@')[0]}:latest"


def _tag(body: dict[str, Any]) -> None:
    body["tags"] = {"acceptance": "changed"}


TAG = Question(
    ask=lambda site: _put(site, "acceptance-put-tag", _tag),
    container_minutes=2,
    expected="Refused: a group that has ended must be deployed as new.",
    limit_minutes=20,
    minutes=2,
    name="put-terminated-tag",
    source=SOURCE,
    text="Is a PUT that changes a tag of a terminated group accepted?",
)

IMAGE = Question(
    ask=lambda site: _put(site, "acceptance-put-image", _other_image),
    container_minutes=2,
    expected="Refused: a group that has ended must be deployed as new.",
    limit_minutes=20,
    minutes=2,
    name="put-terminated-image",
    source=SOURCE,
    text="Is a PUT that changes the image of a terminated group accepted?",
)
