"""Time the referee's degrees of freedom and fits beside lmerTest's, and a deviance for its n.

    python benchmarks/degrees_of_freedom.py

Both sides fit the same data by REML with ``y ~ x + z + (x | g)``. Both run on one thread and are
timed by the processor's time they use, the best of several rounds, R inside R: wall time would
charge them for other programs, and R, whose rounds last longer, for more of them. lmerTest's df
are what ``lmerTest::lmer`` with its summary takes beyond ``lme4::lmer``. The referee's whole fit
starts, as R's does, from a table of columns and a formula: design matrices, cross-products, optimum
with its certificate, SE, df and p.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.base.numerics import pin

pin()

import numpy as np  # noqa: E402  the threads of its BLAS are fixed above
import pandas as pd  # noqa: E402

from harness.engines.lme4 import r_columns  # noqa: E402
from harness.model.case import Case  # noqa: E402
from harness.model.design import Design, RandomDesign, build_design  # noqa: E402
from harness.model.model import bind, parse_model  # noqa: E402
from harness.rbridge.worker import RSession  # noqa: E402
from harness.referee.deviance import Likelihood  # noqa: E402
from harness.referee.kenward_roger import kenward_roger  # noqa: E402
from harness.referee.optimum import find_optimum  # noqa: E402
from harness.referee.satterthwaite import contrast_tests  # noqa: E402
from harness.spelling.lme4_spelling import lme4_formula  # noqa: E402

FORMULA = "y ~ x + z + (x | g)"
SIZES = ((450, 45), (5_000, 250))
"""Rows and groups."""

PBKRTEST_ROWS = 1_000
"""Above this pbkrtest's n x n matrices take minutes."""


def seconds_each(run: Callable[[], object], *, rounds: int = 7, at_least: float = 0.05) -> float:
    """Processor seconds a call, the best of several rounds that last ``at_least`` seconds each."""
    run()
    started = time.process_time()
    run()
    repetitions = max(1, int(at_least / (time.process_time() - started)))
    best = np.inf
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(repetitions):
            run()
        best = min(best, (time.process_time() - started) / repetitions)
    return float(best)


def simulated(n: int, groups: int) -> pd.DataFrame:
    """Random intercepts and slopes, groups of unequal size."""
    rng = np.random.default_rng(n)
    g = np.sort(np.concatenate([np.arange(groups), rng.integers(0, groups, n - groups)]))
    x, z = rng.normal(size=(2, n))
    u = rng.normal(size=(groups, 2)) * [1.0, 0.6]
    y = 1.0 + 0.5 * x - 0.3 * z + u[g, 0] + u[g, 1] * x + rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": [f"g{i}" for i in g]})


def degrees_of_freedom(session: RSession, n: int, groups: int) -> list[tuple[str, float, float]]:
    """Rows of the table for one size: what is timed, seconds in R, seconds here."""
    model = parse_model(FORMULA)
    table = bind(model, simulated(n, groups))
    case = Case("benchmark", model, table)
    small = n <= PBKRTEST_ROWS
    theirs = session.call(
        "bench_lmer",
        {
            "columns": r_columns(table),
            "formula": lme4_formula(model, table.alias),
            "repetitions": 5 if small else 2,
            "rounds": 5,
            "with_pbkrtest": small,
        },
    )
    likelihood = Likelihood(case.design, reml=True)
    theta, sigma = theirs.numbers("theta"), float(theirs.numbers("sigma")[0])
    rows = np.eye(case.design.x.shape[1])

    def df() -> list[float]:
        return [t.df for t in contrast_tests(likelihood.at(theta), rows, sigma=sigma)]

    def df_kr() -> list[float]:
        adjusted = kenward_roger(likelihood.at(theta), sigma=sigma)
        return [t.df for t in adjusted.contrast_tests(rows)]

    def fit() -> object:
        best = find_optimum(Likelihood(build_design(model, table), reml=True))
        return contrast_tests(best.point, rows)

    np.testing.assert_allclose(df(), theirs.numbers("df"), rtol=1e-5)
    lmertest, lme4 = float(theirs.numbers("lmertest")[0]), float(theirs.numbers("lme4")[0])
    found = [
        ("Satterthwaite df", lmertest - lme4, seconds_each(df)),
        ("fit, SE, df and p", lmertest, seconds_each(fit)),
    ]
    if small:
        np.testing.assert_allclose(df_kr(), theirs.numbers("df_kr"), rtol=1e-5)
        found.append(
            ("Kenward-Roger SE and df", float(theirs.numbers("pbkrtest")[0]), seconds_each(df_kr))
        )
    return found


def deviance_seconds(n: int, groups: int) -> float:
    """Seconds of one evaluation of the deviance, cross-products at hand."""
    frame = simulated(n, groups)
    codes = pd.Categorical(frame["g"]).codes.astype(np.int32)
    x = np.column_stack([np.ones(n), frame["x"], frame["z"]])
    term = RandomDesign("g", ("1", "x"), x[:, :2], codes, tuple(map(str, range(groups))))
    design = Design(frame["y"].to_numpy(), x, ("1", "x", "z"), (term,), np.arange(n))
    likelihood = Likelihood(design, reml=True)
    return seconds_each(lambda: likelihood.at([1.0, 0.1, 0.6]).deviance())


def main() -> None:
    """Print the tables."""
    print(f"{FORMULA}, REML, one thread; processor seconds, best of several rounds\n")
    print(f"{'':26}{'n':>8}{'groups':>8}{'R':>12}{'referee':>12}{'ratio':>8}")
    with RSession(timeout=600, extra_scripts=("bench.R",)) as session:
        for n, groups in SIZES:
            for what, r, python in degrees_of_freedom(session, n, groups):
                print(f"{what:26}{n:>8}{groups:>8}{r:>12.5f}{python:>12.5f}{r / python:>8.1f}")
    print(f"\n{'one deviance evaluation':26}{'n':>8}{'groups':>8}{'':12}{'referee':>12}")
    small, large = (deviance_seconds(n, 50) for n in (500, 500_000))
    for n, seconds in ((500, small), (500_000, large)):
        print(f"{'':26}{n:>8}{50:>8}{'':12}{seconds:>12.6f}")
    print(f"{'':54}{'ratio':>12}{large / small:>8.2f}")


if __name__ == "__main__":
    main()
