"""A program runs in its folder with its config, and its outputs or what went wrong come back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.commands.run import PROJECT

HARNESS = """
import json, sys
from pathlib import Path
from infra.local.cloud.cloud import StrictMonitor
from infra.local.cloud.program import read_stack, run_program
from pulumi.runtime import Mocks

class Echo(Mocks):
    def call(self, args):
        return {}, []
    def new_resource(self, args):
        if args.name == "broken":
            raise RuntimeError("the handler says no")
        return args.name, args.inputs

folder = Path(sys.argv[1])
stack = read_stack(folder, "dev", dict(pair.split("=", 1) for pair in sys.argv[2:]))
print(json.dumps(run_program(folder, stack, StrictMonitor(Echo()))))
"""
PROGRAM = """
import os, pulumi, helper
from pathlib import Path
config = pulumi.Config()
class Thing(pulumi.CustomResource):
    value: pulumi.Output[str]
    def __init__(self, name, value, opts=None):
        super().__init__("a:b:Thing", name, {"value": value}, opts)
"""


def run(folder: Path, body: str, *overrides: str) -> subprocess.CompletedProcess[str]:
    (folder / "Pulumi.yaml").write_text("name: tiny\nruntime: python\nconfig:\n  size: {type: integer, default: 3}\n")
    (folder / "Pulumi.dev.yaml").write_text("config:\n  tiny:colour: green\n  tiny:list: [1, 2]\n")
    (folder / "helper.py").touch()
    (folder / "__main__.py").write_text(PROGRAM + body)
    return subprocess.run(
        [sys.executable, "-c", HARNESS, str(folder), *overrides],
        capture_output=True,
        check=False,
        cwd=PROJECT,
        text=True,
        timeout=60,
    )


def test_a_program_runs_in_its_folder_with_its_config_and_its_outputs_come_back(tmp_path: Path) -> None:
    body = """
thing = Thing("one", config.require("colour"))
pulumi.export("colour", thing.value)
pulumi.export("here", str(Path.cwd()))
pulumi.export("hidden", pulumi.Output.secret("hush"))
pulumi.export("list", config.require_object("list"))
pulumi.export("shape", config.get("shape"))
pulumi.export("size", config.require_int("size"))
pulumi.export("stack", f"{pulumi.get_project()}/{pulumi.get_stack()}")
"""
    result = run(tmp_path, body, "shape=round", "tiny:size=4")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {
        "colour": "green",
        "here": str(tmp_path),
        "hidden": "[secret]",
        "list": [1, 2],
        "shape": "round",
        "size": 4,
        "stack": "tiny/dev",
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('Thing("same", "1"); Thing("same", "2")', "Two resources have the URN"),
        ('pulumi.export("x", Thing("after", Thing("broken", "1").value).value)', "the handler says no"),
        ('raise ValueError("the program says no")', "the program says no"),
    ],
)
def test_what_goes_wrong_in_a_program_or_a_handler_is_raised(tmp_path: Path, body: str, reason: str) -> None:
    result = run(tmp_path, body)
    assert result.returncode == 1
    assert reason in result.stderr
    assert result.stdout == ""
