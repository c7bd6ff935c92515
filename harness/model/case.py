"""A case: a data set and a model, the unit of work."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from harness.model.design import Design, build_design
from harness.model.model import Model
from harness.model.own_columns import has_own_columns, in_columns
from harness.model.table import Table


@dataclass(frozen=True)
class Case:
    """A model and the columns it uses.

    Attributes
    ----------
    id : str
        Unique in a run, readable: ``"sleepstudy/slope/REML"``.
    table : Table
        The columns of the model, missing values included.
    """

    id: str
    model: Model
    table: Table

    @cached_property
    def design(self) -> Design:
        """Response, fixed-effects matrix and random-effects terms on the complete rows."""
        return build_design(self.model, self.table)

    @cached_property
    def in_columns(self) -> Case:
        """The case as programs without R's functions and codings can be given it; often itself.

        Its design has the same numbers, rows and groups, under other names.
        """
        if not has_own_columns(self.model):
            return self
        return Case(self.id, *in_columns(self.model, self.table, self.design))

    @cached_property
    def by_random_intercept(self) -> Case:
        """The case with a random intercept in place of compound symmetry; itself without that."""
        model = self.model.by_random_intercept
        return self if model is None else Case(self.id, model, self.table)

    @cached_property
    def complete_frame(self) -> pd.DataFrame:
        """Complete rows under alias names, levels without a row dropped; not to be changed."""
        frame = self.table.rows(self.table.complete).frame(aliased=True)
        for name in frame.select_dtypes("category"):
            frame[name] = frame[name].cat.remove_unused_categories()
        return frame
