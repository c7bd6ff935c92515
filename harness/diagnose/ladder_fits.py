"""The tutorial's seven models on a table, fitted by every engine and put into its final table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from harness.base.errors import BadInput
from harness.data.datasets import Dataset
from harness.data.rungs import Rung
from harness.data.seven_rungs import seven_rungs
from harness.diagnose.user_engines import USER_ENGINES, opened
from harness.engines.engine import Fit
from harness.judge.case_record import printed_value
from harness.judge.judge import Judged, judge

COLUMNS = ("RMSE", "Coef", "Stat", "Pval")
"""Of the tutorial's table: sqrt(RSS / (n - p)), the effect of interest, its t or z, its p."""


@dataclass(frozen=True, eq=False)
class FittedRung:
    """A model of the ladder with the fits of every engine, judged.

    Attributes
    ----------
    rung : Rung
    judged : Judged
    """

    rung: Rung
    judged: Judged

    def fit(self, engine: str) -> Fit:
        """Return an engine's fit.

        Raises
        ------
        LookupError
            When it was not run, or has none.
        """
        outcome = self.judged.outcome(engine)
        if not isinstance(outcome, Fit):
            raise LookupError(f"{engine} has no fit of {self.rung.case.id}: {outcome.text}")
        return outcome


@dataclass(frozen=True, eq=False, repr=False)
class FittedLadder:
    """The seven models on one table.

    Attributes
    ----------
    rungs : tuple of FittedRung
        In the order of the ladder; the regressions within groups are a rung each.
    left_out : tuple of str
        Models that the table does not allow, and why.
    absent : str
        Why an engine that was asked for was not run.
    """

    rungs: tuple[FittedRung, ...]
    left_out: tuple[str, ...]
    absent: str

    def __getitem__(self, title: str) -> FittedRung:
        """Return a model by its title, ``"LMM-Full"``: mixed models by REML."""
        for one in self.rungs:
            if one.rung.title == title and one.rung.case.model.criterion != "ML":
                return one
        known = ", ".join(dict.fromkeys(one.rung.title for one in self.rungs))
        raise KeyError(f"{title}: no model of this ladder; they are {known}")

    def within(self) -> tuple[FittedRung, ...]:
        """Return the regressions within groups: level 1 of the hierarchical analysis."""
        return tuple(one for one in self.rungs if "/hierarchical-level-1/" in one.rung.case.id)

    @cached_property
    def table(self) -> pd.DataFrame:
        """RMSE, Coef, Stat and Pval of the effect of interest, with the verdict on each fit.

        A row for each model and engine, mixed models by REML; the regressions within groups are
        left out. Nothing is recomputed: a p is as the engine states it.
        """
        apart = {id(one) for one in self.within()}
        rows = {}
        for one in self.rungs:
            if id(one) in apart or one.rung.case.model.criterion == "ML":
                continue
            for outcome in one.judged.outcomes:
                judgement = one.judged.judgement(outcome.engine)
                numbers = (
                    [printed_value(outcome, f"table.{c}", one.rung.focus) for c in COLUMNS]
                    if isinstance(outcome, Fit)
                    else [None] * len(COLUMNS)
                )
                said = " ".join([judgement.verdict, *judgement.causes])
                rows[one.rung.title, outcome.engine] = [*numbers, said]
        index = pd.MultiIndex.from_tuples(rows, names=["model", "engine"])
        return pd.DataFrame(list(rows.values()), index, [*COLUMNS, "verdict"])

    def __repr__(self) -> str:
        return str(self.table.to_string(float_format=lambda value: f"{value:.6f}"))

    def _repr_html_(self) -> str:
        return str(self.table.to_html(float_format=lambda value: f"{value:.6f}"))


def ladder(
    data: pd.DataFrame,
    outcome: str,
    predictor: str,
    group: str,
    *,
    engines: Sequence[str] = USER_ENGINES,
    timeout: float = 120.0,
) -> FittedLadder:
    """Fit the tutorial's seven models to a table by every engine, and judge the fits.

    Parameters
    ----------
    data : DataFrame
    outcome, predictor, group : str
        Two numeric columns and a grouping factor.
    engines : sequence of str
        As :func:`harness.notebook.diagnose` has them; without R the ladder goes on with the others.
    timeout : float
        Seconds a fit in R may take.

    Raises
    ------
    BadInput
        In one line, for a column that cannot be used.

    Examples
    --------
    >>> seven = harness.ladder(pupils, "score", "edu", "classroom")         # doctest: +SKIP
    >>> seven.table                                                         # doctest: +SKIP
    """
    if not isinstance(data, pd.DataFrame):
        raise BadInput(f"the data are a pandas DataFrame, not {type(data).__name__}")
    dataset = Dataset("data", data, "a data frame")
    rungs, left_out = seven_rungs(dataset, outcome, predictor, group, prefix="ladder")
    with opened(engines, timeout=timeout) as ready:
        fitted = tuple(
            FittedRung(rung, judge(rung.case, ready.running, ("default",))) for rung in rungs
        )
    return FittedLadder(fitted, left_out, ready.absent)
