"""R's lme4 with lmerTest, and ``lm`` where a model has no random effects."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.engines.engine import Outcome, Setting
from harness.engines.lme4_reply import read_failure, read_reply
from harness.model.case import Case
from harness.model.model import column_of
from harness.model.table import NumericColumn, Table
from harness.rbridge.environment import rpy2_version
from harness.rbridge.failures import REnvironment, RFailure
from harness.rbridge.r_identity import r_identity
from harness.rbridge.worker import RSession
from harness.spelling.lme4_spelling import lme4_formula


class Lme4Engine:
    """Fits cases in R.

    Parameters
    ----------
    session : RSession
        Stays open; whoever made it closes it.
    """

    name = "lme4"
    sources = (
        "harness.base",
        "harness.engines",
        "harness.model",
        "harness.spelling",
        "harness.rbridge",
        "r_scripts",
    )
    elsewhere = True
    """It fits in a process of its own, which keeps to limits of time and memory by itself."""

    def __init__(self, session: RSession) -> None:
        self._session = session
        self._versions: dict[str, str] = {}

    @property
    def session(self) -> RSession:
        """Where its R runs."""
        return self._session

    def versions(self) -> dict[str, str]:
        """Versions of R, its packages, its BLAS and rpy2; empty when R cannot be started."""
        if not self._versions:
            try:
                reply = self._session.call("r_versions", {})
            except RFailure:
                return {}
            texts = {name: next(iter(reply.texts(name)), "") for name in reply}
            self._versions = {name: text for name, text in texts.items() if text}
            self._versions["rpy2-rinterface"] = f"{rpy2_version()} ({self._session.mode} mode)"
        return dict(self._versions)

    def identity(self) -> dict[str, str]:
        """Return what decides the numbers, read from R's files: to ask R is to start it."""
        try:
            return r_identity()
        except REnvironment:
            return {}

    def unsupported(self, case: Case) -> str | None:  # noqa: ARG002
        """Return None: what can be written here is written in lme4's own language.

        All but the structures of its version 2.0, which are not among what this adapter reads.
        """
        return None

    def fit(self, case: Case, setting: Setting) -> Outcome:
        """Fit the case and wait for the result."""
        return self.begin(case, setting)()

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        """Begin to fit the case in R; calling what is returned waits for the result."""
        table = case.table
        payload = r_model(case)
        if case.model.criterion == "OLS":
            function = "fit_lm"
        else:
            function = "fit_lmer"
            payload |= {"criterion": case.model.criterion, "setting": setting}
        started = time.perf_counter()
        pending = self._session.submit(function, payload)

        def outcome() -> Outcome:
            try:
                reply = pending.result()
            except RFailure as failure:
                taken = time.perf_counter() - started
                return read_failure(failure, table, setting, seconds=taken)
            return read_reply(reply, case, setting)

        return outcome


def r_model(case: Case) -> dict[str, Any]:
    """Return data and model as every function of r_scripts that fits takes them."""
    table, weights = case.table, case.model.formula.weights
    payload: dict[str, Any] = {
        "columns": r_columns(table),
        "formula": lme4_formula(case.model.without_weights, table.alias),
        "checksum": table.checksum(),
    }
    if weights is not None:
        payload["weights"] = table.alias[column_of(table, weights).name]
    return payload


def r_columns(table: Table) -> dict[str, NDArray[Any] | dict[str, Any]]:
    """All rows under the alias names; see ``data_frame_from_columns`` in r_scripts/data.R."""
    columns: dict[str, NDArray[Any] | dict[str, Any]] = {}
    for column in table.columns:
        alias = table.alias[column.name]
        if isinstance(column, NumericColumn):
            columns[alias] = column.values
        else:
            # R's codes start from 1; 0 is a missing value.
            columns[alias] = {
                "codes": (column.codes + 1).astype(np.int32),
                "levels": column.levels,
            }
    return columns
