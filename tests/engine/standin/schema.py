"""The properties of the resources that the program uses, read from the installed SDKs."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Mapping
from typing import Any

from pulumi import _types

from tests.engine.standin.wire import UNKNOWN, Properties


def read_schema(tokens: list[str]) -> dict[str, Any]:
    """Return, by type token, the ``inputs`` and the names of the ``outputs``.

    An input type is None for anything plain, ``{"items": type}`` for a list or map, and
    ``{"properties": {name: type}, "required": [name]}`` for an object.
    """
    schema = {}
    for token in tokens:
        module_name, _, class_name = token.partition(":")[2].partition(":")
        module = importlib.import_module(f"pulumi_azure_native.{module_name}")
        resource = getattr(module, class_name)
        outputs = _types.resource_types(resource)
        # Where the package has other arguments of that name, as for action groups, the resource's own are called so.
        arguments = getattr(module, f"{class_name}InitArgs", None) or getattr(module, f"{class_name}Args")
        schema[token] = {
            "inputs": _input_type(arguments),
            "outputs": {name: _output_names(kind) for name, kind in outputs.items()},
        }
    return schema


def problems(kind: Mapping[str, Any] | None, value: Any, path: str = "") -> list[str]:
    """Return what is wrong with a value: properties that the SDK does not know, and missing ones that it requires."""
    if kind is None or value == UNKNOWN:
        return []
    if "items" in kind:
        if isinstance(value, dict):
            return [text for key, item in value.items() for text in problems(kind["items"], item, f"{path}.{key}")]
        if isinstance(value, list):
            return [text for i, item in enumerate(value) for text in problems(kind["items"], item, f"{path}[{i}]")]
        return [f"'{path}' should be a list or a map"]
    if not isinstance(value, dict):
        return [f"'{path}' should be an object"]
    wrong = [f"unknown property '{path}.{name}'" for name in sorted(value.keys() - kind["properties"].keys())]
    wrong += [f"missing required property '{path}.{name}'" for name in kind["required"] if name not in value]
    for name in sorted(value.keys() & kind["properties"].keys()):
        wrong += problems(kind["properties"][name], value[name], f"{path}.{name}" if path else name)
    return wrong


def preview_outputs(outputs: Mapping[str, list[str] | None], inputs: Properties) -> Properties:
    """Return a resource's outputs before it exists: its inputs, and unknown values for all that the cloud decides."""
    result: Properties = {}
    for name, nested in outputs.items():
        value = inputs.get(name, UNKNOWN)
        if isinstance(value, dict) and nested is not None:
            value = {inner: value.get(inner, UNKNOWN) for inner in nested}
        # The platform answers with an object where the program gives a list of identities.
        result[name] = UNKNOWN if name == "identity" else value
    return result


def _input_type(kind: Any) -> dict[str, Any] | None:
    if typing.get_origin(kind) in (typing.Union, None) and not inspect.isclass(kind):
        candidates = [item for item in typing.get_args(kind) if inspect.isclass(item) and _is_args(item)]
        # Alternatives, such as the kinds of destinations, are left to the SDK.
        return _input_type(candidates[0]) if len(candidates) == 1 else None
    if inspect.isclass(kind) and _is_args(kind):
        names = _types.input_type_py_to_pulumi_names(kind)
        parameters = inspect.signature(kind.__init__).parameters
        return {
            "properties": {name: _input_type(inner) for name, inner in _types.input_type_types(kind).items()},
            "required": [
                names[name]
                for name, parameter in parameters.items()
                if name in names and parameter.default is inspect.Parameter.empty
            ],
        }
    if arguments := typing.get_args(kind):
        return {"items": _input_type(arguments[-1])}
    return None


def _is_args(kind: type) -> bool:
    return hasattr(kind, _types._PULUMI_INPUT_TYPE)


def _output_names(kind: Any) -> list[str] | None:
    if inspect.isclass(kind) and hasattr(kind, _types._PULUMI_OUTPUT_TYPE):
        return sorted(_types.output_type_types(kind))
    return None
