"""Whether the image's user may use the mounted share."""

from __future__ import annotations

from infra.acceptance.asking import NotAnswered, Question, Seen
from infra.acceptance.groups import Wanted, probe_group
from infra.acceptance.site import Site
from infra.settings.naming import SHARE_MOUNT

CONFIG_FOLDER = "config"


def _ask(site: Site) -> Seen:
    wanted = Wanted(arguments=[SHARE_MOUNT, "config/runtime.json"], probe="share", share=True)
    with probe_group(site, "acceptance-share", wanted) as group:
        state = group.wait_ended()
        lines = group.lines()
        told = "; ".join(str(each.get("message")) for each in group.events()[-3:])
    if not lines and "mount" in told.lower():
        return Seen(
            advice="No worker runs. Look at the account's firewall and key, and that its shared keys are allowed.",
            as_expected=False,
            details={"events": told, "state": state},
            text=f"The share is not mounted; the group ended as {state}: {told}",
        )
    if not lines:
        raise NotAnswered(f"The container ended as {state} and printed nothing. {told}")
    found = lines[-1]
    reads, writes = "read" in found, "written" in found
    may = f"user {found['uid']} can{'' if reads else 'not'} read and can{'' if writes else 'not'} write"
    problems = " ".join(str(found[key]) for key in ("stat", "unread", "unwritten") if key in found)
    return Seen(
        advice=(
            "The worker finds neither its config nor a place for its log. The way out: remove 'USER 10001' from "
            "pipeline_app/Dockerfile, so that it runs as the owner of the mount, or set runtimeConfigFile, "
            "exportConfigFile to '' and keep to run.log beside the results."
        ),
        as_expected=reads and writes,
        details=found,
        text=f"Mode {found.get('mode', 'unknown')}, owner {found.get('owner', 'unknown')}: {may}. {problems}".strip(),
    )


QUESTION = Question(
    ask=_ask,
    container_minutes=2,
    expected="Mode 0777 or the like: the image's user reads the configs and writes its log.",
    limit_minutes=15,
    minutes=2,
    name="share-readable",
    source="https://github.com/Azure/azure-cli/issues/17136 shows 0777; 0700 was seen in "
    "https://github.com/MicrosoftDocs/azure-docs/issues/19017",
    text="May the image's user read and write the mounted file share?",
)
