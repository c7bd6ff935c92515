"""One engine, any optimizer, any start."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.engines.engine import Outcome
from harness.engines.lme4 import r_model
from harness.engines.lme4_reply import lme4_order, read_failure, read_reply
from harness.engines.mixedlm_evaluations import Evaluations
from harness.engines.statsmodels import StatsmodelsEngine
from harness.model.case import Case
from harness.rbridge.failures import RFailure
from harness.rbridge.worker import Reply, RSession

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """How to run an engine.

    Attributes
    ----------
    engine : {"statsmodels", "lme4"}
    optimizer : str
        For statsmodels the method, empty for its own chain; for lme4 the optimizer.
    method : str
        For lme4's nloptwrap and optimx, theirs.
    start : str
        ``own``, ``small``, ``enlarged``, ``lme4's`` or ``referee's``; ``relative`` has the
        covariance matrices relative to s2, positive definite, term by term in the order of the
        formula; empty for the engine's own start.
    tight : bool
        Whether with strict tolerances.
    plain : bool
        Whether by the program's own optimizer, where the user's call names another.
    """

    engine: str
    optimizer: str = ""
    method: str = ""
    start: str = "own"
    relative: tuple[Array, ...] = ()
    tight: bool = False
    plain: bool = False
    tolerances: dict[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name of the optimizer as a reader looks it up."""
        if self.engine == "statsmodels":
            return self.optimizer or "bfgs, lbfgs, cg"
        inner = self.method.removeprefix("NLOPT_LN_")
        return f"{self.optimizer} {inner}".strip()


class RRuns:
    """lme4's optimizers on one case.

    Parameters
    ----------
    session : RSession
        With ``all_fit.R`` loaded.
    """

    def __init__(self, session: RSession, case: Case) -> None:
        self._session = session
        self._case = case
        self._payload = r_model(case) | {"criterion": case.model.criterion}

    def optimizers(self) -> Future[Reply]:
        """Ask R which optimizers it has; :func:`optimizers_of` reads the reply."""
        return self._session.submit("available_optimizers", {})

    def begin(
        self, recipe: Recipe, like: Reply | None = None, *, path: bool = False
    ) -> Callable[[], tuple[Outcome, Reply | None]]:
        """Begin a run; calling what is returned waits for it.

        ``like`` is the reply of an earlier run of the case: it tells lme4's order of the terms,
        without which no start of ours can be written for several terms.
        """
        payload = {
            **self._payload,
            "optimizer": recipe.optimizer,
            "method": recipe.method,
            "tight": recipe.tight,
            "path": path,
        }
        if recipe.relative:
            payload["start"] = self._theta(recipe.relative, like)
        pending = self._session.submit("fit_with", payload)

        def outcome() -> tuple[Outcome, Reply | None]:
            try:
                reply = pending.result()
            except RFailure as failure:
                return read_failure(failure, self._case.table, "default"), None
            return read_reply(reply, self._case, "default", settings=()), reply

        return outcome

    def _theta(self, relative: Sequence[Array], like: Reply | None) -> Array:
        design = self._case.design
        if like is None:
            assert len(design.random) == 1, "the order of several terms is R's to tell"
            order = [0]
        else:
            order = lme4_order(like, self._case)
        factors = [np.linalg.cholesky(relative[i]) for i in order]
        return np.concatenate([f[np.triu_indices(len(f))[::-1]] for f in factors])


def optimizers_of(reply: Reply) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return pairs of optimizer and method, lme4's default first, and those not installed.

    The latter are pairs of an optimizer's name and its R package.
    """
    pairs = list(zip(reply.texts("optimizer"), reply.texts("method"), strict=True))
    absent = zip(reply.texts("absent"), reply.texts("absent_package"), strict=True)
    return pairs, list(absent)


def run_statsmodels(case: Case, recipe: Recipe, evaluations: Evaluations | None = None) -> Outcome:
    """Run statsmodels by a recipe."""
    engine = StatsmodelsEngine(
        recipe.optimizer or None,
        start=recipe.relative or None,
        tolerances=recipe.tolerances,
        evaluations=evaluations,
    )
    return engine.fit(case, "default")


def evaluations(reply: Reply | None) -> int | None:
    """Return how often the optimizer asked for the deviance, where it tells."""
    if reply is None:
        return None
    count = float(reply.numbers("evaluations")[0])
    return None if math.isnan(count) else int(count)


def lifted(psi: Array) -> Array:
    """Add a little to the diagonal, so that a covariance matrix to start from is never singular."""
    size = float(np.diag(psi).max(initial=0.0)) + 1e-6
    return np.asarray(psi + 1e-6 * size * np.eye(len(psi)))
