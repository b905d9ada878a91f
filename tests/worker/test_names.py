"""No result has a name that a person or a file system takes for the pipeline's own, or for another result's."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_app.contract import RESERVED_NAMES
from pipeline_app.worker.names import likeness, reserved_likeness, unseen_in
from pipeline_app.worker.outputs import OutputError, collect
from pipeline_app.worker.scratch import safe_file_name

RENAME = "Have the application give it another name."

RESERVED = [
    "receipt.json",
    "RECEIPT.JSON",
    "Receipt.Json",
    "receipt.json.",
    "receipt.json. . ",
    "receipt.json ",
    " receipt.json",
    "receipt.json\u00a0",
    "receipt.json\u3000",
    "receipt.json\u200b",
    "re\u200bceipt.json",
    "\u202ereceipt.json",
    "\u202enosj.tpiecer\u202creceipt.json",
    "\ufeffreceipt.json",
    "receipt\u2060.json",
    "receipt.json\u00ad",
    "receipt.json\u034f",
    "receipt.json\u3164",
    "receipt.json\u2800",
    "receipt.json\ufe0f",
    "receipt.json\U000e0041",
    "\uff52\uff45\uff43\uff45\uff49\uff50\uff54\uff0e\uff4a\uff53\uff4f\uff4e",
    "receipt.j\u017fon",
    "receipt.json::$DATA",
    "receipt.json:stream",
    "RUN.LOG",
    "run.log ",
    "run\u200d.log",
]
KEPT = [
    ".receipt.json",
    "a receipt.json",
    "RECEIPT",
    "receipt.json.txt",
    "receipt_json",
    "receipts.json",
    "run.log.1",
    "\u0434\u0430\u043d\u043d\u044b\u0435.csv",
    "\u2764\ufe0f.txt",
    "e\u0301.txt",
    "\u00e9.txt",
    "\u845b\U000e0100.txt",
]
ALIKE = [
    ("a.csv", "A.CSV"),
    ("a", "a "),
    ("a b", "a\u00a0b"),
    ("\u00e9", "e\u0301"),
    ("\u00c9", "e\u0301"),
    ("stra\u00dfe", "STRASSE"),
    ("\u03c3", "\u03c2"),
    ("\u212b", "\u00e5"),
    ("\u1e9b\u0323", "\u1e61\u0323"),
    ("\u1fb4", "\u03b1\u0345\u0301"),
    ("\u2764", "\u2764\ufe0f"),
    ("a", "a::$DATA"),
    ("a/x", "A/y"),
    ("a", "A/y"),
    ("b/a/x", "b/A"),
]


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(name.encode())


@pytest.mark.parametrize("name", RESERVED, ids=ascii)
@pytest.mark.parametrize("place", ["{}", "b/{}", "{}/x", "b/{}/x/y"])
def test_what_is_taken_for_the_pipeline_s_own_files_is_refused_with_its_name_and_the_fix(
    tmp_path: Path, name: str, place: str
) -> None:
    result = place.format(name)
    make(tmp_path, result, "other.csv")
    with pytest.raises(OutputError) as refused:
        collect(tmp_path, "outgoing/x", 100)
    text = str(refused.value)
    assert ascii(result) in text
    assert any(reserved in text for reserved in RESERVED_NAMES)
    assert text.endswith(RENAME)
    assert text.isascii()


@pytest.mark.parametrize(("one", "other"), ALIKE, ids=ascii)
def test_two_results_that_are_taken_for_each_other_are_refused_with_both_names(
    tmp_path: Path, one: str, other: str
) -> None:
    make(tmp_path, one, other)
    with pytest.raises(OutputError) as refused:
        collect(tmp_path, "outgoing/x", 100)
    text = str(refused.value)
    for name in (one, other):
        # It is the folders that are alike, where they are not the same.
        assert any(ascii("/".join(name.split("/")[:count])) in text for count in (1, 2, 3))
    assert text.endswith(RENAME)
    assert text.isascii()


@pytest.mark.parametrize(
    ("character", "told"),
    [
        ("\u200b", "U+200B ZERO WIDTH SPACE"),
        ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\u2066", "U+2066 LEFT-TO-RIGHT ISOLATE"),
        ("\u061c", "U+061C ARABIC LETTER MARK"),
        ("\ufeff", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("\u00ad", "U+00AD SOFT HYPHEN"),
        ("\u2028", "U+2028 LINE SEPARATOR"),
        ("\u2029", "U+2029 PARAGRAPH SEPARATOR"),
        ("\u3164", "U+3164 HANGUL FILLER"),
        ("\u2800", "U+2800 BRAILLE PATTERN BLANK"),
        ("\U000e0041", "U+E0041 TAG LATIN CAPITAL LETTER A"),
        ("\U000e0fff", "U+E0FFF has"),
        ("\U0001d173", "U+1D173 MUSICAL SYMBOL BEGIN BEAM"),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("place", ["invoice{}fdp.exe", "{}a", "a{}", "b{}/a"])
def test_a_character_that_is_not_seen_is_refused_by_its_number_and_name(
    tmp_path: Path, character: str, told: str, place: str
) -> None:
    make(tmp_path, place.format(character))
    with pytest.raises(OutputError) as refused:
        collect(tmp_path, "outgoing/x", 100)
    assert told.removesuffix(" has") in str(refused.value)
    assert ascii(place.format(character)) in str(refused.value)
    assert str(refused.value).endswith(RENAME)


def test_what_is_taken_for_nothing_else_is_kept(tmp_path: Path) -> None:
    for number, name in enumerate(KEPT):
        make(tmp_path, f"{number}/{name}")
    names = [f"{number}/{name}" for number, name in enumerate(KEPT)]
    assert sorted(file.name for file in collect(tmp_path, "outgoing/x", 100)) == sorted(names)


@given(st.text(min_size=1, max_size=12), st.booleans(), st.sampled_from([str.upper, str.lower, str.title]))
def test_no_writing_of_a_name_leads_past_its_likeness(name: str, composed: bool, case: Callable[[str], str]) -> None:
    other = unicodedata.normalize("NFC" if composed else "NFD", case(name))
    if unicodedata.normalize("NFD", other).casefold() == unicodedata.normalize("NFD", name).casefold():
        assert likeness(other) == likeness(name)
    assert likeness(likeness(name)) == likeness(name)


@given(st.sampled_from(sorted(RESERVED_NAMES)), st.text(max_size=3), st.integers(0, 12))
def test_a_reserved_name_with_anything_unseen_in_it_is_never_another_name(name: str, more: str, place: int) -> None:
    hidden = "".join(character for character in more if unseen_in(character))
    assert reserved_likeness(name[:place] + hidden + name[place:]) == name


def test_results_called_after_any_input_can_be_kept() -> None:
    for name in ("incoming/\u202egnp.exe", "incoming/a\u200bb.csv", "incoming/\ufeff", "incoming/a\u2028b"):
        assert unseen_in(safe_file_name(name)) is None
