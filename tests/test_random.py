"""A random test that fails can be had again from its output alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
FAILING = """
from hypothesis import given, strategies as st
from tests.hostile.cases import cases

@given(st.integers())
def test_plain(number):
    assert number < 1000

@given(st.integers())
@cases(100)
def test_counted(number):
    assert number < 1000
"""


def test_a_failing_random_test_prints_what_repeats_it(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (tmp_path / "test_failing.py").write_text(FAILING)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--rootdir",
        str(tmp_path),
        "-p",
        "no:cacheprovider",
        str(tmp_path),
    ]
    run = subprocess.run(
        command, capture_output=True, check=False, cwd=tmp_path, env={"PYTHONPATH": str(TESTS.parent)}, text=True
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert run.stdout.count("@reproduce_failure(") == 2, run.stdout
