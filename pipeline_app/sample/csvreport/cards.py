"""One card of the chart: a column with a histogram for numbers and dates, and bars for texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

import svg

from .texts import fitted, is_measured, one_line, width
from .wording import left_out_line, moment, number

BARS: Final = 6
NAME_ROOM: Final = 160
# What letters reach above and below their line, as a share of their size.
ABOVE: Final = 1.0
ANCHORED: Final = ("end", "middle")
BELOW: Final = 0.3
BOLD: Final = ("name", "title")
CARD_HEIGHT: Final = 256
CARD_WIDTH: Final = 336
PADDING: Final = 18
PLOT_HEIGHT: Final = 88
PLOT_TOP: Final = 68
ROOM: Final = CARD_WIDTH - 2 * PADDING

BADGE_WIDTH: Final = 62
LINE_TOPS: Final = (194, 210, 226)
NOTE_TOP: Final = CARD_HEIGHT - 13

COLOURS: Final = {"boolean": "#b45f9c", "date": "#2f8f7d", "number": "#3465c4", "text": "#c4742e"}


def label(
    text: str, x: float, y: float, look: str, size: float, room: float, *, style: str | None = None
) -> svg.Element:
    """Return a text of one line that takes no more than its room; what is cut off shows under the pointer.

    A text whose width nobody knows before it is drawn is cut at the end of its room.
    """
    shown = fitted(text, size, room, bold=look in BOLD)
    looks = look.split(" ")
    element: svg.Element
    if is_measured(shown) or looks[-1] in ANCHORED:
        element = svg.Text(x=x, y=y, class_=looks, style=style, text=escape(shown))
    else:
        # A drawing within the drawing shows nothing beyond its edge.
        rise = round(ABOVE * size, 1)
        written = svg.Text(x=0, y=rise, class_=looks, style=style, text=escape(shown))
        height = round((ABOVE + BELOW) * size, 1)
        element = svg.SVG(x=x, y=round(y - rise, 1), width=round(room, 1), height=height, elements=[written])
    if shown == one_line(text):
        return element
    return svg.G(elements=[svg.Title(text=escape(one_line(text[:500]))), element])


def card(column: dict[str, Any]) -> list[svg.Element]:
    """Return what is on a column's card; the places are those within it."""
    kind, right = column["type"], CARD_WIDTH - PADDING
    colour = COLOURS[kind]
    missing = f" · {column['missing']:,} missing" if column["missing"] else ""
    about = "" if column["distinct_exact"] else "≈ "
    values = f"{column['count']:,} values · {about}{column['distinct']:,} distinct{missing}"
    elements: list[svg.Element] = [
        svg.Rect(class_=["card"], width=CARD_WIDTH, height=CARD_HEIGHT, rx=10),
        label(column["name"], PADDING, 30, "name", 15, ROOM - BADGE_WIDTH - 10),
        svg.Rect(x=right - BADGE_WIDTH, y=14, width=BADGE_WIDTH, height=20, rx=10, fill=colour, fill_opacity=0.12),
        label(kind, right - BADGE_WIDTH / 2, 28, "middle", 11, BADGE_WIDTH, style=f"font-size: 11px; fill: {colour}"),
        label(values, PADDING, 49, "note", 12, ROOM),
        *_plot(column, colour),
    ]
    if note := left_out_line(column) or (f"text: {column['text_because']}" if column.get("text_because") else ""):
        elements.append(label(note, PADDING, NOTE_TOP, "left-out", 12, ROOM))
    return elements


def _plot(column: dict[str, Any], colour: str) -> list[svg.Element]:
    if "histogram" in column:
        return _histogram(column, colour)
    if column.get("top"):
        return _bars(column, colour)
    return [label("no values", CARD_WIDTH / 2, PLOT_TOP + PLOT_HEIGHT / 2, "note middle", 12, ROOM)]


