"""Names of results: none that a person or a file system takes for another one.

The service tells names apart by their code points. Whoever looks at a list of them does not, nor do the file systems
that results are downloaded to: those of Windows and macOS know no case, macOS takes composed and decomposed letters for
the same, and Windows cuts dots and spaces off at the end. So a result called ``RECEIPT.JSON`` would be read as the
receipt, or replace it. Letters of other scripts that look the same (a Cyrillic one for a Latin one) are not compared.

Sources: https://learn.microsoft.com/windows/win32/fileio/naming-a-file (case, dots, spaces, streams),
https://developer.apple.com/library/archive/documentation/FileManagement/Conceptual/APFS_Guide/FAQ/FAQ.html,
https://www.unicode.org/reports/tr36/ (what looks alike), Unicode's Default_Ignorable_Code_Point
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from pipeline_app.contract import RESERVED_NAMES

# What is there and not seen, besides the categories below: fillers, joiners, and what is reserved for more of them.
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0"
    "\ufff0-\ufffb\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
_UNSEEN_CATEGORIES: Final = frozenset({"Cf", "Zl", "Zp"})
# They choose the form of the character before them, so they may stand in a name and tell it from no other.
_VARIANTS: Final = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def is_unseen(character: str) -> bool:
    """Tell whether a character is there and not seen, or changes the order of those that are."""
    return unicodedata.category(character) in _UNSEEN_CATEGORIES or _UNSEEN.match(character) is not None


def likeness(part: str) -> str:
    """Return what all names have in common that are taken for this one; ``part`` has no slash."""
    text = "".join(character for character in part if not is_unseen(character))
    text = unicodedata.normalize("NFD", _VARIANTS.sub("", text)).casefold()
    text = "".join(" " if unicodedata.category(character) == "Zs" else character for character in text)
    # On Windows, this is another way to say a file's own content.
    return unicodedata.normalize("NFC", _bare(_bare(text).removesuffix("::$data")))


def reserved_likeness(name: str) -> str | None:
    """Return the name of the pipeline's own that some part of a result's name would be taken for, or None.

    Each part counts, since a folder of that name would be in the place of the file, and what lies deeper may be the
    place of another input's receipt. Here letters of other widths and styles count as well, and what Windows would take
    for a stream of the file.
    """
    for part in name.split("/"):
        alike = likeness(unicodedata.normalize("NFKC", part)).partition(":")[0]
        if (found := _bare(alike)) in RESERVED_NAMES:
            return found
    return None


def unseen_in(name: str) -> str | None:
    """Return the first character of a result's name that is not seen, as ``U+202E RIGHT-TO-LEFT OVERRIDE``, or None."""
    for character in name:
        if is_unseen(character):
            return f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip()
    return None


def taken_for_each_other(names: Iterable[str]) -> tuple[str, str] | None:
    """Return two of some paths, or of the folders on the way to them, that are taken for each other, or None.

    Args:
        names: paths of files, with slashes.
    """
    seen: dict[tuple[str, ...], str] = {}
    alike: dict[str, tuple[str, ...]] = {"": ()}
    for name in names:
        parts = name.split("/")
        path = ""
        for part in parts:
            parent, path = path, f"{path}/{part}" if path else part
            if path in alike:
                continue
            alike[path] = (*alike[parent], likeness(part))
            if (other := seen.setdefault(alike[path], path)) != path:
                return other, path
    return None


def _bare(text: str) -> str:
    return text.lstrip(" ").rstrip(" .")
