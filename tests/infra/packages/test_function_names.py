"""The names of the functions are read from their source."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.packages.function_names import FunctionNamesError, function_names


def test_the_functions_are_those_that_the_source_declares(tmp_path: Path) -> None:
    project = Path(__file__).parents[3]
    (tmp_path / "function").mkdir()
    source = tmp_path / "function" / "function_app.py"
    source.write_text(
        "@app.function_name(name='first')\n@app.timer_trigger()\ndef one(): ...\n"
        "@app.queue_trigger()\nasync def second(): ...\n@other.thing()\ndef third(): ...\n",
        encoding="utf-8",
    )
    assert function_names(project) == ("dispatch", "sweep")
    assert function_names(tmp_path) == ("first", "second")
    source.write_text("x = 1\n", encoding="utf-8")
    with pytest.raises(FunctionNamesError, match="declares no function"):
        function_names(tmp_path)
