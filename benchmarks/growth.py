"""How the cost of a fit grows with rows and with groups: lme4, lmerTest and the referee.

Processor seconds as in ``degrees_of_freedom.py``, whose model and data these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.degrees_of_freedom import FORMULA, seconds_each, simulated
from harness.engines.lme4 import r_columns
from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.rbridge.worker import RSession
from harness.referee.deviance import Likelihood
from harness.referee.optimum import find_optimum
from harness.referee.satterthwaite import contrast_tests
from harness.spelling.lme4_spelling import lme4_formula

BY_ROWS = ((500, 50), (2_000, 50), (8_000, 50), (32_000, 50))
BY_GROUPS = ((8_000, 50), (8_000, 200), (8_000, 800))


@dataclass(frozen=True)
class Size:
    """Seconds of one fit: ``lme4`` without df, ``lmertest`` and ``referee`` with SE, df and p.

    ``df_lmertest`` and ``df_referee`` are the Satterthwaite df alone.
    """

    n: int
    groups: int
    lme4: float
    lmertest: float
    referee: float
    df_referee: float

    @property
    def df_lmertest(self) -> float:
        """What lmerTest takes beyond lme4."""
        return self.lmertest - self.lme4


def growth(*, quick: bool) -> tuple[list[Size], list[Size]]:
    """Measure by rows and by groups."""
    rows, groups = (BY_ROWS[:2], BY_GROUPS[:0]) if quick else (BY_ROWS, BY_GROUPS)
    with RSession(timeout=600, extra_scripts=("bench.R",)) as session:
        measured = {size: _measure(session, *size) for size in dict.fromkeys((*rows, *groups))}
    return [measured[size] for size in rows], [measured[size] for size in groups]


def exponent(sizes: Sequence[Size], of: str, by: str) -> float:
    """Return the power of ``by`` with which seconds grow: the slope of a line in logarithms."""
    x = np.log([getattr(size, by) for size in sizes])
    return float(np.polyfit(x, np.log([getattr(size, of) for size in sizes]), 1)[0])


def _measure(session: RSession, n: int, groups: int) -> Size:
    model = parse_model(FORMULA)
    table = bind(model, simulated(n, groups))
    theirs = session.call(
        "bench_lmer",
        {
            "columns": r_columns(table),
            "formula": lme4_formula(model, table.alias),
            "repetitions": 3 if n <= 2_000 else 1,
            "rounds": 3,
        },
    )

    def fit() -> object:
        best = find_optimum(Likelihood(build_design(model, table), reml=True))
        return contrast_tests(best.point, rows)

    design = build_design(model, table)
    rows = np.eye(design.x.shape[1])
    likelihood = Likelihood(design, reml=True)
    theta, sigma = theirs.numbers("theta"), float(theirs.numbers("sigma")[0])

    def df() -> list[float]:
        return [t.df for t in contrast_tests(likelihood.at(theta), rows, sigma=sigma)]

    np.testing.assert_allclose(df(), theirs.numbers("df"), rtol=1e-5)
    return Size(
        n,
        groups,
        lme4=float(theirs.numbers("lme4")[0]),
        lmertest=float(theirs.numbers("lmertest")[0]),
        referee=seconds_each(fit, rounds=3),
        df_referee=seconds_each(df, rounds=3),
    )
