"""R's lme4 with lmerTest, and ``lm`` where a model has no random effects."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.engines.engine import (
    Coefficient,
    Failure,
    Fit,
    Message,
    Outcome,
    RandomTerm,
    Reason,
    Setting,
)
from harness.model.case import Case
from harness.model.column_match import match_columns
from harness.model.design import Design, RandomDesign
from harness.model.table import FactorColumn, NumericColumn, Table
from harness.rbridge import (
    RCrash,
    REnvironment,
    Reply,
    RError,
    RFailure,
    RMemory,
    RSession,
    RTimeout,
)
from harness.rbridge.environment import rpy2_version
from harness.rbridge.installed import r_identity
from harness.spelling.calls import lme4_formula

_REFUSALS = (
    "number of levels of each grouping factor must be",
    "grouping factors must have > 1 sampled level",
    "number of observations (=",
    "0 (non-NA) cases",
    "Invalid grouping factor specification",
    "contrasts can be applied only to factors with 2 or more levels",
    "response must be numeric",
    "fixed-effects model matrix is",
)
"""What lme4 and lm say when they reject the data rather than fail on them."""


class Lme4Engine:
    """Fits cases in R.

    Parameters
    ----------
    session : RSession
        Stays open; whoever made it closes it.
    """

    name = "lme4"
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
            self._versions = {name: _text(reply, name) for name in reply if _text(reply, name)}
            self._versions["rpy2-rinterface"] = f"{rpy2_version()} ({self._session.mode} mode)"
        return dict(self._versions)

    def identity(self) -> dict[str, str]:
        """Return what decides the numbers, read from R's files: to ask R is to start it."""
        try:
            return r_identity()
        except REnvironment:
            return {}

    def unsupported(self, case: Case) -> str | None:  # noqa: ARG002
        """Return None: every model that can be written here is written in lme4's own language."""
        return None

    def fit(self, case: Case, setting: Setting) -> Outcome:
        """Fit the case and wait for the result."""
        return self.begin(case, setting)()

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        """Begin to fit the case in R; calling what is returned waits for the result."""
        table = case.table
        payload: dict[str, Any] = {
            "columns": r_columns(table),
            "formula": lme4_formula(case.model, table.alias),
            "checksum": table.checksum(),
        }
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
                return self._failure(failure, table, setting, taken)
            return self._fit(reply, case, setting)

        return outcome

    def _failure(
        self, failure: RFailure, table: Table, setting: Setting, seconds: float
    ) -> Failure:
        rename = renamer(table)
        return Failure(
            engine=self.name,
            setting=setting,
            reason=reason_of(failure),
            text=rename(str(failure)),
            messages=messages_of(failure.conditions, rename),
            seconds=seconds,
        )

    def _fit(self, reply: Reply, case: Case, setting: Setting) -> Outcome:
        rename = renamer(case.table)
        messages = messages_of(reply.conditions, rename)
        design = case.design
        rows = reply.numbers("rows").astype(int) - 1
        if not np.array_equal(rows, design.rows):
            return Failure(
                engine=self.name,
                setting=setting,
                reason="data",
                text=f"R used {len(rows)} rows and the design has {len(design.rows)}"
                if len(rows) != len(design.rows)
                else "R used other rows than the design has",
                messages=messages,
            )
        mixed = case.model.criterion != "OLS"
        coefficients, native_names, notes = _coefficients(reply, design, case.table)
        random: tuple[RandomTerm, ...] = ()
        if mixed:
            random, more = random_terms(reply, design, rename)
            notes += more
        sigma = _number(reply, "sigma")
        return Fit(
            engine=self.name,
            setting=setting,
            fitter="lmerTest::lmer" if mixed else "lm",
            n_obs=int(_number(reply, "n")),
            coefficients=coefficients,
            native_names=native_names,
            random=random,
            residual_variance=sigma * sigma,
            loglik=_number(reply, "loglik"),
            aic=_number(reply, "aic"),
            bic=_number(reply, "bic"),
            df_residual=_number(reply, "df_residual"),
            fitted=tuple(reply.numbers("fitted").tolist()),
            residuals=tuple(reply.numbers("residuals").tolist()),
            converged=_converged(reply) if mixed else None,
            singular=bool(_number(reply, "singular")) if mixed else None,
            settings=_settings(reply, setting) if mixed else (),
            messages=messages + tuple(Message("note", text) for text in notes),
            data_checksum=_text(reply, "data_checksum"),
            seconds=_number(reply, "seconds"),
        )


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


