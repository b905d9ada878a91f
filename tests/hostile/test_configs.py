"""A config says what the command line is, and nothing else does: no shell, no second reading, no option by a name."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_app.worker.app_config import AppConfigError, StepConfig, parse
from pipeline_app.worker.scratch import safe_file_name
from tests.hostile.cases import cases, counted
from tests.hostile.shapes import PATHS, TEXTS, VALUES, broken

CONFIG: dict[str, Any] = {"args": ["--in={input}", "{output}"], "env": {"MODE": "fast"}, "timeout_seconds": 60}
# Pieces of arguments: placeholders, what looks like one, and anything else.
PIECES = st.one_of(
    st.sampled_from(
        [
            "{input}",
            "{output}",
            "{share}",
            "{{input}}",
            "{input",
            "{ input }",
            "{input!r}",
            "{input:>9}",
            "{}",
            "{0}",
            "-",
            "--",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0{}"), max_size=8),
)
ARGUMENTS = st.lists(st.lists(PIECES, max_size=4).map("".join), max_size=5)


def read(text: str | bytes) -> tuple[StepConfig | None, str]:
    """Return a config, or the sentence with which it is refused."""
    try:
        return parse(text, "The config c"), ""
    except AppConfigError as error:
        return None, str(error)


def judge(text: str | bytes) -> StepConfig | None:
    """Return a config, having seen that it can be a command line, and that a refusal is short and names the source."""
    step, reason = read(text)
    if step is None:
        assert "The config c" in reason
        assert reason.endswith(".")
        assert len(reason) < 700
        return None
    for each in (*step.args, *step.env, *step.env.values()):
        assert "\0" not in each
        each.encode()
    assert 0 < step.timeout_seconds <= 604800
    return step


@given(st.binary(max_size=200) | VALUES.map(json.dumps))
@cases(100)
@counted
def test_rubbish_is_refused_in_a_sentence(text: str | bytes) -> None:
    step = judge(text)
    assert step in (None, StepConfig())


@given(broken(CONFIG, inner=("env",)))
@cases(150)
@counted
def test_a_config_with_something_wrong_is_read_or_refused(text: str) -> None:
    judge(text)


@given(st.sampled_from(["args", "env", "timeout_seconds"]), VALUES)
@cases(100)
@counted
def test_a_refused_config_names_its_key(key: str, value: object) -> None:
    step, reason = read(json.dumps({**CONFIG, key: value}))
    assert step is not None or f"'{key}'" in reason


@given(st.dictionaries(TEXTS, TEXTS, max_size=4))
@cases(50)
@counted
def test_variables_reach_the_application_as_they_are_or_not_at_all(env: dict[str, str]) -> None:
    step = judge(json.dumps({"env": env}))
    if step is not None:
        assert step.env == env


@given(ARGUMENTS, PATHS, st.sampled_from(["{output}", "{share}", "{input}", "{x}", "-", "--output=/"]))
@cases(200)
@counted
def test_the_command_line_has_the_elements_of_the_config_and_names_stay_within_theirs(
    arguments: list[str], path: str, hostile: str
) -> None:
    step = judge(json.dumps({"args": arguments}))
    assert step is not None
    values = {
        "input": f"/scratch/input/{safe_file_name(f'incoming/{path}{hostile}')}",
        "output": f"/scratch/output{hostile}",
        "share": f"/mnt/azurefiles{hostile}",
    }
    command = step.command("app", values)
    assert command[0] == "app"
    assert len(command) == len(arguments) + 1
    for argument, element in zip(arguments, command[1:], strict=True):
        # One pass from left to right, with nothing that was put in looked at again.
        parts = re.split(r"\{(input|output|share)\}", argument)
        assert element == "".join(values[part] if index % 2 else part for index, part in enumerate(parts))
        assert not element.startswith("-") or argument.startswith("-")


@pytest.mark.parametrize("name", ["{output}", "{share}", "{input}", "{nonsense}", "-rf", "--help", "@file", "a\nb"])
def test_a_name_is_one_argument_and_never_read_again(name: str) -> None:
    step, _ = read('{"args": ["{input}", "--in={input}", "{output}"], "env": {"COPY": "{input}"}}')
    assert step is not None
    path = f"/scratch/input/{safe_file_name(f'incoming/{name}')}"
    command = step.command("app", {"input": path, "output": "/out", "share": "/share"})
    assert command == ["app", path, f"--in={path}", "/out"]
    # Only arguments have placeholders.
    assert step.env == {"COPY": "{input}"}


@pytest.mark.parametrize("env", [{"LD_PRELOAD": "/mnt/azurefiles/x.so"}, {"PATH": ""}, {"A B": "$(x)"}])
def test_what_its_author_puts_into_the_environment_is_the_authors_right(env: dict[str, str]) -> None:
    step, _ = read(json.dumps({"env": env}))
    assert step is not None
    assert step.env == env
