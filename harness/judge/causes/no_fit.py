"""Predicates for cases in which an engine gives no fit."""

from __future__ import annotations

from harness.judge.causes.view import Seen
from harness.referee.crossproducts import aliased_columns


def aliased(seen: Seen) -> str | None:
    """X lacks column rank."""
    gone = aliased_columns(seen.case.design.x)
    if not gone:
        return None
    return "combinations of other columns: " + ", ".join(seen.case.design.x_names[j] for j in gone)


def one_row_per_group(seen: Seen) -> str | None:
    """Every group of some term has one row."""
    n = len(seen.case.design.y)
    for term in seen.case.design.random:
        if len(term.levels) >= n:
            return f"{term.group}: {len(term.levels)} groups in {n} rows"
    return None


def too_many_effects(seen: Seen) -> str | None:
    """Hold when a term has no fewer random effects than there are rows."""
    n = len(seen.case.design.y)
    for term in seen.case.design.random:
        count = len(term.levels) * len(term.names)
        if len(term.levels) < n <= count:
            return f"{term.group}: {len(term.levels)} levels x {len(term.names)} effects, {n} rows"
    return None


def singular_covariance(seen: Seen) -> str | None:
    """Hold when statsmodels raised at a covariance that it could not invert."""
    for failure in seen.failures():
        if "singular-covariance" in failure.probes:
            return f"{failure.engine}: {failure.probes['singular-covariance']}"
    return None


def engine_error(seen: Seen) -> str | None:
    """Hold when an engine gave no fit."""
    for failure in seen.failures():
        if failure.reason != "unsupported":
            return f"{failure.engine}: {failure.text}"
    return None
