"""What a fit by MixedLM takes, estimated from the sizes of its groups before it is begun.

MixedLM goes through its groups in Python. In a group of n rows and q columns of random effects,
those of all variance components included, which are dense, the likelihood solves for q x n numbers
twice, and the gradient twice and multiplies back: some 16 n q^2 operations for both. Where all
terms are crossed there is one group, which is the whole table.

The estimate is of a fit that goes well, alone on one core: one that wanders takes several times as
long. Measured on 1,200 to 4,800 rows with 60 to 600 crossed columns it is near to a factor of 1.7,
as of 2,000 rows in 200 groups.
"""

from __future__ import annotations

import numpy as np

from harness.model.case import Case
from harness.referee.cost import SPEED, Cost
from harness.spelling.mixedlm_spelling import mixedlm_spelling
from harness.spelling.patsy_language import NotExpressible

GROUP_SECONDS = 0.001
"""Seconds that MixedLM's own chain takes for a group, which it goes through in Python; with two
effects in it four times as long. Measured on 500 and 2,000 groups of ten rows, 0.8 to 1.1 ms."""

EVALUATIONS = 14
"""Evaluations of likelihood and gradient that MixedLM's own chain makes when all goes well."""

OPERATIONS = 16.0
"""Times n q^2 in each of them."""

NARROW = 350.0
"""Columns at which matrix products go at half their speed: measured on 60 to 600 crossed ones."""


def mixedlm_cost(case: Case) -> Cost:
    """Estimate time and memory of a fit in the default setting; zero where it cannot be written."""
    case = case.by_random_intercept
    try:
        written = case.in_columns
        spelling = mixedlm_spelling(written.model, written.table, aliased=True)
    except NotExpressible:
        return Cost(0.0, 0.0)
    terms = case.design.random
    n = len(case.design.y)
    whole = np.zeros(n, dtype=np.int64)
    groups = whole if spelling.group_term is None else terms[spelling.group_term].codes
    rows = np.bincount(groups).astype(np.float64)
    columns, effects = np.zeros(len(rows)), 0
    for term, component in zip(terms, spelling.components, strict=True):
        width = len(term.names)
        effects += width
        levels = np.unique(np.stack([groups, term.codes]), axis=1)
        columns += width * np.bincount(levels[0], minlength=len(rows)) if component else width
    dense = rows * columns
    operations = EVALUATIONS * OPERATIONS * float((dense * (columns + NARROW)).sum())
    seconds = GROUP_SECONDS * len(rows) * effects**2 + operations / SPEED
    # Its columns are kept by component and side by side; three as large are made in an evaluation.
    return Cost(seconds, 8.0 * (2.0 * float(dense.sum()) + 3.0 * float(dense.max())))
