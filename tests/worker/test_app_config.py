"""The app's configs: a command line without a shell, and errors that name what is wrong."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pipeline_app.worker.app_config import MAX_CONFIG_BYTES, AppConfigError, ConfigRefused, StepConfig, load, parse

VALUES = {"input": "/in/a b.csv", "output": "/out", "share": "/mnt/azurefiles"}


def test_default_arguments_are_input_and_output() -> None:
    assert StepConfig().command("app", VALUES) == ["app", "/in/a b.csv", "/out"]


def test_placeholders_are_filled_in_place_and_only_once() -> None:
    step = parse('{"args": ["--in={input}", "{output}/{share}", "{\\"json\\": 1}", "{}"]}', "c")
    values = VALUES | {"input": "/in/{output}"}
    assert step.command("app", values) == ["app", "--in=/in/{output}", "/out//mnt/azurefiles", '{"json": 1}', "{}"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is a JSON list"),
        ('{"arg": []}', "unknown key 'arg'"),
        ('{"args": "x"}', "'args' of c is 'x'"),
        ('{"args": [1]}', "must be a list of strings"),
        ('{"args": ["{file}"]}', "unknown placeholder '{file}'"),
        ('{"args": ["a\\u0000b"]}', r"character '\\x00' in 'a\\x00b'"),
        ('{"args": ["a\\ud800"]}', r"character '\\ud800'"),
        ('{"env": {"": "1"}}', "has the name ''"),
        ('{"env": {"A": "\\u0000"}}', r"sets 'A' to '\\x00'"),
        ('{"env": {"A\\u0000": "1"}}', r"has the name 'A\\x00'"),
        ('{"env": {"A": "\\udc80"}}', "sets 'A' to"),
        ('{"env": []}', "'env' of c is"),
        ('{"env": {"A": 1}}', "sets 'A' to 1"),
        ('{"env": {"A=B": "1"}}', "'A=B'"),
        ('{"timeout_seconds": 0}', "'timeout_seconds' of c is 0"),
        ('{"timeout_seconds": true}', "is True"),
        ('{"timeout_seconds": NaN}', "is nan"),
        ('{"timeout_seconds": 1e9}', "604800"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(text: str, complaint: str) -> None:
    with pytest.raises(AppConfigError, match=complaint):
        parse(text, "c")


@pytest.mark.parametrize("key", ["args", "env", "timeout_seconds", "x" * 10_000])
def test_an_error_is_short_whatever_the_config_says(key: str) -> None:
    with pytest.raises(AppConfigError) as refused:
        parse(json.dumps({key: "é\n" * 100_000}), "c")
    assert len(str(refused.value)) < 500
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("extra", [0, 1])
def test_a_config_of_more_than_a_mebibyte_is_not_read(tmp_path: Path, extra: int) -> None:
    path = tmp_path / "large.json"
    path.write_bytes(b'{"args": []}'.ljust(MAX_CONFIG_BYTES + extra))
    if extra:
        with pytest.raises(AppConfigError, match="more than 1048576 bytes"):
            load(path, None)
    else:
        assert load(path, None).runtime.args == ()


def test_both_configs_count_in_the_hash(tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    one.write_text(json.dumps({"args": ["1"]}))
    other.write_text(json.dumps({"args": ["2"]}))
    hashes = {load(*files).sha256 for files in [(one, other), (other, one), (one, None), (None, one), (None, None)]}
    assert len(hashes) == 5


def test_a_config_that_the_mount_keeps_from_the_images_user_is_an_error_that_says_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "runtime.json"
    config.write_text("{}")

    def refuse(path: Path, *_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    # Root, whom tests may run as, is refused nothing.
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(AppConfigError, match=rf"user {os.getuid()} read it: Permission denied.*without 'USER 10001'"):
        load(config, None)


def test_a_config_missing_from_the_share_is_an_error_that_says_how_to_put_it_there(tmp_path: Path) -> None:
    with pytest.raises(AppConfigError, match=r"nowhere.json cannot be read: No such file or directory.*pulumi up"):
        load(tmp_path / "nowhere.json", None)


def test_all_that_is_wrong_is_named_at_once() -> None:
    keys = ", ".join(f'"k{number}": 1' for number in range(7))
    with pytest.raises(AppConfigError) as raised:
        parse(f'{{"args": "x", "env": [], "timeout_seconds": -1, {keys}}}', "the config")
    text = str(raised.value)
    assert "unknown key 'k0', 'k1', 'k2', 'k3', 'k4' and 2 more; it may have" in text
    for key in ("args", "env", "timeout_seconds"):
        assert f"{key!r} of the config is" in text


def test_what_is_right_is_read_beside_what_is_left_out() -> None:
    assert parse('{"timeout_seconds": 2}', "the config") == StepConfig(bounded=True, timeout_seconds=2.0)


@pytest.mark.parametrize("step", ["export", "runtime"])
def test_a_config_that_is_not_the_stacks_is_refused_with_both_hashes_and_what_to_do(tmp_path: Path, step: str) -> None:
    path = tmp_path / f"{step}.json"
    path.write_text('{"args": []}')
    runtime, export = (None, path) if step == "export" else (path, None)
    declared = hashlib.sha256(path.read_bytes()).hexdigest()
    assert load(runtime, export, {path: declared}) == load(runtime, export)
    path.write_text('{"args": ["another"]}')
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ConfigRefused, match=f"{path} .* its SHA-256 is {found}, and not {declared}. .*'pulumi up'"):
        load(runtime, export, {path: declared})
    # What is said of one says nothing of the other.
    assert load(runtime, export, {tmp_path / "other.json": declared}) == load(runtime, export)


def test_what_is_compared_is_what_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks at the share an application could have it both ways."""
    path = tmp_path / "runtime.json"
    path.write_text('{"args": ["declared"]}')
    declared = hashlib.sha256(path.read_bytes()).hexdigest()
    opened = Path.open

    def once(self: Path, *args: Any, **kwargs: Any) -> Any:
        file = opened(self, *args, **kwargs)
        # It is replaced as soon as somebody has it open, as the stack replaces it, too.
        other = tmp_path / "other.json"
        os.write(handle := os.open(other, os.O_CREAT | os.O_WRONLY), b'{"args": ["smuggled"]}')
        os.close(handle)
        other.replace(path)
        return file

    monkeypatch.setattr(Path, "open", once)
    assert load(path, None, {path: declared}).runtime.args == ("declared",)
    with pytest.raises(ConfigRefused):
        load(path, None, {path: declared})
