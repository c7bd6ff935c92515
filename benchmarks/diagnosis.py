"""When a diagnosis has its answer, and all of it, beside the plain fits of the same model.

600 rows in 160 groups with three correlated effects; processor time of this process, in which
statsmodels fits and the referee works, so that a busy machine changes the ratios little. R works
beside it, and its fits take less. By itself: ``python -m benchmarks.diagnosis``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.base import numerics
from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.data.rungs import Rung
from harness.diagnose.pipeline import answered, completed
from harness.diagnose.user_engines import opened
from harness.engines.statsmodels import StatsmodelsEngine

FORMULA = "y ~ x1 + x2 + (1 + x1 + x2 | g)"


@dataclass(frozen=True)
class Seconds:
    """Processor seconds: of MixedLM's default and tight fit, to the answer, of the whole."""

    fits: float
    answer: float
    whole: float
    wall_answer: float


def three_effects(seed: int = 18) -> Rung:
    """Draw 600 rows in 160 groups."""
    r = np.random.default_rng(seed)
    n, groups = 600, 160
    g = np.sort(r.integers(0, groups, n))
    x1, x2 = r.normal(size=(2, n))
    u = r.normal(size=(groups, 3)) @ np.array([[1, 0, 0], [0.3, 0.6, 0], [-0.2, 0.1, 0.5]]).T
    y = 2 + 0.5 * x1 - 0.3 * x2 + u[g, 0] + u[g, 1] * x1 + u[g, 2] * x2 + r.normal(size=n)
    frame = pd.DataFrame({"y": y, "x1": x1, "x2": x2, "g": [f"g{i}" for i in g]})
    return own_rung("three effects", Dataset("three effects", frame, ""), FORMULA, "REML")


def measure(*, quick: bool = False) -> Seconds:
    """Fit, then diagnose; ``quick`` leaves out the table of all optimizers."""
    began = time.process_time()
    plain = three_effects()
    for setting in ("default", "tight"):
        StatsmodelsEngine().fit(plain.case, setting)
    fits = time.process_time() - began
    with opened() as ready:
        began, clock = time.process_time(), time.perf_counter()
        early = answered(three_effects(), ready)
        answer, wall = time.process_time() - began, time.perf_counter() - clock
        completed(early, quick=quick)
        whole = time.process_time() - began
    return Seconds(fits, answer, whole, wall)


def main() -> None:
    """Print the times and their ratios."""
    numerics.pin()
    found = measure()
    print(f"statsmodels' two fits   {found.fits:6.1f} s")
    for name, seconds in (("answer", found.answer), ("whole diagnosis", found.whole)):
        print(f"{name:<23} {seconds:6.1f} s   {seconds / found.fits:.1f} times the fits")
    print(f"answer, by the clock    {found.wall_answer:6.1f} s")


if __name__ == "__main__":
    main()
