"""Match the random-effects terms of an engine to those of the case, by rows and values.

A term is recognised by what it is: which rows share a level, and the values of its effects. Names
and the order of terms, levels and effects are the engine's own affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.column_match import match_columns
from harness.model.design import RandomDesign

Levels = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class TermMatch:
    """Where a term of the case is among those of the engine.

    Attributes
    ----------
    term : int
        Number of the engine's term.
    effects : tuple of int
        The engine's effect for each of the case's.
    levels : (k,) array or None
        The engine's level for each of the case's, -1 where no row has the effect; None where the
        engine has more levels, as of a factor read as nested.
    """

    term: int
    effects: tuple[int, ...]
    levels: Levels | None

    def modes(self, own: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the engine's (k, q) conditional modes as the case has levels and effects."""
        assert self.levels is not None
        # Where no row has the effect its mode is zero.
        found = np.where(self.levels[:, None] < 0, 0.0, own[self.levels])
        return np.asarray(found[:, list(self.effects)])


def match_terms(
    case: Sequence[RandomDesign],
    engine: Sequence[RandomDesign],
    *,
    parts: bool = False,
    finer: bool = False,
) -> list[TermMatch | None]:
    """Match the terms of two designs of the same rows one to one; None for those without a match.

    Parameters
    ----------
    parts : bool
        Several terms of the case may be parts of one term of the engine.
    finer : bool
        Take a term whose levels are finer where there is none with the same.
    """
    free = list(range(len(engine)))
    found: list[TermMatch | None] = [None] * len(case)
    # Terms of the same levels first, so that none of them is taken for another.
    for nested in (False, True) if finer else (False,):
        for t, wanted in enumerate(case):
            for i in () if found[t] is not None else tuple(free):
                hit = _match(wanted, engine[i], i, parts=parts, nested=nested)
                if hit is not None:
                    found[t] = hit
                    if not parts:
                        free.remove(i)
                    break
    return found


def _match(
    wanted: RandomDesign, own: RandomDesign, i: int, *, parts: bool, nested: bool
) -> TermMatch | None:
    columns = match_columns(wanted.z, own.z)
    if -1 in columns.engine or (columns.extra and not parts):
        return None
    if nested:
        return TermMatch(i, columns.engine, None) if _finer(wanted, own) else None
    levels = _levels(wanted, own)
    return None if levels is None else TermMatch(i, columns.engine, levels)


def _levels(wanted: RandomDesign, own: RandomDesign) -> Levels | None:
    # Where a row has none of the effects its level is of no account.
    for rows in (slice(None), wanted.z.any(axis=1)):
        a, b = _pairs(wanted.codes[rows], own.codes[rows])
        if len(a) == len(np.unique(a)) == len(np.unique(b)):
            levels = np.full(len(wanted.levels), -1, dtype=np.intp)
            levels[a] = b
            return levels
    return None


def _finer(wanted: RandomDesign, own: RandomDesign) -> bool:
    a, b = _pairs(wanted.codes, own.codes)
    return len(b) == len(np.unique(b)) > len(np.unique(a))


def _pairs(a: NDArray[np.integer], b: NDArray[np.integer]) -> tuple[Levels, Levels]:
    """Return the pairs of levels that rows have."""
    size = int(b.max(initial=0)) + 1
    both = np.unique(a.astype(np.int64) * size + b)
    return both // size, both % size
