"""Which inputs are done, told by listing their outputs page by page instead of asking for one receipt after the other.

Both listings are sorted by name, so the receipts of neighbours are neighbours, as a rule. But ``a``, ``a-b`` and
``a/x`` stand otherwise among inputs than their receipts among outputs, an input may have 100,000 results before the
next one's receipt, and an account with a hierarchical namespace sorts otherwise than one without. So nothing is
walked in step: the outputs are listed anew from the first receipt that is still looked for, wherever that is, and what
stands between is never read. Memory is what one page has, whatever the names are.

A receipt counts where it was seen, for the input's own ETag. One that was not seen may be there all the same, in
whatever order the service sorts: whoever has to know asks for it by its name.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

# A page of 5,000 costs as much as 13 questions for one blob, and as much processor time as about 50 of them, so with
# fewer receipts in its range the questions are the cheaper way. tests/bench/prices.py has the prices and their sources.
WORTH: Final = 50


class OutputPage(NamedTuple):
    """What a page of outputs has: the ETags in its receipts by their names, and its last name; None where all ends."""

    receipts: Mapping[str, str]
    last: str | None


def find_done(wanted: Mapping[str, str], page_from: Callable[[str], OutputPage | None], worth: int = WORTH) -> set[str]:
    """Return the names of receipts that were seen for the ETags that are wanted; of the others nothing is known.

    Args:
        wanted: the inputs' ETags by the names of their receipts.
        page_from: lists outputs from a name on, itself among them; None where the service cannot begin at a name.
        worth: how many wanted receipts a page has in its range at least, where listing is worth it.
    """
    names = sorted(wanted)
    done: set[str] = set()
    at, skipped = 0, worth
    while len(names) - at >= worth:
        page = page_from(names[at])
        if page is None:
            break
        done.update(name for name, etag in page.receipts.items() if wanted.get(name) == etag)
        if page.last is None:
            break
        behind = max(at + 1, bisect_right(names, page.last, at))
        if behind - at < worth:
            # Inputs with so many results come in crowds, so it is tried again ever later.
            behind += skipped
            skipped *= 2
        else:
            skipped = worth
        at = behind
    return done


def is_before(name: str, other: str) -> bool:
    """Tell whether a name comes before another in every order in which a service may list them.

    The listing is said to be alphabetical, without a word on characters outside of the basic plane, for which code
    points and UTF-16 differ; with a hierarchical namespace a slash comes before every other character.

    Sources: https://learn.microsoft.com/rest/api/storageservices/list-blobs,
    https://github.com/Azure/azure-sdk-for-go/issues/24210
    """
    return all(key(name) < key(other) for key in _ORDERS)


def is_beyond(name: str, end: str) -> bool:
    """Tell whether a name is ``end`` or comes after it in every order in which a service may list them."""
    return all(key(name) >= key(end) for key in _ORDERS)


def _points(name: str) -> bytes:
    return name.encode("utf-32-be", "surrogatepass")


def _units(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def _tree_points(name: str) -> bytes:
    return _points(name.replace("/", "\0"))


def _tree_units(name: str) -> bytes:
    return _units(name.replace("/", "\0"))


_ORDERS: Final = (_points, _units, _tree_points, _tree_units)
