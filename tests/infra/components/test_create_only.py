"""What Azure does not change in place is made anew, or left as it is: no update may fail each time ever after."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.settings.config import KEYS
from tests.engine.standin.kinds import KINDS
from tests.engine.standin.updates import CONSTANT, UPDATED
from tests.infra.changed import CHANGED
from tests.infra.recording import FROM_OUTPUT, Registered, Run, run_program

Leaf = tuple[Registered, str, Any]


@pytest.fixture(scope="module")
def everything(function_package: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """Runs of two stacks with all kinds of resources, of which no setting is the same."""
    cache = tmp_path_factory.mktemp("cache")
    common = {"alertEmails": "a@example.com", "artifactCache": str(cache / "first")}
    return run_program(common), run_program(CHANGED | {"artifactCache": str(cache / "second")})


def leaves(run: Run) -> Iterator[Leaf]:
    """Yield every declared property of Azure's resources by its path, with ``[]`` for any index."""
    for each in run.resources:
        if each.token in KINDS:
            for path, value in _leaves("", each.inputs):
                yield each, path, value


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and path != "tags":
        for key, item in value.items():
            yield from _leaves(f"{path}.{key}" if path else key, item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(f"{path}[]", item)
    else:
        yield path, value


def below(path: str, parents: Any) -> bool:
    """Tell whether a path is one of others, or part of one."""
    return any(path == each or path.startswith((f"{each}.", f"{each}[")) for each in parents)


def test_every_declared_property_is_known_to_be_updated_or_not(everything: tuple[Run, Run]) -> None:
    for each, path, _ in (leaf for run in everything for leaf in leaves(run)):
        kind = KINDS[each.token]
        places = {
            "constant": CONSTANT.get(each.token, ()),
            "replaced": [*kind.fixed, *kind.force_new, *kind.parameters],
            "updated": UPDATED[each.token],
        }
        found = [name for name, paths in places.items() if below(path, paths)]
        assert len(found) == 1, f"{each.token} {path}: {found}"


def test_every_kind_in_the_lists_is_declared_with_all_that_is_listed(everything: tuple[Run, Run]) -> None:
    declared = {(each.token, path) for run in everything for each, path, _ in leaves(run)}
    for listed in (CONSTANT, UPDATED):
        for token, paths in listed.items():
            for path in paths:
                assert any(token == each and below(found, [path]) for each, found in declared), f"{token} {path}"


def test_what_azure_refuses_to_change_is_replaced_or_left_alone(everything: tuple[Run, Run]) -> None:
    checked = set()
    for each, path, _ in leaves(everything[0]):
        kind = KINDS[each.token]
        if not below(path, kind.fixed) or below(path, kind.force_new):
            continue
        answers = [*each.request.replaceOnChanges, *each.request.ignoreChanges]
        assert below(path, [re.sub(r"\[\*\]", "[]", answer) for answer in answers]), f"{each.name} {path}"
        checked.add((each.token.rpartition(":")[2], path))
    assert checked >= {
        ("ContainerGroup", "osType"),
        ("MetricAlert", "scopes[]"),
        ("RoleAssignment", "principalType"),
        ("ScheduledQueryRule", "scopes[]"),
        ("SystemTopic", "source"),
        ("Vault", "properties.softDeleteRetentionInDays"),
        ("WebApp", "serverFarmId"),
    }


def test_what_is_taken_as_constant_is_the_same_in_every_stack(everything: tuple[Run, Run]) -> None:
    seen: dict[tuple[str, str, str], list[Any]] = {}
    for each, path, value in (leaf for run in everything for leaf in leaves(run)):
        if below(path, CONSTANT.get(each.token, ())):
            assert not str(value).startswith(FROM_OUTPUT), f"{each.name} {path}"
            seen.setdefault((each.token, each.name, path), []).append(value)
    varying = {key for key, values in seen.items() if any(value != values[0] for value in values)}
    assert varying == set()
    assert len(seen) > 20


def test_there_is_another_value_for_every_setting() -> None:
    assert tuple(CHANGED) == KEYS
