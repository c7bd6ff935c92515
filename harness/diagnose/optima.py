"""Best points of models that a diagnosis looks at, each searched for once."""

from __future__ import annotations

from harness.data.rungs import Rung
from harness.referee.best_point import find_optimum
from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import likelihood_of
from harness.spelling.lme4_spelling import model_text

Key = tuple[str, str, bool]


class Optima:
    """Best points by model, data and criterion."""

    def __init__(self) -> None:
        self._found: dict[Key, Optimum | None] = {}

    def of(self, rung: Rung, *, reml: bool) -> Optimum | None:
        """Return the best point of a model; None when the referee cannot evaluate it."""
        key = _key(rung, reml=reml)
        if key not in self._found:
            try:
                self._found[key] = find_optimum(likelihood_of(rung.case.design, reml=reml))
            except ValueError:
                self._found[key] = None
        return self._found[key]

    def known(self, rung: Rung) -> Optimum | None:
        """Return the best point of a case by its own criterion, where it was searched for."""
        return self._found.get(_key(rung, reml=rung.case.model.criterion != "ML"))

    def keep(self, rung: Rung, best: Optimum) -> None:
        """Keep the best point of a case by its own criterion."""
        self._found[_key(rung, reml=rung.case.model.criterion != "ML")] = best


def _key(rung: Rung, *, reml: bool) -> Key:
    return model_text(rung.case.model), rung.case.table.checksum(), reml
