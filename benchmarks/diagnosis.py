"""When a diagnosis has its answer, beside the plain fits of the same model by MixedLM and lmer.

600 rows in 160 groups with three correlated effects, and three siblings. R is started before. By
itself: ``python -m benchmarks.diagnosis``; with ``--quick`` without the table of all optimizers.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.base import numerics
from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.data.rungs import Rung
from harness.diagnose.pipeline import answered, completed, examined
from harness.diagnose.user_engines import Opened, opened
from harness.engines.engine import Fit
from harness.engines.statsmodels import StatsmodelsEngine
from harness.model.model import Criterion

FORMULA = "y ~ x1 + x2 + (1 + x1 + x2 | g)"

FACTORS = {
    "regular": ((1.0, 0.0, 0.0), (0.3, 0.6, 0.0), (-0.2, 0.1, 0.5)),
    "singular": ((1.0, 0.0, 0.0), (0.5, 0.0, 0.0), (-0.2, 0.1, 0.0)),
}
"""Factors of the covariance matrix of the effects."""


@dataclass(frozen=True)
class Seconds:
    """Seconds by the clock, and of this process, which is all but R's."""

    clock: float
    processor: float

    def __truediv__(self, other: Seconds) -> tuple[float, float]:
        return self.clock / other.clock, self.processor / other.processor


@dataclass(frozen=True)
class Times:
    """Of the plain fits, one after the other, then until who is right, what to do, and all."""

    fits: Seconds
    who: Seconds
    answer: Seconds
    whole: Seconds


def cases(seed: int = 18) -> Iterator[Rung]:
    """Draw 600 rows in 160 groups: regular, by ML, singular, and with a badly scaled predictor."""
    kinds: tuple[tuple[str, str, Criterion, tuple[float, float]], ...] = (
        ("regular", "regular", "REML", (0.0, 1.0)),
        ("by ML", "regular", "ML", (0.0, 1.0)),
        ("singular", "singular", "REML", (0.0, 1.0)),
        ("ill-scaled", "regular", "REML", (5000.0, 400.0)),
    )
    for name, kind, criterion, scale in kinds:
        r = np.random.default_rng(seed)
        g = np.sort(r.integers(0, 160, 600))
        x1, x2 = r.normal(size=(2, 600))
        u = (r.normal(size=(160, 3)) @ np.array(FACTORS[kind]).T)[g]
        y = 2 + 0.5 * x1 - 0.3 * x2 + u[:, 0] + u[:, 1] * x1 + u[:, 2] * x2 + r.normal(size=600)
        x1 = scale[0] + scale[1] * x1
        frame = pd.DataFrame({"y": y, "x1": x1, "x2": x2, "g": [f"g{i}" for i in g]})
        yield own_rung(name, Dataset(name, frame, ""), FORMULA, criterion)


def measure(rung: Rung, ready: Opened, *, quick: bool = False) -> Times:
    """Fit, then diagnose; ``quick`` leaves out the table of all optimizers."""
    passed = _watch()
    for engine in (StatsmodelsEngine(), ready.running[-1]):
        outcome = engine.fit(rung.case, "default")
        assert isinstance(outcome, Fit), outcome
    fits, passed = passed(), _watch()
    first = examined(rung, ready)
    who = passed()
    early = answered(first)
    answer = passed()
    completed(early, quick=quick)
    return Times(fits, who, answer, passed())


def _watch() -> Callable[[], Seconds]:
    clock, processor = time.perf_counter(), time.process_time()
    return lambda: Seconds(time.perf_counter() - clock, time.process_time() - processor)


def main() -> None:
    """Print the times and their ratios."""
    numerics.pin()
    quick = "--quick" in sys.argv
    with opened() as ready:
        for rung in cases():
            found = measure(rung, ready, quick=quick)
            print(f"{rung.title}: plain fits {found.fits.clock:.1f} s", flush=True)
            for name, seconds in (
                ("who is right", found.who),
                ("answer", found.answer),
                ("whole", found.whole),
            ):
                clock, processor = seconds / found.fits
                print(
                    f"  {name:<12} {seconds.clock:6.1f} s, {clock:.1f} times; processor "
                    f"{seconds.processor:.1f} s, {processor:.1f} times",
                    flush=True,
                )


if __name__ == "__main__":
    main()
