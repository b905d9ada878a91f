"""Texts of strangers (files, applications, names), shown so that no terminal obeys them."""

from __future__ import annotations

import re

# What a terminal, or whoever reads from right to left, would act on instead of showing it.
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def printable(text: str) -> str:
    """Return a text with every character written out that a terminal would obey instead of showing it.

    Line feeds and tabs stay. Others are shown as Python writes them, such as ``\\x1b`` for an escape.
    """
    return _UNSHOWN.sub(lambda match: ascii(match[0])[1:-1], text)