def reason_of(failure: RFailure) -> Reason:
    """Classify a failure of R."""
    match failure:
        case RTimeout():
            return "timeout"
        case RCrash():
            return "crash"
        case REnvironment():
            return "environment"
        case RMemory():
            return "memory"
        case RError(category="data_mismatch"):
            return "data"
    return "refused" if any(text in str(failure) for text in _REFUSALS) else "error"


def _converged(reply: Reply) -> bool:
    return _number(reply, "optimizer_code") == 0 and not reply.texts("convergence_messages")


def _settings(reply: Reply, setting: Setting) -> tuple[str, ...]:
    tolerances = "1e-12, absolute and relative" if setting == "tight" else "lme4's defaults"
    return (
        f"optimizer {_text(reply, 'optimizer')}",
        f"tolerances {tolerances}",
        f"starts {_number(reply, 'starts'):.0f}",
        f"evaluations {_number(reply, 'evaluations'):.0f}",
        f"stopped {_text(reply, 'optimizer_message')}",
    )


def _coefficients(
    reply: Reply, design: Design, table: Table
) -> tuple[tuple[Coefficient, ...], tuple[str, ...], list[str]]:
    """Rows in the order of the design, R's names for them, and notes on what did not match."""
    native = [native_name(name, table) for name in reply.texts("x_names")]
    dropped = [native_name(name, table) for name in reply.texts("dropped")]
    match = match_columns(design.x, _matrix(reply.numbers("x"), len(design.y)))
    order = [j for j in match.engine if j >= 0]
    names = [name for name, j in zip(design.x_names, match.engine, strict=True) if j >= 0]
    notes = []
    if dropped:
        notes.append(f"R left out aliased columns: {', '.join(dropped)}")
    if match.extra:
        notes.append(
            "columns of R's model matrix that this design does not have: "
            + ", ".join(native[j] for j in match.extra)
        )
        order += match.extra
        names += [native[j] for j in match.extra]
    absent = [name for name, j in zip(design.x_names, match.engine, strict=True) if j < 0]
    if len(absent) != len(dropped):
        notes.append(f"columns of this design that R's fit does not have: {', '.join(absent)}")
    table_of = {
        column: reply.numbers(column).tolist() for column in ("estimate", "se", "df", "t", "p")
    }
    rows = tuple(
        Coefficient(
            name=name,
            estimate=table_of["estimate"][j],
            se=table_of["se"][j],
            df=table_of["df"][j],
            statistic=table_of["t"][j],
            p=table_of["p"][j],
        )
        for name, j in zip(names, order, strict=True)
    )
    return rows, tuple(native[j] for j in order), notes


def random_terms(
    reply: Reply, design: Design, rename: Callable[[str], str]
) -> tuple[tuple[RandomTerm, ...], list[str]]:
    """Terms in the order of the design; those of R that are not in it come last, with a note.

    lme4 sorts its terms by number of levels. A term is recognised by what it is: which rows share a
    level, and the values of its effects.
    """
    native = native_terms(reply, len(design.y))
    found: list[RandomTerm] = []
    for wanted in design.random:
        for term in native:
            same = term.as_design(wanted)
            if same is not None:
                found.append(same)
                native.remove(term)
                break
    notes = []
    for term in native:
        notes.append(
            f"random-effects term of R that this design does not have: "
            f"{', '.join(map(rename, term.effects))} by {rename(term.group)}"
        )
        found.append(term.as_it_is(rename))
    return tuple(found), notes


