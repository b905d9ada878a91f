"""How odd a text is that was read by an encoding: letters where none are, signs within words, characters of no use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from charset_normalizer.constant import FREQUENCIES

# What a character costs that stands where it is never seen, and one that no text has.
NEVER: Final = 1.0
BROKEN: Final = 2.0

# The letters beyond ASCII of languages that are written in Latin letters, by the encodings that are made for them.
_PORTUGUESE: Final = "áâãàçéêíóôõú"
_ICELANDIC: Final = "áðéíóúýþæö"
_WESTERN: Final = (
    "äöüß", "àâæçéèêëîïôœùûü", "áéíóúñü", _PORTUGUESE, "åäöéøæ", "àèéìòù", "éëïöüèê", _ICELANDIC, "äöõü",
)  # fmt: skip
_BALTIC: Final = ("ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž")
_TURKISH: Final = ("çğ\u0131\u0130öşüâî",)
_CENTRAL: Final = ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîșşțţ", "äöüß")
_ALPHABETS: Final = {
    "cp1250": _CENTRAL, "cp1252": _WESTERN,
    "cp1254": _TURKISH, "cp857": _TURKISH, "cp1257": _BALTIC,
    "cp437": _WESTERN, "cp850": _WESTERN, "cp852": _CENTRAL, "iso8859_15": _WESTERN, "iso8859_2": _CENTRAL,
    "mac_roman": _WESTERN,
    "cp1258": ("àáâãèéêìíòóôõùúýăđĩũơư",), "cp775": _BALTIC, "cp861": ("åäöéøæ", _ICELANDIC),
    "cp865": ("åäöéøæ", "äöüß"), "iso8859_4": _BALTIC, "mac_latin2": _CENTRAL, "mac_turkish": _TURKISH,
}  # fmt: skip
# Where a language never has a letter that it has: Portuguese writes õ before an e alone, and no word of Icelandic
# begins with ð or ends in þ. So they tell Hungarian and Turkish from these.
_NEVER_THERE: Final = {_PORTUGUESE: re.compile(r"õ(?!e)"), _ICELANDIC: re.compile(r"\bð|þ\b")}
# The letters of languages in other scripts, the most frequent first.
_SCRIPTS: Final = {
    "ARABIC": ("Arabic", "Farsi"), "CYRILLIC": ("Russian", "Ukrainian", "Bulgarian", "Serbian", "Kazakh"),
    "GREEK": ("Greek",), "HEBREW": ("Hebrew",), "THAI": ("Thai",),
}  # fmt: skip
# How far down the list the letters of a text are on average, as a share of it.
USUAL_RANK: Final = 0.4
CJK: Final = frozenset({"big5", "cp932", "cp949", "euc_jp", "gb18030"})

# What hardly follows a letter or sign, but is the second byte of many characters of East Asia.
_TRAILS: Final = frozenset("@\\^`{}~")

# Signs that stand beside letters or figures, by what is before and behind them.
_SIGNS: Final[dict[str, Callable[[str, str], bool]]] = {
    **dict.fromkeys("\u00a0\u202f\u2019\u2018\u00b4\u2013—", lambda before, after: True),
    **dict.fromkeys("“”…«»°§•™©®€£¥¢‰", lambda before, after: not (before.isalpha() and after.isalpha())),
    **dict.fromkeys("¶†‡", lambda before, after: not (before.isalnum() and after.isalnum())),
    **dict.fromkeys("±\u00d7÷", lambda before, after: not (before.isalpha() or after.isalpha())),
    **dict.fromkeys("²³", lambda before, after: before.isascii() and before not in " \n" and not after.isalpha()),
    **dict.fromkeys("½¼¾", lambda before, after: not (before.isalpha() or after.isalpha())),
    "µ": lambda before, after: not before.isalpha() and after.isascii(),
    **dict.fromkeys("ºª", lambda before, after: before.isascii() and before.isalnum() and not after.isalnum()),
    **dict.fromkeys("¿¡", lambda before, after: not before.isalnum() and after not in " \n"),
    **dict.fromkeys("\u201a„", lambda before, after: not before.isalnum() and after not in " \n"),
    **dict.fromkeys("№", lambda before, after: not before.isalpha()),
    "Ø": lambda before, after: not before.isalnum() and (after.isdigit() or after == " "),
    "·": lambda before, after: before.isalpha() == after.isalpha() and (not before.isalpha() or before in "lL"),
}  # fmt: skip


def signs_alone(text: str) -> bool:
    """Return whether all characters of a text beyond ASCII are signs, each where it belongs."""
    around = f"\n{text}\n"
    return all(
        each.isascii()
        or (each in _SIGNS and around[place + 2] not in _TRAILS and _SIGNS[each](around[place], around[place + 2]))
        for place, each in enumerate(text)
    )


def oddity(text: str, codec: str) -> float:
    """Return how odd a text is, from 0 (natural) to 1 and more, by its characters beyond ASCII."""
    odd = 0.0
    others: list[str] = []
    around = f"\n{text}\n"
    for place, character in enumerate(text):
        if not character.isascii():
            others.append(character)
            odd += _oddity(character, around[place], around[place + 2], codec)
    if not others:
        return NEVER
    odd /= len(others)
    as_written = [each for each in others if each.isalpha()]
    # The capital İ has no small letter of one character.
    letters = [each if each == "\u0130" else each.lower() for each in as_written]
    latin = [each for each in letters if script(each) == "LATIN" and each not in "ºªµ"]
    if codec in _ALPHABETS and latin:
        odd += 0.15 * (1 - max(_known(text.lower(), latin, alphabet) for alphabet in _ALPHABETS[codec]))
    for name, languages in _SCRIPTS.items():
        if written := [each for each in letters if script(each) == name]:
            rank = min(_rank(written, language) for language in languages)
            odd += 0.3 * max(0.0, rank - USUAL_RANK) * len(written) / len(others)
            if len(written) > 1 and all(map(str.isupper, as_written)):
                # KOI8 has the capitals where others have the small letters.
                odd += 0.04
    if codec in CJK and len(letters) < 0.5 * len(others):
        odd += 0.1
    return odd


def _known(text: str, letters: list[str], alphabet: str) -> float:
    never = len(_NEVER_THERE[alphabet].findall(text)) if alphabet in _NEVER_THERE else 0
    return max(0.0, sum(letter in alphabet for letter in letters) - never) / len(letters)


def _rank(letters: list[str], language: str) -> float:
    known = FREQUENCIES[language]
    ranks = {letter: place / len(known) for place, letter in enumerate(known)}
    return sum(ranks.get(letter, 1.0) for letter in letters) / len(letters)


def _oddity(character: str, before: str, after: str, codec: str) -> float:
    category = unicodedata.category(character)
    if character == "\ufffd" or category in ("Cc", "Cn", "Co"):
        return BROKEN
    if after in _TRAILS and codec not in CJK:
        return 0.5
    if character in _SIGNS:
        if _SIGNS[character](before, after):
            return 0.0
        if character not in "ºªµØ":
            return NEVER if before.isalpha() and after.isalpha() else 0.5
    if category == "Mn":
        return 0.0 if before.isalpha() and not before.isascii() else NEVER
    if category[0] == "L":
        return _oddity_of_letter(character, before, after, codec) or (
            _unused(character, codec) if codec in CJK else 0.0
        )
    if before.isalpha() and after.isalpha():
        return _unused(character, codec) if codec in CJK and script(character) == "CJK" else NEVER
    if codec in CJK:
        return _unused(character, codec)
    if character == "¤":
        # It gave its place to the sign of the euro in most encodings, and was hardly in use before.
        return 0.5
    # Frames, mathematics, and signs before a letter as in "£ukasz".
    return 0.5 if before.isalpha() or after.isalpha() or category in ("So", "Sm") else 0.2


def _oddity_of_letter(character: str, before: str, after: str, codec: str) -> float:
    letters = before.isalpha(), after.isalpha()
    if character in "ﾞﾟｰ" and script(before) != "CJK":
        # What changes the sound of the kana before it.
        return NEVER
    if "\uff66" <= character <= "\uff9f" and any(
        each.isalpha() and not "\uff66" <= each <= "\uff9f" for each in (before, after)
    ):
        # Kana of half width is not written within words of others.
        return 0.5
    if character.isupper() and before.islower():
        # A capital within a word.
        return NEVER
    if (character.isupper() and before.isupper() and after.islower()) or (character.islower() and after.isupper()):
        return 0.4
    if any(each.isalpha() and script(each) != script(character) for each in (before, after)):
        return NEVER
    size = _size(character, codec) if script(character) in ("CJK", "HANGUL") else 1
    if size > 1:
        # One that is a byte and an ASCII letter may be a sign and that letter, as in "25 °C".
        return 0.6 if size == 2 and before == " " and not any(letters) else 0.0
    if before.isdigit() and after.isdigit():
        return NEVER
    # A single letter that stands behind a digit or a blank is more likely a sign, such as a currency's.
    return 0.6 if not any(letters) and (before.isdigit() or after.isdigit() or before == " ") else 0.0


def _size(character: str, codec: str) -> int:
    """Return how many bytes a character of East Asia has: one, two of which one is an ASCII letter, or 3 for others."""
    encoded = character.encode(codec, errors="replace")
    return 1 if len(encoded) == 1 else 2 if len(encoded) == 2 and encoded[1] < 0x80 else 3


@lru_cache(maxsize=1 << 16)
def _unused(character: str, codec: str) -> float:
    """Return how little a character of East Asia is in use, from 0 to 1, by the level of its national standard.

    Their first levels are the characters of daily use. What vendors added holds names and signs of companies.
    """
    if codec in ("cp932", "euc_jp"):
        row, length = _row(character, "euc_jp")
        if length == 2 and row == 0x8E:
            return 0.05 if codec == "cp932" else 0.4
        if length == 2:
            return 0.0 if row < 0xD0 else 0.25
        return 0.05 if codec == "cp932" else 0.5
    if codec == "gb18030":
        row, length = _row(character, "gb2312")
        if length == 2:
            return 0.0 if row in (0xA1, 0xA2, 0xA3) or 0xB0 <= row < 0xD8 else 0.25
        return 0.3 if _row(character, "gbk")[1] else 0.5
    if codec == "big5":
        row, _ = _row(character, "big5")
        return 0.0 if row < 0xC9 else 0.25
    row, length = _row(character, "euc_kr")
    if length == 2:
        return 0.0 if row < 0xA4 or 0xB0 <= row < 0xC9 else 0.15 if row >= 0xCA else 0.4
    return 0.3


def _row(character: str, standard: str) -> tuple[int, int]:
    """Return the first byte of a character in a standard, and how many it has there; none where it has it not."""
    try:
        encoded = character.encode(standard)
    except UnicodeEncodeError:
        return 0xFF, 0
    return encoded[0], len(encoded)


@lru_cache(maxsize=1 << 16)
def script(character: str) -> str:
    """Return the script of a character, by the first word of its name; the three of Japanese and Chinese are one."""
    if character.isascii():
        return "LATIN"
    name = unicodedata.name(character, "").split(" ")[0]
    return "CJK" if name in ("CJK", "HIRAGANA", "KATAKANA", "HALFWIDTH", "FULLWIDTH", "KATAKANA-HIRAGANA") else name
