"""Match the columns of an engine's design matrix to those of the case, by value.

Names are mangled on the way (``[T.b]``, backticks, ``v1``) and engines order columns differently;
the numbers are what a coefficient belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RELATIVE = 1e-12
"""log() and powers may differ in the last bits between numpy and R's libm; 1e-12 is far above that
and far below any difference of coding."""


@dataclass(frozen=True)
class ColumnMatch:
    """``engine[i]`` is the engine's column for column ``i`` of the case, or -1 for none.

    ``extra`` are columns of the engine that match none of the case.
    """

    engine: tuple[int, ...]
    extra: tuple[int, ...]

    @property
    def complete(self) -> bool:
        """Whether the two have the same columns."""
        return not self.extra and -1 not in self.engine


def match_columns(case_x: NDArray[np.float64], engine_x: NDArray[np.float64]) -> ColumnMatch:
    """Match (n, p) to (n, k) columns one to one.

    Identical columns of a rank-deficient matrix are matched in order. Raises ValueError when the
    numbers of rows differ.
    """
    if len(case_x) != len(engine_x):
        raise ValueError(f"{len(case_x)} rows against {len(engine_x)}")
    free = list(range(engine_x.shape[1]))
    found: list[int] = []
    for column in case_x.T:
        scale = RELATIVE * max(float(np.abs(column).max(initial=0.0)), np.finfo(float).tiny)
        hit = next((j for j in free if np.abs(engine_x[:, j] - column).max() <= scale), -1)
        if hit >= 0:
            free.remove(hit)
        found.append(hit)
    return ColumnMatch(tuple(found), tuple(free))
