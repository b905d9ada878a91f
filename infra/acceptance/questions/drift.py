"""What a refresh finds changed right after a deploy that nobody has touched."""

from __future__ import annotations

from infra.acceptance.asking import Question, Seen
from infra.acceptance.site import Site


def _ask(site: Site) -> Seen:
    changed = site.drift()
    return Seen(
        advice=(
            "A deploy with --refresh shows these as changes each time, or makes them anew. Give each resource "
            "ignore_changes for the property, with the reason, or declare what Azure fills in."
        ),
        as_expected=not changed,
        details={"changed": changed},
        text=f"{len(changed)} resource(s) would change: {'; '.join(changed)}" if changed else "Nothing would change.",
    )


QUESTION = Question(
    ask=_ask,
    expected="Nothing.",
    limit_minutes=15,
    minutes=2,
    name="refresh-drift",
    source="https://github.com/pulumi/pulumi-azure-native/issues/2245 and "
    "https://github.com/pulumi/pulumi-azure-native/issues/3220 tell of blob containers that drift",
    text="What does 'pulumi refresh --preview-only' change after an untouched deploy?",
)
