"""Time of one evaluation of the referee with a residual covariance, by the number of rows.

    python -m benchmarks.residual_covariance

Blocks of five visits; deviance, gradient and Hessian. What is asked for is less than a second at
100,000 rows, and ten times the rows in ten times the time: O(n) at a fixed size of block. Beside it
the same rows with independent residuals and a random intercept, whose evaluation comes from
cross-products made once.
"""

from __future__ import annotations

import time

from harness.base.numerics import pin

pin()

import numpy as np  # noqa: E402  the threads of its BLAS are fixed above
import pandas as pd  # noqa: E402

from harness.model.design import build_design  # noqa: E402
from harness.model.model import bind, parse_model  # noqa: E402
from harness.referee.deviance import Point  # noqa: E402
from harness.referee.residual_likelihood import ResidualPoint, likelihood_of  # noqa: E402

MODELS = (
    ("y ~ x + (1 | s)", ""),
    ("y ~ x", "ar1(visit | s)"),
    ("y ~ x + (1 | s)", "ar1(visit | s)"),
    ("y ~ x", "us(visit | s)"),
)
ROWS = (10_000, 100_000)
VISITS = 5
REPEATS = 5


def rows_of(n: int) -> pd.DataFrame:
    """Return n rows in subjects of five visits."""
    rng = np.random.default_rng(1)
    subjects = n // VISITS
    frame = pd.DataFrame(
        {
            "s": np.repeat(np.arange(subjects), VISITS),
            "visit": np.tile(np.arange(VISITS), subjects),
            "x": rng.normal(size=n),
        }
    )
    own = np.repeat(rng.normal(size=subjects), VISITS)
    return frame.assign(y=frame["x"] + own + rng.normal(size=n))


def evaluated(point: Point) -> float:
    """Ask for everything that a step of Newton's method needs."""
    point.profiled_hessian()
    return point.deviance() + float(point.profiled_gradient()[0])


def main() -> None:
    """Print processor milliseconds of an evaluation."""
    print(f"{'model':46}" + "".join(f"{n:>12,} rows" for n in ROWS))
    for formula, residual in MODELS:
        model = parse_model(formula, "REML", residual)
        cells = []
        for n in ROWS:
            frame = rows_of(n)
            likelihood = likelihood_of(build_design(model, bind(model, frame)), reml=True)
            start = np.full(len(likelihood.layout), 0.5)
            if residual:
                first = likelihood.at(likelihood.with_residual(start))
                assert isinstance(first, ResidualPoint)
                start = first.theta + np.append(np.zeros(len(start)), np.full(len(first.phi), 0.2))
            seconds = []
            for repeat in range(REPEATS):
                began = time.process_time()
                evaluated(likelihood.at(start + 1e-3 * repeat))
                seconds.append(time.process_time() - began)
            cells.append(1e3 * float(np.median(seconds)))
        print(f"{formula + '  ' + residual:46}" + "".join(f"{cell:14.1f} ms" for cell in cells))


if __name__ == "__main__":
    main()
