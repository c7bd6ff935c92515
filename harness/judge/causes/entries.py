"""Known differences between the engines, by cause."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec


class KnownDifference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named cause.

    Attributes
    ----------
    kind : str
        ``defect`` of an engine, ``definition`` (two quantities under one name), ``data`` (a
        property of the data or model), ``tolerance`` (a stopping rule).
    upstream : tuple of str
        Issues of the projects concerned, ``"statsmodels#10239"``.
    """

    title: str
    kind: Literal["defect", "definition", "data", "tolerance"]
    definition: str
    evidence: str
    remedy: str = ""
    upstream: tuple[str, ...] = ()


@cache
def load_known() -> dict[str, KnownDifference]:
    """Return the table of known differences by cause."""
    text = (files("harness.judge.causes") / "known_differences.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, KnownDifference])
