"""Names are checked by Azure's own rules."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import naming


def names(rule: naming.NameRule, alphabet: str, length: int) -> st.SearchStrategy[str]:
    """Return names that a rule takes, made from the characters that matter to it."""
    return st.text(alphabet, min_size=1, max_size=length).filter(lambda name: rule.problem(name) is None)


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (
            naming.BLOB_CONTAINER,
            ["abc", "a-b-c", "0" * 63],
            ["ab", "a" * 64, "-ab", "ab-", "a--b", "Abc", "a_b", "é" * 4],
        ),
        (naming.BLOB_FOLDER, ["", "a", "a/b.c"], ["/", "a/", "/a", "a//b", "a."]),
        (naming.BLOB_PATH, ["incoming", "a/b", "a b".replace(" ", "_")], ["", "/a", "a/", "a//b", "a./b", "a b", ".."]),
        (naming.COMMAND, ["app", "app-1.2_x"], ["", "-app", "a/b", "a b", ".."]),
        (naming.IMAGE_PATH, ["a", "a/b-c", "a__b"], ["", "A", "/a", "a/", "a..b", "-a"]),
        (naming.IMAGE_REFERENCE, [f"r.io/a/b@sha256:{'0' * 64}"], ["r.io/a:latest", "a", f"r.io/a@sha256:{'0' * 63}"]),
        (naming.REGISTRY, ["Abc12", "a" * 50], ["abcd", "a" * 51, "abc-de", "abc.de"]),
        (naming.STORAGE_ACCOUNT, ["abc", "a" * 24, "123"], ["ab", "a" * 25, "Abc", "a-b", "abc\n"]),
        (naming.VAULT, ["abc", "a-b-c", "A" * 24], ["ab", "a" * 25, "1ab", "ab-", "a--b", "a_b"]),
        (naming.VERSION, ["1", "1.0.0", "20260131T1200"], ["", "1..0", "1.0+a", "-1", "1.", "a" * 41, "1/2"]),
    ],
)
def test_a_rule_takes_the_good_and_refuses_the_bad(rule: naming.NameRule, good: list[str], bad: list[str]) -> None:
    for name in good:
        assert rule.problem(name) is None, name
    for name in bad:
        assert rule.problem(name) == f"Allowed: {rule.allowed}.", name


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("logs/app.log", None),
        ("Logs/\u00fc \u65e5.log", None),
        ("com10/auxiliary.log", None),
        ("x" * 255, None),
        ("/".join("x" * 250), None),
        ("/".join(["x" * 255] * 9), "2,048 characters"),
        ("/".join("x" * 251), "250 parts"),
        ("x" * 256, "255 characters"),
        ("\U0001f600" * 128, "255 characters"),
        *((f"logs/a{character}b", "in a name") for character in '"\\:|<>*?\0\x1f\x7f\x81\ue000\ud800'),
        ("logs//a", "empty"),
        ("logs/..", "'..'"),
        ("logs./a", "'logs.'"),
        ("logs/a ", "'a '"),
        ("AUX", "a device"),
        ("logs/com1.log", "a device"),
        ("clock$", "a device"),
    ],
)
def test_a_path_on_the_share_is_one_that_azure_files_takes(path: str, problem: str | None) -> None:
    told = naming.share_path_problem(path)
    assert told is None if problem is None else problem in str(told)


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_resource_group_takes_any_project_and_stack(project: str, stack: str) -> None:
    name = naming.resource_group(project, stack)
    assert 1 <= len(name) + naming.AUTONAME_LENGTH <= naming.RESOURCE_GROUP_LENGTH
    assert all(character.isascii() and (character.isalnum() or character in "-_") for character in name)


@given(
    names(naming.IMAGE_PATH, "a0-_./", 8), names(naming.IMAGE_WORD, "a0-_.", 6), names(naming.IMAGE_WORD, "a0-_.", 6)
)
def test_good_parts_make_a_good_repository(namespace: str, name: str, version: str) -> None:
    repository = naming.image_repository(namespace, name, version)
    # What a registry takes, from the specification of image references.
    part = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    assert re.fullmatch(f"{part}(?:/{part})*", repository)


@given(names(naming.VERSION, "aZ0.-", 10), names(naming.VERSION, "aZ0.-", 10))
def test_good_parts_make_a_good_tag(version: str, build: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", naming.image_version(version, build))


@pytest.mark.parametrize("rule", [value for value in vars(naming).values() if isinstance(value, naming.NameRule)])
def test_no_name_keeps_a_rule_busy(rule: naming.NameRule) -> None:
    for character in ("a", "0", "-", ".", "_", "/", "a-", "a/", "a."):
        rule.problem(character * 150 + "!")
        rule.problem((character * 60)[:23] + "!")
        rule.problem((character * 60)[:39] + "!")
