"""Receipts are found by listing outputs, whatever inputs are called and however the service sorts: none is made up."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline_app.contract.audit import OutputPage, find_done, is_before, is_beyond
from tests.memory.function import NAMES
from tests.memory.listing import flat, flat_units, tree

# What stands before and after a slash, on both sides of the surrogates, and beyond them.
EVIL = "-./! a~z\ue000\uffee\U0001f600\U0010ffff"
ORDERS: list[Callable[[str], Any]] = [flat, flat_units, tree, lambda name: flat_units(tree_text(name))]
INPUTS = st.text(EVIL, min_size=1, max_size=6).map(lambda name: f"incoming/{name}").filter(NAMES.is_input)


def tree_text(name: str) -> str:
    return name.replace("/", "\0")


class Outputs:
    """A listing of outputs in an order, of so many blobs a page, that counts its pages."""

    def __init__(
        self, receipts: Mapping[str, str], others: set[str], order: Callable[[str], Any] = flat, size: int = 3
    ) -> None:
        self.asked: list[str] = []
        self._names = sorted({*receipts, *others}, key=order)
        self._order = order
        self._receipts = receipts
        self._size = size

    def page_from(self, start: str) -> OutputPage:
        self.asked.append(start)
        rest = [name for name in self._names if self._order(name) >= self._order(start)]
        page = rest[: self._size]
        found = {name: self._receipts[name] for name in page if name in self._receipts}
        return OutputPage(found, page[-1] if len(rest) > self._size else None)


def folder(name: str) -> str:
    return NAMES.output_directory(name)


@given(
    inputs=st.dictionaries(INPUTS, st.sampled_from(["done", "older", "none"]), max_size=12),
    order=st.sampled_from(ORDERS),
    results=st.sets(st.sampled_from(["a", "s/receipt.json", "z", "run.log"])),
    size=st.integers(1, 5),
    worth=st.integers(1, 4),
)
@example({"incoming/a": "done", "incoming/a-b": "done", "incoming/a/x": "done"}, flat, {"a", "z"}, 1, 1)
@example({"incoming/\ue000": "done", "incoming/\U0001f600": "done"}, flat_units, set(), 1, 1)
def test_what_is_found_done_is_done_and_in_a_known_order_all_of_it(
    inputs: dict[str, str], order: Callable[[str], Hashable], results: set[str], size: int, worth: int
) -> None:
    wanted = {NAMES.receipt_name(name): f"0x{number}" for number, name in enumerate(inputs)}
    states = {NAMES.receipt_name(name): state for name, state in inputs.items()}
    receipts = {name: etag if states[name] == "done" else "0xOLD" for name, etag in wanted.items()}
    receipts = {name: etag for name, etag in receipts.items() if states[name] != "none"}
    others = {f"{folder(name)}/{result}" for name in inputs for result in results}
    truth = {name for name, state in states.items() if state == "done"}
    outputs = Outputs(receipts, others - set(receipts), order, size)
    found = find_done(wanted, outputs.page_from, worth)
    assert found <= truth
    if order is flat and worth == 1:
        assert found == truth
    # It never asks without a need, nor for one place twice.
    assert len(outputs.asked) == len(set(outputs.asked)) <= len(wanted)
    assert set(outputs.asked) <= set(wanted)


def test_folders_with_many_results_are_passed_by() -> None:
    names = [f"incoming/{number:03}" for number in range(40)]
    receipts = {NAMES.receipt_name(name): "0x1" for name in names}
    large = {f"{folder(names[20])}/s-{number:06}" for number in range(100_000)}
    outputs = Outputs(receipts, large, size=50)
    assert find_done(dict(receipts), outputs.page_from, 10) == set(receipts)
    assert len(outputs.asked) == 2


def test_where_each_input_has_more_results_than_a_page_it_is_soon_given_up() -> None:
    names = [f"incoming/{number:04}" for number in range(1000)]
    receipts = {NAMES.receipt_name(name): "0x1" for name in names}
    results = {f"{folder(name)}/s-{number}" for name in names for number in range(10)}
    outputs = Outputs(receipts, results, size=10)
    found = find_done(dict(receipts), outputs.page_from, 10)
    assert found <= set(receipts)
    assert len(outputs.asked) < 8


def test_a_service_that_cannot_begin_at_a_name_tells_nothing() -> None:
    assert find_done({f"{number}": "0x1" for number in range(100)}, lambda start: None, 1) == set()


@pytest.mark.parametrize("number", range(len(ORDERS)))
@given(one=st.text(EVIL), other=st.text(EVIL))
@example("\U0001f600", "\ue000")
@example("a/b", "a-b")
def test_before_and_beyond_hold_in_every_order(number: int, one: str, other: str) -> None:
    key = ORDERS[number]
    assert not is_before(one, other) or key(one) < key(other)
    assert not is_beyond(one, other) or key(one) >= key(other)


def test_before_and_beyond_tell_what_all_orders_agree_on() -> None:
    assert is_before("incoming/a", "incoming/b")
    assert is_beyond("incoming/b", "incoming/b")
    assert not is_before("incoming/a-b", "incoming/a/b")
    assert not is_before("incoming/a/b", "incoming/a-b")
