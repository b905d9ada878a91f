"""A self-contained SVG with one card for each column, and what was decided on the file and left out of it.

Each text is measured, and each card cuts off what would leave it for a font that is wider than any.
"""

from __future__ import annotations

from typing import Any, Final
from xml.sax.saxutils import escape

import svg

from .cards import CARD_HEIGHT, CARD_WIDTH, card, label
from .texts import one_line, wrapped
from .wording import counted, rows_line

CARDS: Final = 30
CARDS_IN_A_ROW: Final = 3
GAP: Final = 20
HEAD: Final = 92
MARGIN: Final = 36
NOTE_LINE: Final = 18
# Of each of both kinds of notes.
NOTE_LINES: Final = 6
WIDTH: Final = 2 * MARGIN + CARDS_IN_A_ROW * CARD_WIDTH + (CARDS_IN_A_ROW - 1) * GAP

STYLE: Final = """
    text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; fill: #1d2633; }
    .title { font-size: 24px; font-weight: 600; }
    .name { font-size: 15px; font-weight: 600; }
    .note, .line, .axis { font-size: 12px; fill: #5b6778; }
    .axis { font-size: 11px; }
    .value { font-size: 12px; }
    .left-out { font-size: 12px; fill: #a8450f; }
    .end { text-anchor: end; }
    .middle { text-anchor: middle; }
    .card { fill: #ffffff; stroke: #dde3ec; }
    .track { fill: #eef1f6; }
    .rule { stroke: #c9d1dd; }
"""


def chart(summary: dict[str, Any], *, heading: bool = True) -> str:
    """Return the chart of a summary as the text of an SVG file; more than 30 columns are counted, not drawn.

    Without a heading the chart begins with its cards, for a page that has a heading and the notes of its own.
    """
    columns = summary["columns"]
    shown = columns[:CARDS]
    room = WIDTH - 2 * MARGIN
    elements: list[svg.Element] = []
    top: float = GAP
    if heading:
        elements += [
            label(summary["file"], MARGIN, 54, "title", 24, room),
            label(rows_line(summary), MARGIN, 78, "note", 12, room),
        ]
        lines = _note_lines(summary, room)
        for number, (text, look) in enumerate(lines):
            elements.append(label(text, MARGIN, HEAD + 8 + number * NOTE_LINE, look, 12, room))
        top = HEAD + len(lines) * NOTE_LINE + 10
    for index, column in enumerate(shown):
        x = MARGIN + index % CARDS_IN_A_ROW * (CARD_WIDTH + GAP)
        y = top + index // CARDS_IN_A_ROW * (CARD_HEIGHT + GAP)
        inside = svg.SVG(x=x - 1, y=y - 1, width=CARD_WIDTH + 2, height=CARD_HEIGHT + 2, class_=["column"])
        # A drawing within the drawing shows nothing beyond its edge.
        inside.viewBox = svg.ViewBoxSpec(-1, -1, CARD_WIDTH + 2, CARD_HEIGHT + 2)
        inside.elements = card(column)
        elements.append(inside)
    lines_of_cards = max(1, -(-len(shown) // CARDS_IN_A_ROW))
    height = top + lines_of_cards * (CARD_HEIGHT + GAP) - GAP + MARGIN
    if len(columns) > len(shown):
        more = f"{len(columns) - len(shown):,} more columns are in summary.json."
        elements.append(label(more, MARGIN, height + 2, "note", 12, room))
        height += 24
    drawing = svg.SVG(
        width=WIDTH,
        height=height,
        viewBox=svg.ViewBoxSpec(0, 0, WIDTH, height),
        elements=[
            svg.Title(text=escape(one_line(summary["file"]))),
            svg.Desc(text=escape(rows_line(summary))),
            svg.Style(text=STYLE),
            svg.Rect(width=WIDTH, height=height, fill="#f6f8fb"),
            *elements,
        ],
    )
    return f"{drawing}\n"


def _note_lines(summary: dict[str, Any], room: float) -> list[tuple[str, str]]:
    """Return the notes as lines with their looks: what was left out first, then what was decided, as many as fit."""
    lines = [(line, "left-out") for line in _whole_notes(summary["left_out"], room)]
    return lines + [(line, "note") for line in _whole_notes(summary["decided"], room)]


def _whole_notes(sentences: list[str], room: float) -> list[str]:
    """Return sentences as lines; of too many, the last ones are counted instead of being cut within."""
    shown = len(sentences)
    while True:
        more = len(sentences) - shown
        rest = [f"{counted(more, 'more note')} in summary.json and report.html."] if more else []
        lines = wrapped(" ".join([*sentences[:shown], *rest]), 12, room)
        if len(lines) <= NOTE_LINES or not shown:
            return lines
        shown -= 1
