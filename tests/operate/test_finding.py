"""Which file is meant by a name that a person types."""

from __future__ import annotations

import pytest

from infra.operate.finding import UnknownFileError, find_name
from tests.memory.operate import NAMES, MemoryStorage
from tests.operate.told import NAME, advice, told


def test_an_input_that_was_deleted_after_its_receipt_is_still_known(storage: MemoryStorage) -> None:
    storage.receive(NAME, "0x1")
    storage.delete(NAME)
    assert find_name("a.csv", storage, NAMES) == NAME
    assert "it was deleted" in told(storage)["Input"].lines[0]
    assert advice(storage)[0] == "good"


@pytest.mark.parametrize("given", ["a.csv", "incoming/a.csv"])
def test_a_name_is_taken_with_or_without_the_input_path(storage: MemoryStorage, given: str) -> None:
    assert find_name(given, storage, NAMES) == NAME


def test_a_file_in_a_folder_named_like_the_input_path_can_be_meant(storage: MemoryStorage) -> None:
    storage.user_uploads("incoming/incoming/b.csv")
    assert find_name("incoming/b.csv", storage, NAMES) == "incoming/incoming/b.csv"


@pytest.mark.parametrize("given", ["A.CSV", "incoming/a.csvv", "a.cvs"])
def test_an_unknown_name_is_told_with_the_nearest(storage: MemoryStorage, given: str) -> None:
    with pytest.raises(UnknownFileError, match=r"Did you mean 'a\.csv'"):
        find_name(given, storage, NAMES)


def test_an_unknown_name_that_resembles_none_is_told_as_that(storage: MemoryStorage) -> None:
    with pytest.raises(UnknownFileError, match="No upload below 'incoming/' has a name like it"):
        find_name("zzzzzzzz", storage, NAMES)
    with pytest.raises(UnknownFileError, match="Nothing was uploaded"):
        find_name("", MemoryStorage(), NAMES)