def _histogram(column: dict[str, Any], colour: str) -> list[svg.Element]:
    counts, edges = column["histogram"]["counts"], column["histogram"]["edges"]
    step = ROOM / len(counts)
    base, highest = PLOT_TOP + PLOT_HEIGHT, max(counts)
    elements: list[svg.Element] = []
    for index, count in enumerate(counts):
        if count:
            # A bin with a single value must not vanish beside one with thousands.
            height = max(1.5, PLOT_HEIGHT * count / highest)
            bar = svg.Rect(
                x=round(PADDING + index * step + 0.75, 2),
                y=round(base - height, 2),
                width=round(step - 1.5, 2),
                height=round(height, 2),
                rx=1.5,
                fill=colour,
            )
            told = svg.Title(text=escape(f"{_range(column, edges, index)}: {count:,}"))
            elements.append(svg.G(elements=[told, bar]))
    low, high = _ends(column)
    # A short end leaves its room to the other.
    low_room = max(ROOM / 2, ROOM - width(high, 11)) - 5
    high_room = max(ROOM / 2, ROOM - width(low, 11)) - 5
    elements += [
        svg.Line(class_=["rule"], x1=PADDING, x2=CARD_WIDTH - PADDING, y1=base + 0.5, y2=base + 0.5),
        label(low, PADDING, base + 17, "axis", 11, low_room),
        label(high, CARD_WIDTH - PADDING, base + 17, "axis end", 11, high_room),
    ]
    return elements + _lines(_line_parts(column))


def _lines(parts: Sequence[str]) -> list[svg.Element]:
    """Return parts on as few lines as they fit, at most three."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]} · {part}" if lines else part
        if lines and width(longer, 12) <= ROOM:
            lines[-1] = longer
        else:
            lines.append(part)
    return [label(line, PADDING, top, "line", 12, ROOM) for line, top in zip(lines, LINE_TOPS, strict=False)]


def _range(column: dict[str, Any], edges: list[Any], index: int) -> str:
    if column["type"] == "date":
        return f"{moment(edges[index])} to {moment(edges[min(index + 1, len(edges) - 1)])}"
    unit = column.get("unit", "")
    if edges[index + 1] - edges[index] == 1 and edges[index] % 1 == 0.5:
        # A bin around one whole number is that number.
        return number(edges[index] + 0.5, unit)
    return f"{number(edges[index], unit)} to {number(edges[index + 1], unit)}"


def _ends(column: dict[str, Any]) -> tuple[str, str]:
    if column["type"] == "date":
        return moment(column["first"]), moment(column["last"])
    unit = column.get("unit", "")
    return number(column["min"], unit), number(column["max"], unit)


def _line_parts(column: dict[str, Any]) -> list[str]:
    if column["type"] == "date":
        return [f"over {number(round(column['days'], 1))} days"]
    unit = column.get("unit", "")
    about = "" if column["quantiles_exact"] else "≈ "
    return [
        f"median {about}{number(column['median'], unit)}",
        f"mean {number(column['mean'], unit)}",
        f"sd {number(column['stdev'], unit)}",
    ]


def _bars(column: dict[str, Any], colour: str) -> list[svg.Element]:
    top = column["top"][:BARS]
    highest = top[0]["count"]
    about = "" if column["top_exact"] else "≈ "
    if highest == 1:
        return _examples(column)
    counts = [f"{entry['count']:,}" for entry in top]
    count_room = max(width(text, 11) for text in counts) + 8
    name_room = min(NAME_ROOM, max(width(one_line(entry["value"]), 12) for entry in top))
    track = ROOM - name_room - 8 - count_room
    elements: list[svg.Element] = []
    for index, (entry, count) in enumerate(zip(top, counts, strict=True)):
        y, length = PLOT_TOP + index * 20, max(2, track * entry["count"] / highest)
        place = PADDING + name_room + 8
        elements += [
            label(entry["value"], PADDING, y + 11, "value", 12, name_room),
            svg.Rect(class_=["track"], x=place, y=y + 1, width=round(track, 2), height=12, rx=3),
            svg.Rect(x=place, y=y + 1, width=round(length, 2), height=12, rx=3, fill=colour),
            label(count, CARD_WIDTH - PADDING, y + 11, "axis end", 11, count_room),
        ]
    rest = column["count"] - sum(entry["count"] for entry in top)
    if rest:
        elements.append(_below(len(top), f"{about}{rest:,} with other values"))
    return elements


def _examples(column: dict[str, Any]) -> list[svg.Element]:
    """Return some values of a column in which none occurs twice, such as one of identifiers."""
    elements = [
        label(entry["value"], PADDING, PLOT_TOP + index * 20 + 11, "value", 12, ROOM)
        for index, entry in enumerate(column["top"][:BARS])
    ]
    text = "every value occurs once" if column["top_exact"] else "≈ no value stands out"
    return [*elements, _below(len(elements), text)]


def _below(bars: int, text: str) -> svg.Element:
    return label(text, PADDING, PLOT_TOP + bars * 20 + 16, "line", 12, ROOM)
