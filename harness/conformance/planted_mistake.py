"""An engine with a mistake: the referee's, with its right answer altered, and what finds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from harness.conformance.judged_pair import REFEREE
from harness.engines.engine import Coefficient, Failure, Fit, Outcome, Setting
from harness.engines.engine_wrapper import EngineWrapper
from harness.model.case import Case
from harness.model.design import Design
from harness.referee.crossproducts import aliased_columns

Change = Callable[[Case, Fit], Fit]


class PlantedEngine(EngineWrapper):
    """The referee's engine with a mistake.

    Parameters
    ----------
    name : str
    change : function
        From a case and its right fit to the fit with the mistake.
    """

    same_answers = False

    def __init__(self, name: str, change: Change) -> None:
        super().__init__(REFEREE, name)
        self._change = change

    def fit(self, case: Case, setting: Setting) -> Outcome:
        """Fit a case, and make the mistake."""
        fit = self.wrapped.fit(case, setting)
        if isinstance(fit, Failure) or case.model.criterion == "OLS":
            return msgspec.structs.replace(fit, engine=self.name)
        return msgspec.structs.replace(self._change(case, fit), engine=self.name)

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        """Return the fit to be run when it is asked for: it uses this process."""
        return partial(self.fit, case, setting)


@dataclass(frozen=True)
class Mistake:
    """A mistake and what the suite makes of it.

    Attributes
    ----------
    make : function
        Gives the engine.
    found_by : str
        A property that finds it.
    cause : str
        The cause that names it; empty where there is none.
    rows : int
        Rows of the smallest table that shows it, at most.
    shapes : tuple of str
        Forms of model that can show it; empty where those that are drawn by themselves do.
    """

    make: Callable[[], PlantedEngine]
    found_by: str
    cause: str
    rows: int = 12
    shapes: tuple[str, ...] = ()


class AliasingEngine(PlantedEngine):
    """Gives estimates to columns that depend on others."""

    def fit(self, case: Case, setting: Setting) -> Outcome:
        """Fit the columns that depend on no others, and give the rest an estimate of zero."""
        gone = aliased_columns(case.design.x)
        if not gone:
            return super().fit(case, setting)
        kept = [j for j in range(len(case.design.x_names)) if j not in gone]
        reduced = _Reduced(case, kept)
        fit = super().fit(reduced, setting)
        if isinstance(fit, Failure):
            return fit
        rows = {c.name: c for c in fit.coefficients}
        all_rows = tuple(rows.get(n, Coefficient(n, 0.0, 0.0)) for n in case.design.x_names)
        return msgspec.structs.replace(fit, coefficients=all_rows, native_names=case.design.x_names)


class _Reduced(Case):
    """A case with some of its columns of X."""

    def __init__(self, case: Case, kept: list[int]) -> None:
        super().__init__(case.id, case.model, case.table)
        design: Design = case.design
        names = tuple(design.x_names[j] for j in kept)
        self.__dict__["design"] = replace(design, x=design.x[:, kept], x_names=names)


class DriftingEngine(PlantedEngine):
    """Remembers the fit before, and starts from it."""

    def __init__(self) -> None:
        super().__init__("remembers-the-fit-before", self._drift)
        self._before = 0.0

    def _drift(self, _: Case, fit: Fit) -> Fit:
        shift, self._before = self._before, 1e-9
        return msgspec.structs.replace(fit, residual_variance=fit.residual_variance * (1.0 + shift))
