"""Property bags as the engine sends them: decoding, comparing, and the marks for unknown values and secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]

Properties: TypeAlias = dict[str, Any]

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"


def decode(struct: struct_pb2.Struct) -> Properties:
    """Return a bag as plain values without nulls; whole numbers become ints and secrets lose their mark."""
    bag = _plain(json_format.MessageToDict(struct))
    assert isinstance(bag, dict)
    return bag


def encode(bag: Mapping[str, Any]) -> struct_pb2.Struct:
    """Return plain values as a bag for the engine."""
    struct = struct_pb2.Struct()
    struct.update(dict(bag))
    return struct


def has_unknown(value: Any) -> bool:
    """Tell whether a value is, or holds, one that is not known yet."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return bool(value == UNKNOWN)


def difference(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Yield the paths, such as ``containers[0].image``, at which two values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        if old.get(SIGNATURE) == new.get(SIGNATURE) == ASSET:
            # Assets are compared by content; the path may differ from machine to machine.
            if old.get("hash") != new.get("hash"):
                yield path
            return
        for key in sorted(old.keys() | new.keys()):
            inner = f"{path}.{key}" if path else key
            if key in old and key in new:
                yield from difference(old[key], new[key], inner)
            else:
                yield inner
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            inner = f"{path}[{index}]"
            if index < len(old) and index < len(new):
                yield from difference(old[index], new[index], inner)
            else:
                yield inner
    elif old != new:
        yield path


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return _plain(value["value"])
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
