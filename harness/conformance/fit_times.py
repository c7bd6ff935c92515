"""How long engines take for the same fits, side by side in one run, as ratios to one of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pandas as pd

from harness.engines.engine import Engine, Failure
from harness.engines.guard import guarded
from harness.model.case import Case
from harness.model.model import bind, parse_model

SIZES = (100, 1_000, 10_000)
"""Rows of the tables, in groups of ten; the model has a random intercept, which most can fit."""

ROUNDS = 3
"""Fits of each engine at each size; the quickest counts, since all that disturbs takes time."""

FORMULA = "y ~ x + (1 | g)"


class Speed(msgspec.Struct, frozen=True):
    """What an engine took for a fit.

    Attributes
    ----------
    seconds : float or None
        Of the quickest fit; None where there was none.
    why : str
        Why there was none.
    """

    engine: str
    rows: int
    seconds: float | None
    why: str = ""


def measure(
    engines: Sequence[Engine], sizes: Sequence[int] = SIZES, *, told: Callable[[str], None]
) -> tuple[Speed, ...]:
    """Fit tables of several sizes by every engine in turn; one that fails is not asked again.

    A fit's seconds are those that the engine states, as its own user would see them: the way there
    through messages is not counted. Where it states none the wall time is taken.
    """
    found = []
    failed: dict[str, str] = {}
    for rows in sizes:
        case = speed_case(rows)
        case.design  # noqa: B018 - it is made once, and is nobody's fit
        best: dict[str, float] = {}
        for _ in range(ROUNDS):
            for engine in engines:
                if engine.name in failed:
                    continue
                told(f"{engine.name}, {rows} rows")
                began = time.perf_counter()
                outcome = guarded(engine, case, "default")()
                taken = time.perf_counter() - began
                if isinstance(outcome, Failure):
                    failed[engine.name] = f"{outcome.reason}: {outcome.text}"
                    continue
                taken = outcome.seconds or taken
                best[engine.name] = min(best.get(engine.name, taken), taken)
        found += [Speed(e.name, rows, best.get(e.name), failed.get(e.name, "")) for e in engines]
    return tuple(found)


def speed_case(rows: int) -> Case:
    """Return a table of so many rows in groups of ten, the same every time."""
    draw = np.random.default_rng(rows)
    g = np.arange(rows) // 10
    x = draw.normal(size=rows)
    y = 1.0 + 0.5 * x + draw.normal(size=rows // 10)[g] + draw.normal(size=rows)
    frame = pd.DataFrame({"y": y, "x": x, "g": [f"g{k}" for k in g]})
    model = parse_model(FORMULA, "REML")
    return Case(f"speed/{rows}", model, bind(model, frame))
