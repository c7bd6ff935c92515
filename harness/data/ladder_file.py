"""The file that lists the ladder, ``fixtures/ladder.toml``; its head explains the fields."""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Literal

import msgspec

from harness.base.resources import fixture


class TutorialRung(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rung of the tutorial, for any outcome, predictor and grouping factor."""

    name: str
    title: str
    data: Literal["rows", "means", "within", "slopes"]
    formula: str
    focus: str = ""
    note: str = ""
    printed_note: str = ""


class Tutorial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tutorial's rungs and its own data."""

    heading: str
    data: str
    outcome: str
    predictor: str
    group: str
    rungs: tuple[TutorialRung, ...]


class ListedRung(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rung beyond the tutorial."""

    id: str
    title: str
    data: str
    formula: str
    focus: str
    notebook: str = ""
    nlme: str = ""
    residual: str = ""


class ListedGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rungs under one heading; those with a ``part`` are run when it is asked for."""

    heading: str
    rungs: tuple[ListedRung, ...]
    part: str = ""


class LadderFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that is listed."""

    tutorial: Tutorial
    beyond: tuple[ListedGroup, ...]


@cache
def ladder_file() -> LadderFile:
    """Return what is listed."""
    text = fixture("ladder.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), LadderFile)
