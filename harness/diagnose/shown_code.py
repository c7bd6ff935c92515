"""The code that is shown, run as text: what it gives is what is said of it."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from harness.data.rungs import Rung
from harness.engines.engine import Fit, Message, Outcome
from harness.engines.lme4_reply import read_failure, read_reply
from harness.engines.mixedlm_fit import MixedFit, unwrapped
from harness.engines.mixedlm_result import read_mixed
from harness.engines.statsmodels import OLSRun, outcome_of, read_ols
from harness.rbridge.failures import RFailure
from harness.rbridge.worker import RSession

SETTINGS = ("as the code says",)


def python_value(code: str, data: pd.DataFrame) -> Any:
    """Run Python code that sees ``data`` and nothing else; returns what its last line is worth."""
    tree = ast.parse(code)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr), "shown code ends with the fit"
    names: dict[str, Any] = {"__name__": "__main__", "data": data.copy()}
    exec(compile(tree, "<shown code>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<shown code>", "eval"), names)


def run_python(code: str, data: pd.DataFrame, rung: Rung) -> Outcome:
    """Run shown Python code on the user's data and read its result as a fit of a case."""
    case = rung.case

    def fitted(messages: list[Message]) -> Fit:
        started = time.perf_counter()
        result = python_value(code, data)
        seconds = time.perf_counter() - started
        if case.model.criterion == "OLS":
            return read_ols(OLSRun(result, seconds), case, "default", messages)
        native = MixedFit(unwrapped(result))
        return read_mixed(native, case, "default", messages, settings=SETTINGS, seconds=seconds)

    return outcome_of(fitted, case, "default")


def begin_r(session: RSession, code: str, data: pd.DataFrame, rung: Rung) -> Callable[[], Outcome]:
    """Begin to run shown R code on the user's data; what is returned waits for it."""
    case = rung.case
    wanted = list(dict.fromkeys(name.name for name in case.model.names()))
    columns, texts = r_table(data[wanted])
    pending = session.submit("run_shown", {"columns": columns, "texts": texts, "code": code})

    def outcome() -> Outcome:
        try:
            reply = pending.result()
        except RFailure as failure:
            return read_failure(failure, case.table, "default")
        return read_reply(reply, case, "default", settings=SETTINGS, aliased=False)

    return outcome


def r_table(data: pd.DataFrame) -> tuple[Mapping[str, Any], list[str]]:
    """Return columns as R is sent them, and the names of those that hold text."""
    columns: dict[str, Any] = {}
    texts: list[str] = []
    for name in data.columns:
        column = data[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            columns[str(name)] = np.asarray(column.to_numpy(dtype=float, na_value=np.nan))
            continue
        if not isinstance(column.dtype, pd.CategoricalDtype):
            texts.append(str(name))
            column = column.map(str, na_action="ignore").astype("category")
        columns[str(name)] = {
            "codes": (column.cat.codes.to_numpy() + 1).astype(np.int32),
            "levels": tuple(map(str, column.cat.categories)),
        }
    return columns, texts
