"""The table and the formula that a listing is of: coded anew, with other rows, or another model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.data.rungs import Rung
from harness.model.model import Criterion, parse_model

Levels = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class ListingSource:
    """What a listing is judged by.

    Attributes
    ----------
    dataset : Dataset
    formula : str
        In lme4's syntax.
    factors : tuple of str
        Numeric columns to be treated as factors.
    levels : dict
        Level orders that the user has stated.
    residual : str
        Residual covariance; empty for none.
    asked : str
        The model as the user wrote it, for a reader; the formula without it.
    usual : dict
        Level orders of factors of which none is stated; a listing may have others.
    """

    dataset: Dataset
    formula: str
    factors: tuple[str, ...] = ()
    levels: Levels = field(default_factory=dict)
    usual: Levels = field(default_factory=dict)
    residual: str = ""
    asked: str = ""

    def rung(
        self, levels: Levels | None = None, *, formula: str = "", criterion: Criterion = "REML"
    ) -> Rung:
        """Return the case, with level orders beside those stated; or that of another formula.

        Raises
        ------
        BadInput
            As :func:`harness.data.own_table.own_rung`.
        """
        orders = {**self.usual, **self.levels, **(levels or {})}
        factors = self.factors
        if formula:
            used = {node.name for node in parse_model(formula, "REML", self.residual).names()}
            orders = {column: order for column, order in orders.items() if column in used}
            factors = tuple(column for column in factors if column in used)
        return own_rung(
            self.dataset.name,
            self.dataset,
            formula or self.formula,
            criterion,
            factors=factors,
            levels=orders,
            residual=self.residual,
        )

    def of_rows(self, kept: NDArray[np.bool_]) -> ListingSource:
        """Return the same with some rows only; levels that are gone are no levels."""
        frame: pd.DataFrame = self.dataset.frame.loc[kept]
        for column in frame.columns:
            if isinstance(frame[column].dtype, pd.CategoricalDtype):
                frame = frame.assign(**{column: frame[column].cat.remove_unused_categories()})

        def left(orders: Levels) -> Levels:
            return {
                column: tuple(o for o in order if o in set(frame[column].astype(str)))
                for column, order in orders.items()
            }

        return replace(
            self,
            dataset=replace(self.dataset, source=frame),
            levels=left(self.levels),
            usual=left(self.usual),
        )
