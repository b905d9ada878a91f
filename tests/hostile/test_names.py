"""Hostile names, on a real service and a real worker: each gets its own results and receipt, or is refused aloud.

What the service does with names is from its documents and from reports; the front of the storage that these tests run
on refuses what Azure refuses or changes, so nothing of the second kind can be put there:

* ``.`` and ``..`` between slashes: Azure takes them for steps in a path, however they are encoded, so ``incoming/../x``
  is the blob ``x``; so does urllib3, below the SDK, after the SDK has signed the URL.
* Dots at the end of a part between slashes are cut off, so ``a.`` is the blob ``a``; a backslash is a slash.
* Control characters, more than 1,024 characters (in UTF-16) and more than 254 parts are refused.

A message may name any of these, and must not make the worker touch another blob. Slashes and spaces at the ends, empty
parts and percent signs are kept as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_app.contract import LOG_NAME, RECEIPT_NAME
from tests.hostile.service import REPORT, SHELL, Service

LONG = 1015

PROCESSED = [
    " ",
    " a",
    '"',
    "#a?b",
    "$(touch pwned)",
    "%",
    "%00",
    "%252e%252e/x",
    "%2e%2e/x",
    "%2F..%2Fx",
    "&b=c",
    "'; touch pwned; '",
    "*",
    "-",
    "--help",
    "--output=pwned",
    "-rf",
    "..a",
    ".hidden",
    "/",
    "//",
    "//a",
    "/etc/passwd",
    ";touch pwned",
    "@file",
    "C:evil",
    "NUL",
    "[a]{b}",
    "a",
    "a ",
    "a/",
    "a/-rf",
    "a//",
    "a/receipt.json",
    "a/receipt.json/run.log",
    "a/run.log",
    "e\u0301",
    "incoming/a",
    "outgoing/a/receipt.json",
    "receipt.json",
    "run.log",
    "x" * LONG,
    "x" * (LONG - 65) + "/" + "y" * 64,
    "{input}",
    "{output}{share}",
    "{}",
    "|touch pwned",
    "~",
    "~root",
    "\u00e9",
    "\u00e9" * LONG,
    "\u202egnp.exe",
    "\ufeff",
    "\U0001f600" * 500,
    "a" + "/b" * 252,
]
REFUSED = {
    "": "not below the input path",
    ".": "'.' or '..' between slashes",
    "..": "'.' or '..' between slashes",
    "../outgoing/bystander/receipt.json": "'.' or '..' between slashes",
    "../secret": "'.' or '..' between slashes",
    "...": "a part that ends in a dot",
    "..\\..\\secret": "a backslash",
    "./a": "'.' or '..' between slashes",
    "\0": "Azure takes in no name",
    "\x1b[31mred": "Azure takes in no name",
    "\x7f": "Azure takes in no name",
    "\ud800": r"the character '\ud800'",
    "\ufffe": "Azure takes in no name",
    "\uffff": "Azure takes in no name",
    "\U0001f600" * 508: "1025 characters, more than 1024",
    "a/../b": "'.' or '..' between slashes",
    "a/..": "'.' or '..' between slashes",
    "a/./receipt.json": "'.' or '..' between slashes",
    "a\nb\nforged": "Azure takes in no name",
    "a\tb": "Azure takes in no name",
    "bystander./a": "a part that ends in a dot",
    "bystander/a.": "a part that ends in a dot",
    "bystander/a...": "a part that ends in a dot",
    "bystander\\a": "a backslash",
    "x" * (LONG + 1): "more than 1024",
    "x" + "/y" * 253: "255 parts between slashes",
}
BYSTANDERS = [
    "incoming/bystander/a",
    "outgoing/bystander/a",
    "outgoing/bystander/receipt.json",
    "outgoing/receipt.json.txt",
    "receipt.json",
    "run.log",
    "secret",
    "x",
]


def test_every_name_has_its_own_results_or_is_refused_and_nothing_else_is_touched(service: Service) -> None:
    names = [f"incoming/{name}" for name in PROCESSED]
    refused = {f"incoming/{name}": reason for name, reason in REFUSED.items()}
    for name in BYSTANDERS:
        service.put(name, {})
    for number, name in enumerate(names):
        service.put(name, {"number": str(number)})
    before = service.listing()
    assert len(before) == len(BYSTANDERS) + len(names), "The service took two names for one."
    disk = service.outside()
    for name in [*names, *refused]:
        service.order(name)

    events = [json.loads(line) for line in service.work().splitlines()]

    assert service.outside() == disk
    assert list(service.scratch.iterdir()) == []
    assert service.buried() == sorted(refused)
    for name, reason in refused.items():
        # Half of a character is no text, so that no query could name it either.
        told = name.encode("utf-8", "backslashreplace").decode()
        (event,) = [each for each in events if each["event"] == "buried" and each["name"] == told]
        assert ascii(name)[:150] in event["text"]
        assert reason in event["reason"]
    directories = {service.names.output_directory(name) for name in names}
    assert len(directories) == len(names)
    results = {
        f"{directory}/{each}" for directory in directories for each in (LOG_NAME, RECEIPT_NAME, REPORT, "number")
    }
    after = service.listing()
    assert after.keys() == before.keys() | results
    assert {name: after[name] for name in before} == before
    for number, name in enumerate(names):
        receipt = service.receipt(name)
        assert (receipt.status, receipt.error) == ("succeeded", None), name
        directory = service.names.output_directory(name)
        assert service.read(f"{directory}/number").decode() == str(number)
        report = json.loads(service.read(f"{directory}/{REPORT}"))
        path = report["argv"][0]
        assert Path(path).is_relative_to(service.scratch)
        assert Path(path).parent == Path(path).parents[1] / "input"
        assert ".." not in Path(path).parts
        assert not Path(path).name.startswith("-")
        output = Path(path).parents[1] / "work" / "output"
        assert report["argv"] == [path, f"--output={output}", SHELL, str(service.folder / "share")]
        assert Path(report["cwd"]) == Path(path).parents[1] / "work"
        assert report["environment"]["A"] == "{input}"


ORDERS = [(0, 1), (1, 0)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("clash", ["b/result", "b/receipt.json", "b/run.log", "b/report.json"])
def test_a_result_in_the_place_of_another_inputs_blobs_never_replaces_them(
    service: Service, clash: str, order: tuple[int, int]
) -> None:
    inputs = {"incoming/a": {clash: "of a"}, "incoming/a/b": {"result": "of b"}}
    for name, files in inputs.items():
        service.put(name, files)
    seen: dict[str, bytes] = {}
    for index in order:
        name = list(inputs)[index]
        service.order(name)
        service.work()
        # Whose receipt was there first keeps it, word for word, and its results.
        for earlier, content in seen.items():
            assert service.read(service.names.receipt_name(earlier)) == content
        seen[name] = service.read(service.names.receipt_name(name))
        for each in seen:
            service.receipt(each)
    receipts = [service.receipt(name) for name in inputs]
    assert sorted(receipt.status for receipt in receipts) == ["failed", "succeeded"]
    assert "incoming" not in str(service.buried())


def test_an_overwritten_input_keeps_to_its_folder_however_it_is_called(again: Callable[[], Service]) -> None:
    service = again()
    names = ["incoming/a", "incoming/a/receipt.json", "incoming/a/run.log", "incoming/--help", "incoming/%2e%2e/a"]
    for content in ("first", "second"):
        for name in names:
            service.put(name, {content: f"{content} {name}"})
            service.order(name)
        service.work()
        for name in names:
            receipt = service.receipt(name)
            directory = service.names.output_directory(name)
            assert receipt.status == "succeeded"
            assert service.read(f"{directory}/{content}").decode() == f"{content} {name}"
    assert not [name for name in service.listing() if name.endswith("/first")]


RESULTS = {
    "..\\..\\..\\secret": "a backslash",
    "a\\b": "a backslash",
    "result.": "a part that ends in a dot",
    "v1./result": "a part that ends in a dot",
    "...": "a part that ends in a dot",
    "a\tb": "Azure takes in no name",
    "RECEIPT.JSON": "is called 'receipt.json', or would be taken for it",
    "receipt.json.": "is called 'receipt.json', or would be taken for it",
    "receipt.json ": "is called 'receipt.json', or would be taken for it",
    "receipt.json/x": "is called 'receipt.json', or would be taken for it",
    "r\u200beceipt.json": "is called 'receipt.json', or would be taken for it",
    "Run.Log": "is called 'run.log', or would be taken for it",
    "invoice\u202efdp.exe": "the character U+202E RIGHT-TO-LEFT OVERRIDE",
    "RESULT": "'RESULT' and 'result' have names that a person",
    "result ": "'result' and 'result ' have names that a person",
}


@pytest.mark.parametrize("result", RESULTS)
def test_no_result_has_a_name_that_is_taken_for_another(service: Service, result: str) -> None:
    service.put("secret", {})
    # Azure would make one blob of this and of the one that ends in a dot.
    service.put("incoming/a", {"result": "kept", result: "stolen"})
    before = service.listing()
    service.order("incoming/a")
    service.work()
    receipt = service.receipt("incoming/a")
    assert receipt.status == "failed"
    assert RESULTS[result] in str(receipt.error)
    assert "Have the application give it another name." in str(receipt.error)
    after = service.listing()
    assert after.keys() == before.keys() | {"outgoing/a/receipt.json", "outgoing/a/run.log"}
    assert {name: after[name] for name in before} == before
