"""Causes by key: the known differences, and those that lie in the data."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import msgspec

from harness.diagnose.diagnosis import Cause, Remedy
from harness.judge.causes.entries import KnownDifference, load_known


@cache
def load_causes() -> dict[str, KnownDifference]:
    """Return all causes by key: the known differences, and those of the data."""
    text = (files("harness.diagnose") / "causes.toml").read_text(encoding="utf-8")
    return load_known() | msgspec.convert(tomllib.loads(text), dict[str, KnownDifference])


def cause_of(
    key: str, evidence: str, remedies: Sequence[Remedy | None], engines: Sequence[str] = ()
) -> Cause:
    """Return a cause that was tested for and held, with what was tried against it."""
    about = load_causes()[key]
    # Several ways lead to one trial, which is shown once.
    tried: dict[tuple[str, str], Remedy] = {}
    for remedy in remedies:
        if remedy is not None:
            tried.setdefault((remedy.title, remedy.outcome), remedy)
    return Cause(
        key=key,
        title=about.title,
        definition=about.definition,
        engines=tuple(engines),
        evidence=evidence,
        upstream=about.upstream,
        remedies=tuple(tried.values()),
    )
