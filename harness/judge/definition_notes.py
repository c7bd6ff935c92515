"""What two engines print under one name and different definitions, side by side."""

from __future__ import annotations

from dataclasses import dataclass

from harness.engines.engine import Failure, Fit, Setting
from harness.judge.causes.entries import cause_of_definition
from harness.judge.judgement import Judgement
from harness.judge.records import CaseRecord
from harness.judge.statements import Statement

SHOWN = 1e-4
"""Relative difference above which two values of one item are shown as different."""


@dataclass(frozen=True)
class DefinitionNote:
    """One number of an engine that is defined otherwise than the reference's.

    Attributes
    ----------
    cause : str
        Key of known_differences.toml.
    value, reference : float
        What the two print; ``reference`` is None where it prints nothing of the kind.
    like_for_like : float or None
        The referee's value at the engine's point under the reference's definition.
    """

    cause: str
    engine: str
    quantity: str
    item: str
    value: float
    reference: float | None
    like_for_like: float | None


def definition_notes(
    record: CaseRecord, engine: str, setting: Setting = "default"
) -> tuple[DefinitionNote, ...]:
    """Find where an engine and the reference print different quantities under one name."""
    own = record.judgement(engine, setting)
    beside = record.judgement(record.reference, setting)
    comparison = record.comparison(engine, setting)
    if own is None or beside is None or comparison is None:
        return ()
    fair = {(d.quantity, d.item): d.value for d in comparison.differences if d.referee}
    open_ = {
        item for e in own.evidence for key in ("effects", "open") for item in e.lists.get(key, ())
    }
    out = []
    for statement in own.statements:
        cause = cause_of_definition(statement.quantity, statement.definition)
        other = beside.statement(statement.quantity, statement.item)
        if statement.truth == "not determined" and statement.item in open_:
            continue
        if cause is None or (other is not None and other.definition == statement.definition):
            continue
        like = fair.get((statement.quantity, statement.item), _at_its_point(own, statement))
        printed = None if other is None else other.value
        if statement.quantity == "variance":
            like, printed = (
                _variance(record.fit(e, setting), statement.item)
                for e in (engine, record.reference)
            )
        if statement.quantity == "se" and like and abs(statement.value / like - 1.0) <= SHOWN:
            continue
        out.append(
            DefinitionNote(
                cause,
                engine,
                statement.quantity,
                statement.item,
                statement.value,
                printed,
                like,
            )
        )
    return tuple(out)


def _variance(fit: Fit | Failure | None, item: str) -> float | None:
    """Return a variance in squared units of the outcome; ``"Subject: Days"``."""
    if not isinstance(fit, Fit):
        return None
    return next(
        (
            t.covariance[i][i]
            for t in fit.random
            for i, name in enumerate(t.names)
            if f"{t.group}: {name}" == item
        ),
        None,
    )


def _at_its_point(own: Judgement, statement: Statement) -> float | None:
    """Return a number of a coefficient, or the standard error of a variance, as the referee has it.

    At the engine's point: for what is not compared, as in a coding of the engine's own.
    """
    if own.audit is None:
        return None
    if statement.quantity in ("se", "df", "statistic", "p"):
        row = next((c for c in own.audit.coefficients if c.name == statement.item), None)
        value: float | None = None if row is None else getattr(row, statement.quantity)
        return value
    names = [s.item for s in own.statements if s.quantity == statement.quantity]
    if statement.quantity == "variance_se" and len(names) == len(own.audit.variance_se):
        return own.audit.variance_se[names.index(statement.item)]
    return None