@dataclass(frozen=True, eq=False)
class NativeTerm:
    """One random-effects term as R has it."""

    group: str
    effects: tuple[str, ...]
    covariance: NDArray[np.float64]
    factor: NDArray[np.float64]
    z: NDArray[np.float64]
    codes: NDArray[np.int64]
    levels: tuple[str, ...]
    modes: NDArray[np.float64]

    def as_design(self, wanted: RandomDesign) -> RandomTerm | None:
        """Return the term as ``wanted`` orders and names it, or None if it is another one."""
        pairs = np.unique(np.column_stack([wanted.codes, self.codes]), axis=0)
        if not len(pairs) == len(wanted.levels) == len(self.levels):
            return None
        match = match_columns(wanted.z, self.z)
        if not match.complete:
            return None
        columns = list(match.engine)
        # np.unique has sorted the pairs by the design's level.
        modes = self.modes[pairs[:, 1]][:, columns]
        return RandomTerm(
            group=wanted.group,
            names=wanted.names,
            covariance=_rows(self.covariance[np.ix_(columns, columns)]),
            # In another order of the effects the factor would not be triangular.
            factor=_rows(self.factor) if columns == sorted(columns) else None,
            levels=wanted.levels,
            effects=_rows(modes),
        )

    def as_it_is(self, rename: Callable[[str], str]) -> RandomTerm:
        """Return the term in R's order, with R's names."""
        return RandomTerm(
            group=rename(self.group),
            names=tuple(rename(name) for name in self.effects),
            covariance=_rows(self.covariance),
            levels=self.levels,
            effects=_rows(self.modes),
        )


def native_terms(reply: Reply, n: int) -> list[NativeTerm]:
    """Take apart the vectors in which ``random_terms`` in R lays the terms end to end."""
    ends = dict.fromkeys(("effects", "covariance", "theta", "z", "codes", "levels", "ranef"), 0)

    def take(name: str, count: int) -> Any:
        begin = ends[name]
        ends[name] += count
        return reply[name][begin : begin + count]

    terms = []
    for group, size, count in zip(
        reply.texts("term_group"),
        reply.numbers("term_size"),
        reply.numbers("term_levels"),
        strict=True,
    ):
        q, k = int(size), int(count)
        terms.append(
            NativeTerm(
                group=group,
                effects=take("effects", q),
                covariance=_matrix(take("covariance", q * q), q),
                factor=_lower_triangle(take("theta", q * (q + 1) // 2), q),
                z=_matrix(take("z", n * q), n),
                codes=take("codes", n).astype(int) - 1,
                levels=take("levels", k),
                modes=_matrix(take("ranef", k * q), k),
            )
        )
    return terms


def _lower_triangle(values: Any, q: int) -> NDArray[np.float64]:
    """Fill a lower triangle column by column, as lme4 orders theta."""
    out = np.zeros((q, q))
    columns, rows = np.triu_indices(q)
    out[rows, columns] = values
    return out


def renamer(table: Table) -> Callable[[str], str]:
    """Return a function that puts the user's column names for whole-word aliases."""
    names = {alias: name for name, alias in table.alias.items()}
    return lambda text: re.sub(r"\bv\d+\b", lambda hit: names.get(hit[0], hit[0]), text)


def native_name(name: str, table: Table) -> str:
    """Return R's name of a column with the user's names in it: ``v2b:v3`` to ``recipeb:time``.

    R pastes a factor's name and level together, so the level has to be known to see where the name
    ends.
    """
    tokens: dict[str, str] = {}
    for column in table.columns:
        alias = table.alias[column.name]
        tokens[alias] = column.name
        if isinstance(column, FactorColumn):
            tokens |= {f"{alias}{level}": f"{column.name}{level}" for level in column.levels}
    return _replace_tokens(name, tokens)


def _replace_tokens(text: str, tokens: Mapping[str, str]) -> str:
    longest_first = sorted(tokens, key=len, reverse=True)
    pattern = "|".join(map(re.escape, longest_first))
    return re.sub(rf"(?<![\w.])({pattern})(?![\w.])", lambda hit: tokens[hit[1]], text)


def messages_of(conditions: tuple[Any, ...], rename: Callable[[str], str]) -> tuple[Message, ...]:
    """Return what R signalled, each text once, with the user's names."""
    # lmerTest evaluates the call a second time, and lme4 then says the same again.
    once = dict.fromkeys(conditions)
    return tuple(Message(kind=c.kind, text=rename(c.text), category=c.category) for c in once)


def _matrix(values: Any, rows: int) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64).reshape((rows, -1), order="F")


def _rows(matrix: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))


def _number(reply: Reply, name: str) -> float:
    return float(reply.numbers(name)[0])


def _text(reply: Reply, name: str) -> str:
    return next(iter(reply.texts(name)), "")
