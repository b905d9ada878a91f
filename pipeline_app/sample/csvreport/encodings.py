"""Which encoding a file has that is not UTF-8: charset-normalizer's candidates, and which of them makes sense.

The encodings of one alphabet differ in a few signs, so a short file may make sense in several. Then the one that is
most usual is taken, and the others are told; where none makes sense, the file is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from charset_normalizer import from_bytes

from .errors import UnreadableFile
from .escapes import written_in_ascii
from .oddities import CJK, oddity, signs_alone
from .scanning import Scan

# In the order in which one is preferred where several make the same sense. Those of mainframes are left out: they
# fit almost everything.
CODECS: Final = (
    "cp1252", "iso8859_15", "cp1250", "iso8859_2", "cp1251", "koi8_r", "koi8_u", "iso8859_5", "cp866", "cp1253",
    "iso8859_7", "cp1254", "cp1255", "cp1256", "iso8859_6", "cp1257", "cp874", "cp932", "euc_jp", "gb18030",
    "big5", "cp949", "mac_roman", "mac_cyrillic", "cp850", "cp852", "cp437", "cp857", "cp737", "cp862",
)  # fmt: skip
# Those that hardly any file is in. One is told where it makes more sense than the others, and taken where that is much.
RARE: Final = ("iso8859_4", "cp775", "cp861", "cp865", "mac_latin2", "mac_turkish", "mac_greek", "cp1258", "kz1048")
NAMES: Final = {
    "big5": "Big5", "cp1250": "Windows-1250", "cp1251": "Windows-1251", "cp1252": "Windows-1252",
    "cp1253": "Windows-1253", "cp1254": "Windows-1254", "cp1255": "Windows-1255", "cp1256": "Windows-1256",
    "cp1257": "Windows-1257", "cp1258": "Windows-1258", "cp874": "Windows-874", "cp932": "Shift-JIS",
    "cp949": "EUC-KR", "euc_jp": "EUC-JP", "gb18030": "GB18030", "hz": "HZ", "iso2022_jp_ext": "ISO-2022-JP",
    "iso2022_kr": "ISO-2022-KR", "iso8859_15": "ISO-8859-15", "iso8859_2": "ISO-8859-2", "iso8859_4": "ISO-8859-4",
    "iso8859_5": "ISO-8859-5", "iso8859_6": "ISO-8859-6", "iso8859_7": "ISO-8859-7", "koi8_r": "KOI8-R",
    "koi8_u": "KOI8-U", "kz1048": "KZ-1048", "mac_cyrillic": "Mac Cyrillic", "mac_greek": "Mac Greek",
    "mac_latin2": "Mac Central European", "mac_roman": "Mac Roman", "mac_turkish": "Mac Turkish",
    "utf-16-be": "UTF-16", "utf-16-le": "UTF-16", "utf-32-be": "UTF-32", "utf-32-le": "UTF-32", "utf-7": "UTF-7",
    "utf-8": "UTF-8",
}  # fmt: skip
# What a text may lose before its encoding is not believed.
MOST_ODD: Final = 0.16
NEAR: Final = 0.015
UNSEEN_MESS: Final = 0.1
# How odd another reading may be that is told where a file has no letters beyond ASCII but signs.
MOST_ODD_BESIDE_SIGNS: Final = 0.45
# How much odder lines are in the encoding of the others than in UTF-8 where they are UTF-8 indeed; rare characters of
# East Asia are odd anyway.
BY_CHANCE: Final = 0.05
BY_CHANCE_CJK: Final = 0.26
# In a text of few words, a reading that is odder by so much may be the right one all the same.
MOST_DOUBT: Final = 0.08
WORDS_OF_DOUBT: Final = 8


@dataclass(frozen=True)
class Encoding:
    """The codec that a file is read by, and the others by which it would make as much sense."""

    codec: str
    others: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The encoding as people call it."""
        return NAMES.get(self.codec, self.codec)


def decide(scan: Scan) -> Encoding:
    """Return the encoding of a file.

    Raises:
        UnreadableFile: it makes no sense in any.
    """
    if scan.escaped and (codecs := written_in_ascii(scan.escaped)):
        if codecs[0] == "iso2022_cn":
            raise UnreadableFile("It is ISO-2022-CN, which is not known here. Save it as UTF-8.")
        return Encoding(codecs[0], codecs[1:])
    if scan.codec:
        return Encoding(scan.codec)
    evidence = scan.evidence
    # What the library finds no sense in is weighed too, at a price: it judges by languages, and a table has few words.
    messes = dict.fromkeys((*CODECS, *RARE), UNSEEN_MESS)
    for match in from_bytes(evidence, cp_isolation=list(messes), enable_fallback=False):
        for codec in {match.encoding, *match.could_be_from_charset} & messes.keys():
            messes[codec] = match.chaos / 2 - match.coherence / 10
    texts = {codec: evidence.decode(codec, errors="replace") for codec in messes}
    oddities = {codec: oddity(text, codec) for codec, text in texts.items()}
    if signs_alone(texts["cp1252"]):
        # Signs between words and figures. Where another encoding has letters in their places, that is told.
        others = [each for each in CODECS if oddities[each] <= MOST_ODD_BESIDE_SIGNS and texts[each] != texts["cp1252"]]
        return Encoding("cp1252", tuple(sorted(others, key=oddities.__getitem__)))
    costs = {codec: oddities[codec] + mess for codec, mess in messes.items()}
    best, rare = (min(each, key=costs.__getitem__) for each in (CODECS, RARE))
    if costs[rare] < costs[best] - UNSEEN_MESS:
        best = rare
    _refuse_two(scan, best)
    if costs[best] > MOST_ODD:
        raise UnreadableFile(
            "Its encoding cannot be told: it is not UTF-8, and its letters make no sense in any other encoding that is "
            "known here. Save it as UTF-8."
        )
    chosen = best if best is rare else next(codec for codec in CODECS if costs[codec] <= costs[best] + NEAR)
    believed = oddities[chosen] + _doubt(texts[chosen])
    fitting = [codec for codec in CODECS if oddities[codec] <= believed]
    fitting += [codec for codec in RARE if oddities[codec] < oddities[chosen]]
    # Those that read the same text are no other reading.
    others = [codec for codec in fitting if texts[codec] != texts[chosen]]
    return Encoding(chosen, tuple(sorted(others, key=oddities.__getitem__)))


def _refuse_two(scan: Scan, codec: str) -> None:
    """See that a file is not in two encodings, some of its lines in UTF-8 and the others in another.

    Letters of UTF-8 hardly ever come by chance. Where they do, they are as natural in the encoding of the other lines.

    Raises:
        UnreadableFile: it is.
    """
    if not scan.fitting:
        return
    by_chance = scan.fitting.decode(codec, errors="replace")
    natural = oddity(scan.fitting.decode("utf-8"), "utf-8")
    if natural <= MOST_ODD and oddity(by_chance, codec) > natural + (BY_CHANCE_CJK if codec in CJK else BY_CHANCE):
        raise UnreadableFile(
            f"It is in two encodings: line {scan.fitting_line} is UTF-8, and line {scan.wrong_lines[0]} is not. Files "
            "of several programs were put together, or one wrote into the file of another. Save each part as UTF-8."
        )


def _doubt(text: str) -> float:
    """Return how much odder than the text another reading may be and still be the right one: less, the more words."""
    words = {word for word in re.split(r"[\s,;|\"]+", text) if not word.isascii()}
    return max(NEAR, min(MOST_DOUBT, WORDS_OF_DOUBT * MOST_DOUBT / max(1, len(words))))
