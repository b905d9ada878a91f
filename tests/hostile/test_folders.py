"""Names become folders of results one to one, below the output path and within the service's bounds."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pipeline_app.contract import (
    LOG_NAME,
    MAX_BLOB_NAME,
    MAX_OUTPUT_SEGMENTS,
    RECEIPT_NAME,
    ContractError,
    StorageNames,
    name_problem,
)
from pipeline_app.worker.scratch import safe_file_name
from tests.hostile.cases import cases, counted
from tests.hostile.shapes import PATHS

PATH_NAMES = st.sampled_from(["in", "incoming", "a/b", "Ü", "x" * 200])
LONG = "x" * 1015


def names_of(input_path: str, output_path: str) -> StorageNames:
    return StorageNames(container="c", input_path=input_path, output_path=output_path)


NAMES = names_of("incoming", "outgoing")


@given(PATH_NAMES, PATH_NAMES.map(lambda name: f"out-{name}"), PATHS)
@cases(150)
@counted
def test_a_folder_is_below_the_output_path_and_has_room_for_the_receipt(
    input_path: str, output_path: str, path: str
) -> None:
    names = names_of(input_path, output_path)
    name = f"{input_path}/{path}"
    if (reason := names.refusal(name)) is not None:
        assert len(reason) < 500
        with pytest.raises(ContractError) as refused:
            names.output_directory(name)
        assert str(refused.value) == reason
        return
    directory = names.output_directory(name)
    assert directory.startswith(f"{output_path}/")
    assert name_problem(directory, exists=True) is None
    for blob in (names.receipt_name(name), names.log_name(name)):
        assert blob in (f"{directory}/{RECEIPT_NAME}", f"{directory}/{LOG_NAME}")
        assert name_problem(blob, exists=True) is None
        # The service counts in UTF-16.
        assert len(blob.encode("utf-16-le")) // 2 <= MAX_BLOB_NAME
        assert not names.is_input(blob)
    short = directory == f"{output_path}/{path}"
    full = len(directory.encode("utf-16-le")) // 2 >= MAX_BLOB_NAME - len(f"/{RECEIPT_NAME}") - 1
    assert short or full or directory.count("/") == MAX_OUTPUT_SEGMENTS - 1


@given(PATHS, PATHS, st.sampled_from(["as it is", "its own folder", "one more", "another end"]))
@cases(150)
@counted
@example(one=LONG, other="", how="its own folder")
@example(one="/".join("x" * 253), other="", how="its own folder")
def test_two_inputs_never_share_a_folder(one: str, other: str, how: str) -> None:
    first = f"incoming/{one}"
    assume(NAMES.is_input(first))
    second = {
        "another end": first[:-1] + "z",
        "as it is": f"incoming/{other}",
        "its own folder": NAMES.output_directory(first).replace("outgoing", "incoming", 1),
        "one more": f"{first}x",
    }[how]
    assume(NAMES.is_input(second))
    same = NAMES.output_directory(first) == NAMES.output_directory(second)
    assert same == (first == second)


@given(PATHS)
@cases(100)
@counted
@example(path="...")
@example(path="a/...")
@example(path="-")
@example(path="a/-rf")
def test_every_name_gives_a_plain_file_name(path: str) -> None:
    name = safe_file_name(f"incoming/{path}")
    assert name.strip(".")
    assert "/" not in name
    assert "\0" not in name
    assert not name.startswith("-")
    assert len(name.encode()) <= 230
