"""The one place that says how a number is written to JSON and read back.

JSON has no NaN and no infinity. A reader that turned them into ``null`` could no longer tell
"the engine returned NaN" from "the engine does not report this", and that difference is evidence.
Non-finite numbers therefore travel as the strings ``"nan"``, ``"inf"`` and ``"-inf"``.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

import msgspec

_NONFINITE_TEXT = "^(nan|inf|-inf)$"

Real = Annotated[float, msgspec.Meta(extra_json_schema={"pattern": _NONFINITE_TEXT})]
"""A float that survives JSON, non-finite values included."""

Vector = tuple[Real, ...]
Matrix = tuple[tuple[Real, ...], ...]


def encode(value: Any) -> bytes:
    """One line of JSON for a msgspec structure, non-finite floats as strings."""
    return msgspec.json.encode(_without_nonfinite(msgspec.to_builtins(value)))


def decode(line: bytes | str, kind: Any) -> Any:
    """Read back what :func:`encode` wrote as ``kind``, which may be a union of tagged structs.

    Raises ``msgspec.DecodeError`` when the line is not that.
    """
    return msgspec.json.decode(line, type=kind, strict=False)


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of what :func:`encode` writes for a kind of structure."""
    found: dict[str, Any] = _with_text(msgspec.json.schema(kind))
    return found


def _with_text(schema: Any) -> Any:
    """Let what is a :data:`Real` be a text too: the library lets nobody change a type's name."""
    if isinstance(schema, dict):
        found = {key: _with_text(value) for key, value in schema.items()}
        return found | ({"type": ["number", "string"]} if _is_real(schema) else {})
    return [_with_text(item) for item in schema] if isinstance(schema, list | tuple) else schema


def _is_real(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "number" and schema.get("pattern") == _NONFINITE_TEXT


def _without_nonfinite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, dict):
        return {
            key: item if type(item) in _PLAIN else _without_nonfinite(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        # Looking at each number of a long list takes longer than all else that is done to it.
        if value and not isinstance(value[0], dict) and _all_finite(value):
            return value
        return [_without_nonfinite(item) for item in value]
    return value


def _all_finite(value: Any) -> bool:
    """Whether no number in it is non-finite; False where that has to be looked at."""
    try:
        return _NONFINITE.search(_packed(value)) is None
    except OverflowError:  # an integer that JSON can write and MessagePack cannot
        return False


_PLAIN = frozenset({str, int, bool, type(None)})

_packed = msgspec.msgpack.Encoder().encode

_NONFINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]", re.DOTALL)
"""A double in MessagePack whose exponent has all bits set; other bytes may look like one too."""
