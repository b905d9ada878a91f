"""A self-contained SVG with one card for each column: a histogram for numbers and dates, bars for texts."""

from __future__ import annotations

from typing import Any, Final
from xml.sax.saxutils import escape

from .wording import moment, number, rows_line, short

BARS: Final = 6
CARD_HEIGHT: Final = 218
CARD_WIDTH: Final = 336
CARDS: Final = 30
CARDS_IN_A_ROW: Final = 3
GAP: Final = 20
HEAD: Final = 104
MARGIN: Final = 36
PLOT_HEIGHT: Final = 88
PLOT_TOP: Final = 68
PADDING: Final = 18
WIDTH: Final = 2 * MARGIN + CARDS_IN_A_ROW * CARD_WIDTH + (CARDS_IN_A_ROW - 1) * GAP

COLOURS: Final = {"boolean": "#b45f9c", "date": "#2f8f7d", "number": "#3465c4", "text": "#c4742e"}
STYLE: Final = """
    text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; fill: #1d2633; }
    .title { font-size: 24px; font-weight: 600; }
    .name { font-size: 15px; font-weight: 600; }
    .note, .line, .axis { font-size: 12px; fill: #5b6778; }
    .axis { font-size: 11px; }
    .value { font-size: 12px; }
    .end { text-anchor: end; }
    .middle { text-anchor: middle; }
    .card { fill: #ffffff; stroke: #dde3ec; }
    .track { fill: #eef1f6; }
    .rule { stroke: #c9d1dd; }
"""


