"""No text leaves its card, and none lies on a bar or on another text."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline_app.sample.csvreport.cards import BOLD, CARD_HEIGHT, CARD_WIDTH
from pipeline_app.sample.csvreport.texts import fitted, width, wrapped
from tests.sample.inputs import SVG, Results, lines, process

SIZES = {"axis": 11, "left-out": 12, "line": 12, "middle": 11, "name": 15, "note": 12, "title": 24, "value": 12}

LONG = "非常に長い日本語の列名がここにありますので注意してください"


# Advance widths of DejaVu Sans and of DejaVu Sans Bold in thousandths of an em, as the fonts' files give them.
ADVANCES = {
    "i": (278, 343), " ": (318, 348), "-": (361, 415), "0": (636, 696), "g": (635, 716), "w": (818, 924),
    "m": (974, 1042), "M": (863, 995), "Q": (787, 850), "W": (989, 1103), "%": (950, 1002), "@": (1000, 1000),
    "…": (1000, 1000), "+": (838, 838), "≈": (838, 838), "·": (318, 380), "æ": (982, 1048), "œ": (1023, 1094),
    "Ж": (1077, 1224), "Щ": (1094, 1326), "ш": (915, 1062), "ω": (837, 869),
}  # fmt: skip


class Box(NamedTuple):
    """The place of something drawn, in pixels from the card's upper left corner."""

    left: float
    top: float
    right: float
    bottom: float
    text: str = ""

    def overlaps(self, other: Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def _boxes(card: ElementTree.Element) -> tuple[list[Box], list[Box]]:
    """Return the texts and the bars of a card."""
    texts: list[Box] = []
    cut: set[ElementTree.Element] = set()
    for inside in card.iter(SVG + "svg"):
        if inside is not card:
            # What is drawn within does not show beyond it.
            cut |= set(inside)
            x, y, wide, high = (float(inside.attrib[each]) for each in ("x", "y", "width", "height"))
            texts.append(Box(x, y, x + wide, y + high, inside[0].text or ""))
    for element in card.iter(SVG + "text"):
        if element in cut:
            continue
        looks, text = element.attrib["class"].split(), element.text or ""
        size = SIZES[looks[0]]
        length = width(text, size, bold=looks[0] in BOLD)
        x, y = float(element.attrib["x"]), float(element.attrib["y"])
        left = x - length if "end" in looks else x - length / 2 if "middle" in looks else x
        # Letters reach from about four fifths of their size above the line to a fifth below it.
        texts.append(Box(left, y - 0.8 * size, left + length, y + 0.2 * size, text))
    bars: list[Box] = []
    for element in card.iter(SVG + "rect"):
        if element.attrib.get("class") != "card" and "fill-opacity" not in element.attrib:
            x, y, wide, high = (float(element.attrib[each]) for each in ("x", "y", "width", "height"))
            bars.append(Box(x, y, x + wide, y + high))
    return texts, bars


def _cards(made: Results) -> list[ElementTree.Element]:
    root = ElementTree.parse(made.folder / "chart.svg").getroot()  # noqa: S314 -- made here.
    return [each for each in root.iter(SVG + "svg") if each.attrib.get("class") == "column"]


def _table(name: str) -> str:
    if name == "large amounts below long Japanese names":
        rows = [f"{1234567890123 + 98765432101 * n}.45,-{n}234567890123.5,¥{n}12345678901" for n in range(1, 60)]
        return lines(f"{LONG},{LONG}二,{LONG}三", [*rows, "x,y,z"])
    if name == "long values":
        rows = [f"{'W' * 80}{n % 9},{'長い値' * 20}{n % 7},{'a b ' * 30}{n % 3},{'|' * 200}{n}" for n in range(99)]
        return lines(",".join("WMQ@%" * 9 + str(n) for n in range(4)), rows)
    if name == "left out":
        rows = [f"{n}.123456,2026-01-{n % 28 + 1:02}T10:00:00" for n in range(90)]
        return lines("number of things,date of things", [*rows, "x,9999-12-31", "y,z"])
    if name == "scripts that no width is known of":
        words = ["ที่นี่มีชื่อยาวมากๆ", "e" + "\u0335\u0321\u034a" * 9 + "vil", "မြန်မာဘာသာစကား", "ᚠᛇᚻ᛫ᛒᛦᚦ᛫ᚠᚱᚩᚠᚢᚱ"]
        return lines(",".join(words), [",".join(f"{word}{n % 4}" for word in words) for n in range(90)])
    return lines("code,flag,empty", [f"id-{n},{'yes' if n % 2 else 'no'}," for n in range(20_000, 20_120)])


@pytest.mark.parametrize(
    "name",
    [
        "large amounts below long Japanese names",
        "long values",
        "left out",
        "identifiers and nothing",
        "scripts that no width is known of",
    ],
)
def test_texts_keep_to_their_place(tmp_path: Path, name: str) -> None:
    made = process(tmp_path, _table(name))
    cards = _cards(made)
    assert len(cards) == len(made.summary["columns"])
    for card in cards:
        texts, bars = _boxes(card)
        assert texts
        for text in texts:
            assert text.left >= 10, text
            assert text.right <= CARD_WIDTH - 10, text
            assert text.bottom <= CARD_HEIGHT - 5, text
            assert not [bar for bar in bars if text.overlaps(bar)], text
        assert not [pair for pair in combinations(texts, 2) if pair[0].overlaps(pair[1])]


def test_a_text_whose_width_nobody_knows_is_cut_at_the_end_of_its_room(tmp_path: Path) -> None:
    for card in _cards(process(tmp_path, _table("scripts that no width is known of"))):
        inside = [each for each in card.iter(SVG + "svg") if each is not card]
        # The name and the four values.
        assert len(inside) == 5
        assert all([each.tag for each in drawing] == [SVG + "text"] for drawing in inside)


def test_amounts_are_shown_in_full(tmp_path: Path) -> None:
    made = process(tmp_path, _table("large amounts below long Japanese names"))
    texts, _ = _boxes(_cards(made)[0])
    shown = [each.text for each in texts if each.text.startswith(("median", "mean", "sd"))]
    assert len(shown) == 3
    assert not [each for each in shown if each.endswith("…")]


def test_what_is_cut_off_shows_under_the_pointer(tmp_path: Path) -> None:
    made = process(tmp_path, _table("large amounts below long Japanese names"))
    texts = made.chart_texts()
    assert LONG in texts
    assert [each for each in texts if each.endswith("…") and LONG.startswith(each[:-1])]


@pytest.mark.parametrize(
    "text", ["plain words of some length", LONG, "W" * 60, "e\u0301" * 60, "🙂" * 40, "\t\n\x00" * 40]
)
@pytest.mark.parametrize("room", [20, 116, 300])
def test_what_is_fitted_takes_no_more_than_its_room(text: str, room: float) -> None:
    shown = fitted(text, 12, room)
    assert width(shown, 12) <= room
    assert shown.isprintable()
    assert shown.endswith("…") or width(text, 12) <= room
    assert all(width(line, 12) <= room for line in wrapped(text, 12, room))


@pytest.mark.parametrize("character", ADVANCES)
def test_no_character_is_narrower_than_fonts_draw_it(character: str) -> None:
    regular, bold = ADVANCES[character]
    assert width(character, 1000) >= regular
    assert width(character, 1000, bold=True) >= bold
