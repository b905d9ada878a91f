"""How wide a text is before it is drawn, whatever font draws it, and what of it fits.

The font of an SVG is the viewer's. The widths here are those of DejaVu Sans, which is wider than what browsers take
as a rule; a character of East Asia is as wide as the font is high. So a text that fits here fits there.
"""

from __future__ import annotations

import unicodedata
from typing import Final

ELLIPSIS: Final = "…"

# Widths in hundredths of the size of the bold font, rounded up; those of the regular one are no more than this share.
REGULAR: Final = 0.9
_WIDTHS: Final = {
    **dict.fromkeys("il'|jI", 38),
    **dict.fromkeys(" .,:;!·/\\", 46),
    **dict.fromkeys('()[]-ftr"', 53),
    **dict.fromkeys("abcdeghknopqsuvxyz0123456789_$?€£¥{}*`", 74),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ", 88),
    **dict.fromkeys("w&+<>=~^#≈", 94),
    **dict.fromkeys("mM@%W…©®æжмтфшщыюψω", 112),
    **dict.fromkeys("œ‰Щسشصض", 145),
}


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a text in pixels for a font's size in pixels."""
    return sum(_hundredths(each, bold) for each in text) * size / 100


def is_measured(text: str) -> bool:
    """Tell whether the width of a text is known; of most scripts and of piled-up marks no font says it for all."""
    for character in text:
        base, *marks = list(unicodedata.normalize("NFD", character))
        if len(marks) > 2 or not (base in _WIDTHS or unicodedata.east_asian_width(base) in ("W", "F")):
            return False
    return True


def _hundredths(character: str, bold: bool) -> float:
    share = 1.0 if bold else REGULAR
    known = _WIDTHS.get(character)
    if known is not None:
        return known * share
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    if unicodedata.east_asian_width(character) in ("W", "F"):
        return 105
    # Letters with accents are as wide as those without; all others may be as wide as any.
    base = unicodedata.normalize("NFD", character)[0]
    return _WIDTHS.get(base, 85 if character.islower() else 130) * share


def one_line(text: str) -> str:
    """Return a text on one line; control characters, which XML cannot carry, become blanks."""
    return "".join(character if character.isprintable() else " " for character in text)


def fitted(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """Return a text on one line, shortened with an ellipsis where it is wider than the room in pixels."""
    text = one_line(text[:1000])
    if width(text, size, bold=bold) <= room:
        return text
    room -= width(ELLIPSIS, size, bold=bold)
    kept = ""
    for character in text:
        room -= width(character, size, bold=bold)
        if room < 0:
            break
        kept += character
    return kept.rstrip() + ELLIPSIS


def wrapped(text: str, size: float, room: float) -> list[str]:
    """Return a text as lines that fit the room; a single word that does not is shortened."""
    lines: list[str] = []
    line = ""
    for word in one_line(text).split(" "):
        longer = f"{line} {word}" if line else word
        if width(longer, size) <= room:
            line = longer
            continue
        if line:
            lines.append(line)
        line = fitted(word, size, room)
    return [*lines, line] if line else lines
