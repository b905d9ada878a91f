"""Each question sees the answer that is expected, and each other one as that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from infra.acceptance.asking import Question, Verdict, ask
from infra.acceptance.questions import QUESTIONS
from tests.acceptance.conftest import Play
from tests.acceptance.standin_groups import confining

BY_NAME = {question.name: question for question in QUESTIONS}

Change = Callable[[Play], object]


def switching(part: Callable[[Play], object], switches: Mapping[str, object]) -> Change:
    """Set switches of a part of the stand-in."""

    def change(play: Play) -> None:
        for name, value in switches.items():
            setattr(part(play), name, value)

    return change


def rules(**switches: object) -> Change:
    """Set switches of Container Instances."""
    return switching(lambda play: play.azure.groups.rules, switches)


def azure(**switches: object) -> Change:
    """Set switches of everything else that Resource Manager and its siblings answer."""
    return switching(lambda play: play.azure.behaviour, switches)


def account(**switches: object) -> Change:
    """Set switches of the storage account."""
    return switching(lambda play: play.account, switches)


def without(token: str) -> Change:
    """Leave out all resources whose type begins so."""

    def change(play: Play) -> None:
        kept = [each for each in play.site.deployed.resources if not each["type"].startswith(token)]
        play.site = replace(play.site, deployed=replace(play.site.deployed, resources=kept))

    return change


SLOW = {"AppTraces": (4, 2000.0), "ContainerEvent_CL": (1, 9.0), "ContainerInstanceLog_CL": (1, 9.0)}
UNREADABLE = {"mode": "0700", "owner": 0, "uid": 10001, "unread": "Permission denied", "unwritten": "Permission denied"}

NAMED = "http://10.92.0.3:2377/metadata/identity/oauth2/token"
# What a worker without its filter of system calls lets pass, and without the second half of Landlock's rights.
LEAKING = {
    "addresses": {"169.254.169.254:80": {"Fast Open": 95, "Multipath TCP": 0, "connect": 13}},
    "read": 13,
    "write": 0,
}

CASES: list[tuple[str, Change, Verdict, str]] = [
    ("alert-queries", rules(), "as expected", "All 4 are sound"),
    ("alert-queries", without("azure-native:monitor:"), "not answered", "The stack has no alerts"),
    ("alert-queries", azure(metrics=("MatchedEventCount",)), "otherwise", "there is no metric DroppedEventCount"),
    ("alert-queries", azure(refused_queries=("Backlog: ",)), "otherwise", "backlog: 400 BadArgumentError"),
    ("cold-start", rules(), "as expected", "20 starts: median 20 s, max 20 s; pull median 8 s"),
    ("cold-start", rules(grace=None), "otherwise", "no SIGTERM came in any of 20 stops"),
    ("cold-start", rules(grace=2), "otherwise", "with 2 to 2 s after it"),
    ("cold-start", rules(start_seconds=300), "otherwise", "median 300 s"),
    (
        "confinement",
        rules(),
        "as expected",
        "Linux 6.12.40-azure has version 6 of Landlock: files are kept, TCP ports too, signals too. A confined "
        "application was refused all that it tried. Tokens are given at 169.254.169.254:80 (200); no variable names "
        "another. Without confinement, a connection is let through to 169.254.169.254:80.",
    ),
    (
        "confinement",
        rules(confinement=confining(3, "6.6.126-azure")),
        "as expected",
        "version 3 of Landlock: files are kept, TCP ports not, which Linux 6.7 can, signals not, which Linux 6.12 can",
    ),
    ("confinement", rules(confinement=confining(4, "6.8")), "as expected", "kept, TCP ports too, signals not"),
    ("confinement", rules(confinement=confining(0, "5.15.0")), "otherwise", "no Landlock, or the runtime's filter"),
    (
        "confinement",
        rules(confinement=confining(1, "5.15.0")),
        "as expected",
        "kept but may be emptied, until Linux 6.2",
    ),
    (
        "confinement",
        rules(confinement=confining(6, "6.12", confined=LEAKING)),
        "otherwise",
        "reached a file of another (write), 169.254.169.254:80 by Multipath TCP (0).",
    ),
    (
        "confinement",
        rules(confinement=confining(6, "6.12", confined={"failed": "The application exited with code 159."})),
        "otherwise",
        "not even its own end (The application exited with code 159.)",
    ),
    (
        "confinement",
        rules(confinement=confining(6, "6.12", tokens={"169.254.169.254:80": "TimeoutError"})),
        "otherwise",
        "Tokens are given at no known address; no variable names another",
    ),
    (
        "confinement",
        rules(confinement=confining(6, "6.12", endpoints={"IDENTITY_ENDPOINT": NAMED}, tokens={"a:1": "401"})),
        "as expected",
        f"Tokens are given at no known address; IDENTITY_ENDPOINT is {NAMED}",
    ),
    ("confinement", rules(confinement=confining(6, "6", open={"failed": "It is gone."})), "not answered", "It is gone"),
    ("confinement", rules(confinement={}), "not answered", "told nothing of it"),
    ("confinement", rules(pull_fails=True), "not answered", "Failed to pull image"),
    (
        "docker-manifests",
        rules(),
        "as expected",
        "vnd.oci.image.index.v1+json of linux/amd64, unknown/unknown; a group",
    ),
    ("docker-manifests", azure(media_type="application/json"), "otherwise", "The manifest is application/json"),
    ("docker-manifests", rules(pull_fails=True), "otherwise", "ended as Failed: Failed to pull image"),
    ("liveness-without-address", rules(), "as expected", "one that answers 500 was ended"),
    ("liveness-without-address", rules(healthy_killed=True), "otherwise", "answers 200 ended as Failed"),
    ("liveness-without-address", rules(sick_killed=False), "otherwise", "left running (Running)"),
    ("log-tables", rules(), "as expected", "AppTraces (40 lines, 95% within 90 s)"),
    ("log-tables", azure(late={"AppTraces": (4, 9.0)}), "otherwise", "Empty after 30 minutes: Container"),
    ("log-tables", azure(late={}), "otherwise", "Filled: none"),
    ("log-tables", azure(late=SLOW), "otherwise", "AppTraces (4 lines, 95% within 2000 s)"),
    ("log-tables", without("azure-native:monitor:ScheduledQueryRule"), "not answered", "no alerts on log lines"),
    ("one-deploy", rules(), "as expected", "202, Location is there, without a status in the body; it ended with 4 ("),
    ("one-deploy", azure(deployment=6), "otherwise", "it ended with 6"),
    ("one-deploy", azure(deployment=2), "otherwise", "it ended with None (200 status 2)"),
    ("one-deploy", azure(place="https://elsewhere.example/1"), "as expected", "Location is there"),
    ("one-deploy", azure(functions=("sweep",)), "otherwise", "functions: sweep"),
    ("one-deploy", azure(location=False), "otherwise", "Location is missing"),
    ("put-terminated-image", rules(), "as expected", "Refused: 409 ContainerGroupTerminated"),
    ("put-terminated-image", rules(update_image=True), "otherwise", "Accepted: 200. The group ran again"),
    ("put-terminated-tag", rules(), "as expected", "Refused: 409 ContainerGroupTerminated"),
    ("put-terminated-tag", rules(update_tag=True), "otherwise", "Accepted: 200. The group did not run again"),
    ("refresh-drift", rules(), "as expected", "Nothing would change"),
    ("refresh-drift", lambda play: play.drift.append("worker-1: tags"), "otherwise", "worker-1: tags"),
    ("role-across-replacement", rules(), "as expected", "The assignment went with the group"),
    ("role-across-replacement", azure(assignment_outlives=True), "otherwise", "The assignment outlived the group"),
    ("role-across-replacement", azure(role_seconds=1e6), "not answered", "in vain for the role to be in force"),
    ("scaler-from-zero", rules(), "as expected", "The event woke it: receipt (succeeded) after 60 s"),
    ("scaler-from-zero", account(receipt_status="failed"), "otherwise", "receipt (failed)"),
    ("scaler-from-zero", account(unprocessed=("put",)), "otherwise", "No receipt came"),
    ("scaler-from-zero", account(woken_by="sweep"), "otherwise", "The sweep woke it"),
    ("share-readable", rules(), "as expected", "Mode 0777, owner 0: user 10001 can read and can write"),
    ("share-readable", rules(mount_fails=True), "otherwise", "The share is not mounted"),
    ("share-readable", rules(pull_fails=True), "not answered", "Failed to pull image"),
    ("share-readable", rules(share=UNREADABLE), "otherwise", "Mode 0700, owner 0: user 10001 cannot read and cannot"),
    ("start-quota", rules(), "as expected", "starts were accepted"),
    ("start-quota", rules(cores=0), "not answered", "ContainerGroupQuotaReached"),
    ("start-quota", rules(cores=3), "not answered", "no more than"),
    ("start-quota", rules(starts_count=True), "otherwise", "Refused after 100 starts: 429 ContainerGroupQuotaReached"),
    ("start-statuses", rules(), "as expected", "Failed: 202 (shown as Failed); Pending: 409 Container"),
    ("start-statuses", rules(statuses={"Running": 409}), "otherwise", "Running: 409"),
    ("start-statuses", rules(statuses={"Stopped": 204}), "otherwise", "Stopped: 204"),
    ("start-without-assign", rules(), "as expected", "start was answered with 202"),
    ("start-without-assign", azure(needs_assign=True), "otherwise", "403 LinkedAuthorizationFailed"),
    ("start-without-assign", azure(role_seconds=1e6), "otherwise", "403 AuthorizationFailed"),
    ("uploads", rules(), "as expected", "append: PutBlob, succeeded; blocks: PutBlockList, succeeded; copy: CopyBlob"),
    ("uploads", account(apis={}), "otherwise", "put: no event"),
    ("uploads", account(apis={"append": "AppendBlock"}), "otherwise", "append: AppendBlock"),
    ("uploads", account(unprocessed=("append",)), "otherwise", "append: PutBlob, no receipt"),
]


@pytest.mark.parametrize(
    ("name", "change", "verdict", "words"), CASES, ids=[f"{case[0]}-{case[2]}-{case[3][:30]}" for case in CASES]
)
def test_a_question_tells_the_answer_from_others(
    play: Play, name: str, change: Change, verdict: Verdict, words: str
) -> None:
    change(play)
    answer = ask(BY_NAME[name], play.site)

    assert (answer.verdict, words in answer.seen) == (verdict, True), answer.seen
    assert bool(answer.advice) == (verdict == "otherwise")
    assert answer.seconds <= BY_NAME[name].limit_minutes * 60
    # Nothing of the question's own is left.
    assert play.azure.groups.made == {}
    assert play.azure.identities == {}
    assert play.azure.taps == {}
    assert play.account.queues == {}


def test_each_question_was_seen_both_ways() -> None:
    seen = {(name, verdict) for name, _, verdict, _ in CASES}
    # The REST client has tests of its own, against a storage service.
    names = BY_NAME.keys() - {"bearer-rest-client"}
    assert {(name, verdict) for name in names for verdict in ("as expected", "otherwise")} <= seen


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_a_question_says_what_is_expected_from_where_and_how_long_it_takes(question: Question) -> None:
    assert question.text.endswith("?")
    assert "https://" in question.source
    assert 0 < question.minutes <= question.limit_minutes <= 60
    assert question.expected
