"""Hostile names, on a real service and a real worker: each gets its own results and receipt, or is refused aloud.

What service and clients do with names was found out by experiment with Azurite 3 and from reports about Azure:

* ``.`` and ``..`` between slashes: Azure takes them for steps in a path, however they are encoded, so ``incoming/../x``
  is the blob ``x``. Azurite keeps them as they are. urllib3, below the SDK, removes them from the URL after the SDK has
  signed it. No such blob can be in Azure, and a message that names one must not make the worker touch another blob.
* A backslash is a slash to both services; no blob has one in its name.
* Control characters other than tab and line ends, and U+FFFE and U+FFFF: Azure refuses most of them. Azurite takes them
  and from then on answers every listing of the container with HTTP 500.
* Dots, slashes and spaces at the ends, empty parts and percent signs are kept by Azurite and by ``http.client``.
* More than 1,024 characters: Azure refuses them, Azurite does not. Halves of surrogate pairs cannot be sent.
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
    "...",
    ".../...",
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
    "a\tb",
    "a\nb\nforged",
    "a\rb",
    "a\x7fb",
    "a\x85b",
    "a..",
    "a.",
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
    "\U0001f600" * 900,
]
# The reason, and whether Azurite can hold such a blob without harm to its listings.
REFUSED = {
    ".": "'.' or '..' between slashes",
    "..": "'.' or '..' between slashes",
    "../outgoing/bystander/receipt.json": "'.' or '..' between slashes",
    "../secret": "'.' or '..' between slashes",
    "./a": "'.' or '..' between slashes",
    "a/../b": "'.' or '..' between slashes",
    "a/..": "'.' or '..' between slashes",
    "a/./receipt.json": "'.' or '..' between slashes",
    "x" * (LONG + 1): "more than 1024",
}
ABSENT = {
    "..\\..\\secret": "a backslash",
    "bystander\\a": "a backslash",
    "\ud800": r"the character '\ud800'",
}
UNLISTABLE = ["\0", "a\0", "\x1b[31mred", "a\x01b", "\ufffe", "\uffff"]
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
    refused = {f"incoming/{name}": reason for name, reason in (REFUSED | ABSENT).items()}
    for name in BYSTANDERS:
        service.put(name, {})
    for number, name in enumerate([*names, *(f"incoming/{name}" for name in REFUSED)]):
        service.put(name, {"number": str(number)})
    before = service.listing()
    assert len(before) == len(BYSTANDERS) + len(names) + len(REFUSED), "The service took two names for one."
    disk = service.outside()
    for name in [*names, *refused]:
        service.order(name)

    log = service.work()

    assert service.outside() == disk
    assert list(service.scratch.iterdir()) == []
    assert service.buried() == sorted(refused)
    for name, reason in refused.items():
        assert any(ascii(name)[:150] in line and reason in line for line in log.splitlines()), (name, reason)
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
        output = Path(path).parents[1] / "output"
        assert report["argv"] == [path, f"--output={output}", SHELL, str(service.folder / "share")]
        assert Path(report["cwd"]) == Path(path).parents[1]
        assert report["environment"]["A"] == "{input}"


@pytest.mark.parametrize("name", UNLISTABLE)
def test_a_name_that_no_listing_can_carry_is_refused_and_others_go_on(service: Service, name: str) -> None:
    service.put("incoming/good", {"result": "1"})
    service.put(f"incoming/{name}", {"result": "1"})
    # This is the emulator's harm, not the pipeline's; with a service that lists such names the test above has room.
    assert service.call("GET", "", query="restype=container&comp=list&").status == 500
    service.order(f"incoming/{name}")
    service.order("incoming/good")
    disk = service.outside()
    log = service.work()
    assert service.outside() == disk
    assert service.buried() == [f"incoming/{name}"]
    assert "no listing can carry" in log
    assert service.call("GET", f"outgoing/{name}/receipt.json").status == 404
    assert service.receipt("incoming/good").status == "succeeded"


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


@pytest.mark.parametrize("result", ["..\\..\\..\\secret", "a\\b"])
def test_no_result_is_named_by_a_way_out_of_its_folder(service: Service, result: str) -> None:
    service.put("secret", {})
    service.put("incoming/a", {result: "stolen"})
    before = service.listing()
    service.order("incoming/a")
    service.work()
    receipt = service.receipt("incoming/a")
    assert receipt.status == "failed"
    assert "backslash" in str(receipt.error)
    after = service.listing()
    assert after.keys() == before.keys() | {"outgoing/a/receipt.json", "outgoing/a/run.log"}
    assert {name: after[name] for name in before} == before
