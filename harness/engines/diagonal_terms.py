"""``diag(0 + f | g)`` as the terms ``(0 + c1 | g) + (0 + c2 | g)``, for engines without structures.

The model is the same: an engine that can write uncorrelated effects has it. Where an effect is no
column of the table, as those of a factor, it is made one.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np

from harness.engines.engine import Fit, Outcome, RandomTerm
from harness.model.case import Case
from harness.model.own_columns import in_columns


def case_apart(case: Case) -> Case | None:
    """Return the case with a term for each effect of ``diag()``; None with other structures."""
    if {term.structure for term in case.model.random} - {"", "diag"}:
        return None
    counts = [t.effects.intercept + len(t.effects.terms) for t in case.model.random]
    model, table = case.model, case.table
    if counts != [len(term.names) for term in case.design.random]:
        model, table = in_columns(model, table, case.design)
    bars = tuple(
        replace(bar, double=True, structure="") if bar.structure else bar
        for bar in model.formula.bars
    )
    return Case(case.id, replace(model, formula=replace(model.formula, bars=bars)), table)


def fit_together(case: Case, outcome: Outcome) -> Outcome:
    """Return a fit of :func:`case_apart` with the terms of the case."""
    if not isinstance(outcome, Fit):
        return outcome
    apart = list(outcome.random)
    together = []
    for design, term in zip(case.design.random, case.model.random, strict=True):
        count = len(design.names) if term.structure else 1
        own, apart = apart[:count], apart[count:]
        if len(own) < count or any(len(part.names) > 1 for part in own if term.structure):
            return outcome
        together.append(_joined(own, design.group, design.names) if term.structure else own[0])
    return msgspec.structs.replace(
        outcome, random=(*together, *apart), data_checksum=case.table.checksum()
    )


def _joined(parts: list[RandomTerm], group: str, names: tuple[str, ...]) -> RandomTerm:
    covariance = np.diag([part.covariance[0][0] for part in parts])
    effects = [part.effects for part in parts if part.effects is not None]
    whole = np.hstack([np.array(e) for e in effects]) if len(effects) == len(parts) else None
    return RandomTerm(
        group=group,
        names=names,
        covariance=tuple(map(tuple, covariance.tolist())),
        levels=parts[0].levels,
        effects=None if whole is None else tuple(map(tuple, whole.tolist())),
    )
