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
    says : str
        Template of the sentence that shows its evidence, see ``harness.judge.sentence``; empty
        where nothing is tested for.
    quantities, definitions : tuple of str
        Of a definition with a name of its own: what is printed, and the keys (or their beginnings)
        in ``harness.referee.definitions``.
    upstream : tuple of str
        Issues of the projects concerned, ``"statsmodels#10239"``.
    """

    title: str
    kind: Literal["defect", "definition", "data", "tolerance"]
    definition: str
    evidence: str
    remedy: str = ""
    says: str = ""
    quantities: tuple[str, ...] = ()
    definitions: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()


@cache
def load_known() -> dict[str, KnownDifference]:
    """Return the table of known differences by cause."""
    text = (files("harness.judge.causes") / "known_differences.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, KnownDifference])


def cause_of_definition(quantity: str, key: str) -> str | None:
    """Return the cause that names a definition, or None for one that needs no name."""
    for cause, entry in load_known().items():
        families = tuple(d for d in entry.definitions if d.endswith(" "))  # "plus p/2 log 2 pi"
        if quantity in entry.quantities and (key in entry.definitions or key.startswith(families)):
            return cause
    return None
