"""What hostile texts, names and JSON values look like."""

from __future__ import annotations

import json
from typing import Any, Final

from hypothesis import strategies as st

TEXTS: Final = st.one_of(
    st.text(st.characters(), max_size=30),
    st.sampled_from(
        ["", " ", "\0", "\n", "\ud800", "\udfff\ud800", "\ufeff", "\uffff", "..", "{input}", "%00", "]]>", "x" * 5000]
    ),
)
# Numbers, as JSON has them: Python reads NaN and Infinity, and refuses integers of more than 4,300 digits.
NUMBERS: Final = st.one_of(
    st.floats(),
    st.integers(),
    st.sampled_from([2**31, 2**63 - 1, 2**63, 2**64, 10**400, -(10**400), 10**4299]),
)
VALUES: Final = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXTS, children, max_size=4),
    max_leaves=12,
)
PARTS: Final = st.one_of(
    st.text(st.characters(), max_size=12),
    st.sampled_from(["", ".", "..", "...", "receipt.json", "run.log", "incoming", "outgoing", "-rf", "%2e%2e", "a\\b"]),
)
# Paths of hostile parts; long ones are long by one part, as the limits are reached otherwise too rarely.
PATHS: Final = st.builds(
    lambda parts, long, at: "/".join([*parts[:at], *long, *parts[at:]]),
    st.lists(PARTS, max_size=5),
    st.lists(
        st.builds(lambda mark, count: mark * count, st.sampled_from("xé日\U0001f600~"), st.integers(1, 1024)),
        max_size=1,
    ),
    st.integers(0, 5),
)


@st.composite
def broken(draw: st.DrawFn, record: dict[str, Any], *, inner: tuple[str, ...] = ()) -> str:
    """Return JSON of a record of which something is not as it should be: a value, a field, or the text itself.

    ``inner`` names fields that are records of their own and are broken as well.
    """
    changed = json.loads(json.dumps(record))
    place = changed
    for name in inner:
        if draw(st.booleans()):
            place = place[name]
            break
    name = draw(st.sampled_from(sorted(place)))
    kind = draw(st.sampled_from(["absent", "cut", "deep", "doubled", "extra", "huge", "value", "value", "value"]))
    if kind == "absent":
        del place[name]
    elif kind == "value":
        place[name] = draw(VALUES)
    elif kind == "extra":
        place[draw(TEXTS)] = draw(VALUES)
    text = json.dumps(changed, ensure_ascii=draw(st.booleans()))
    if kind == "cut":
        return text[: draw(st.integers(0, len(text)))]
    if kind == "deep":
        return text.replace("{", '{"deeper": ' + "[" * 3000 + "]" * 3000 + ", ", 1)
    if kind == "doubled":
        return text[:-1] + f", {json.dumps(name)}: {json.dumps(draw(VALUES))}" + "}"
    if kind == "huge":
        return text[:-1] + f", {json.dumps(name)}: 1{'0' * 5000}" + "}"
    return text