def chart(summary: dict[str, Any], *, heading: bool = True) -> str:
    """Return the chart of a summary as the text of an SVG file; more than 30 columns are named, not drawn.

    Without a heading the chart begins with its cards, for a page that has a heading of its own.
    """
    columns = summary["columns"]
    shown = columns[:CARDS]
    lines = max(1, -(-len(shown) // CARDS_IN_A_ROW))
    head = HEAD if heading else GAP
    height = head + lines * (CARD_HEIGHT + GAP) + MARGIN - GAP + (24 if len(columns) > len(shown) else 0)
    title = escape(short(summary["file"], 70))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'role="img" aria-labelledby="title description">',
        f'<title id="title">{title}</title>',
        f'<desc id="description">{escape(rows_line(summary))}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#f6f8fb"/>',
    ]
    if heading:
        parts += [
            f'<text class="title" x="{MARGIN}" y="54">{title}</text>',
            f'<text class="note" x="{MARGIN}" y="78">{escape(rows_line(summary))}</text>',
        ]
    for index, column in enumerate(shown):
        x = MARGIN + index % CARDS_IN_A_ROW * (CARD_WIDTH + GAP)
        y = head + index // CARDS_IN_A_ROW * (CARD_HEIGHT + GAP)
        parts.append(f'<g transform="translate({x} {y})">{"".join(_card(column))}</g>')
    if len(columns) > len(shown):
        more = f"{len(columns) - len(shown):,} more columns are in summary.json."
        parts.append(f'<text class="note" x="{MARGIN}" y="{height - MARGIN + 8}">{more}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _card(column: dict[str, Any]) -> list[str]:
    kind, right = column["type"], CARD_WIDTH - PADDING
    colour = COLOURS[kind]
    missing = f" · {column['missing']:,} missing" if column["missing"] else ""
    about = "" if column["distinct_exact"] else "about "
    return [
        f'<rect class="card" width="{CARD_WIDTH}" height="{CARD_HEIGHT}" rx="10"/>',
        f'<text class="name" x="{PADDING}" y="30">{escape(short(column["name"], 28))}</text>',
        f'<rect x="{right - 62}" y="14" width="62" height="20" rx="10" fill="{colour}" fill-opacity="0.12"/>',
        f'<text class="middle" x="{right - 31}" y="28" style="font-size: 11px; fill: {colour}">{kind}</text>',
        f'<text class="note" x="{PADDING}" y="49">{column["count"]:,} values · {about}{column["distinct"]:,} distinct'
        f"{missing}</text>",
        *_plot(column, colour),
    ]


def _plot(column: dict[str, Any], colour: str) -> list[str]:
    if "histogram" in column:
        return _histogram(column, colour)
    if column.get("top"):
        return _bars(column, colour)
    middle = PLOT_TOP + PLOT_HEIGHT / 2
    return [f'<text class="note middle" x="{CARD_WIDTH / 2}" y="{middle}">no values</text>']


def _histogram(column: dict[str, Any], colour: str) -> list[str]:
    counts, edges = column["histogram"]["counts"], column["histogram"]["edges"]
    width = (CARD_WIDTH - 2 * PADDING) / len(counts)
    base, highest = PLOT_TOP + PLOT_HEIGHT, max(counts)
    parts = []
    for index, count in enumerate(counts):
        # A bin with a single value must not vanish beside one with thousands.
        height = max(1.5, PLOT_HEIGHT * count / highest) if count else 0
        if height:
            parts.append(
                f'<rect x="{PADDING + index * width + 0.75:.2f}" y="{base - height:.2f}" width="{width - 1.5:.2f}" '
                f'height="{height:.2f}" rx="1.5" fill="{colour}"><title>{_range(column, edges, index)}: {count:,}'
                "</title></rect>"
            )
    low, high = _ends(column)
    parts += [
        f'<line class="rule" x1="{PADDING}" x2="{CARD_WIDTH - PADDING}" y1="{base + 0.5}" y2="{base + 0.5}"/>',
        f'<text class="axis" x="{PADDING}" y="{base + 17}">{escape(low)}</text>',
        f'<text class="axis end" x="{CARD_WIDTH - PADDING}" y="{base + 17}">{escape(high)}</text>',
        f'<text class="line" x="{PADDING}" y="{CARD_HEIGHT - 16}">{escape(_line(column))}</text>',
    ]
    return parts


def _range(column: dict[str, Any], edges: list[Any], index: int) -> str:
    if column["type"] == "date":
        return f"{moment(edges[index])} to {moment(edges[index + 1])}"
    unit = column.get("unit", "")
    if edges[index + 1] - edges[index] == 1 and edges[index] % 1 == 0.5:
        # A bin around one whole number is that number.
        return escape(number(edges[index] + 0.5, unit))
    return escape(f"{number(edges[index], unit)} to {number(edges[index + 1], unit)}")


def _ends(column: dict[str, Any]) -> tuple[str, str]:
    if column["type"] == "date":
        return moment(column["first"]), moment(column["last"])
    unit = column.get("unit", "")
    return number(column["min"], unit), number(column["max"], unit)


def _line(column: dict[str, Any]) -> str:
    if column["type"] == "date":
        return f"over {number(round(column['days'], 1))} days"
    unit = column.get("unit", "")
    return (
        f"median {number(column['median'], unit)} · mean {number(column['mean'], unit)} · "
        f"sd {number(column['stdev'], unit)}"
    )


def _bars(column: dict[str, Any], colour: str) -> list[str]:
    top = column["top"][:BARS]
    label, count_width = 120, 44
    track = CARD_WIDTH - 2 * PADDING - label - count_width
    highest = top[0]["count"]
    if highest == 1:
        return _examples(column)
    parts = []
    for index, entry in enumerate(top):
        y, length = PLOT_TOP + index * 20, max(2, track * entry["count"] / highest)
        parts += [
            f'<text class="value" x="{PADDING}" y="{y + 11}">{escape(short(entry["value"], 16))}'
            f"<title>{escape(short(entry['value'], 200))}</title></text>",
            f'<rect class="track" x="{PADDING + label}" y="{y + 1}" width="{track}" height="12" rx="3"/>',
            f'<rect x="{PADDING + label}" y="{y + 1}" width="{length:.2f}" height="12" rx="3" fill="{colour}"/>',
            f'<text class="axis end" x="{CARD_WIDTH - PADDING}" y="{y + 11}">{entry["count"]:,}</text>',
        ]
    rest = column["count"] - sum(entry["count"] for entry in top)
    if rest:
        note = f"{rest:,} with other values"
        parts.append(f'<text class="line" x="{PADDING}" y="{CARD_HEIGHT - 16}">{note}</text>')
    return parts


def _examples(column: dict[str, Any]) -> list[str]:
    """Return some values of a column in which none occurs twice, such as one of identifiers."""
    parts = [
        f'<text class="value" x="{PADDING}" y="{PLOT_TOP + index * 20 + 11}">{escape(short(entry["value"], 40))}</text>'
        for index, entry in enumerate(column["top"][:BARS])
    ]
    text = "every value occurs once" if column["top_exact"] else "among the first distinct values, each occurs once"
    return [*parts, f'<text class="line" x="{PADDING}" y="{CARD_HEIGHT - 16}">{text}</text>']
