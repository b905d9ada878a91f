"""Encodings that write other letters in ASCII alone, by which a file looks like plain ASCII: ISO-2022, HZ and UTF-7."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# The escapes by which ISO-2022 changes to another alphabet. Those that colour a terminal begin otherwise.
_JAPANESE: Final = re.compile(rb"\x1b(?:\$[@B]|\$\([@BDOPQ]|\([IJ])")
_KOREAN: Final = b"\x1b$)C"
_CHINESE: Final = re.compile(rb"\x1b\$[)*+][A-M]")
_HZ: Final = re.compile(r"~\{(?:[!-}][!-~])+?~\}")
# Letters that are in use, by the standards that list them; a random number is hardly ever one of them.
_USED: Final = (
    "gb2312",
    "big5",
    "euc_jp",
    "euc_kr",
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
)


def written_in_ascii(lines: bytes) -> tuple[str, ...]:
    """Return the codecs by which lines of ASCII stand for other letters, the likeliest first.

    HZ and UTF-7 have UTF-8 behind them, as their signs are signs of ASCII too. ISO-2022's escapes are in no other text.
    Nothing is returned for lines that are what they look like.
    """
    if _KOREAN in lines:
        return ("iso2022_kr",)
    if _CHINESE.search(lines):
        return ("iso2022_cn",)
    if _JAPANESE.search(lines):
        return ("iso2022_jp_ext",)
    text = lines.decode("ascii")
    found = tuple(codec for codec, sign in (("hz", "~{"), ("utf-7", "+")) if sign in text and _fits(text, codec, sign))
    return (*found, "utf-8") if found else ()


def _fits(text: str, codec: str, sign: str) -> bool:
    lines = [line for line in text.split("\n") if sign in line]
    if codec == "hz" and any(line.count(sign) != len(_HZ.findall(line)) for line in lines):
        return False
    try:
        read = "".join(line.encode("ascii").decode(codec) for line in lines)
    except UnicodeDecodeError:
        return False
    other = {each for each in read if not each.isascii()}
    return bool(other) and all(map(_is_used, other))


def _is_used(character: str) -> bool:
    if unicodedata.category(character) in ("Cc", "Cn", "Co", "Cs"):
        return False
    for codec in _USED:
        try:
            character.encode(codec)
        except UnicodeEncodeError:
            continue
        return True
    return False
