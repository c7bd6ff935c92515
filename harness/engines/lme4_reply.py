"""What R says of a fitted model, read: of the engine's own fits and of a model that was given.

The one place that knows how the functions of ``r_scripts/`` lay a model out in vectors.
"""

from __future__ import annotations

import re
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
from harness.model.design import RandomDesign
from harness.model.table import FactorColumn, Table
from harness.model.term_match import TermMatch, match_terms
from harness.rbridge.failures import RCrash, REnvironment, RError, RFailure, RMemory, RTimeout
from harness.rbridge.worker import Reply

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

_COMMON = {
    "loglik": "full",
    "aic": "2k-variances-counted",
    "bic": "2k-variances-counted",
    "se": "gls",
    "statistic": "estimate/se",
    "residual_variance": "m",
}
_MIXED = _COMMON | {"variance": "data-units", "variance_se": "not stated"}

DEFINITIONS: Mapping[str, Mapping[str, str]] = {
    "lm": _COMMON | {"df": "residual", "p": "t"},
    "lme4::lmer": _MIXED | {"df": "not stated", "p": "not stated"},
    "lmerTest::lmer": _MIXED | {"df": "satterthwaite", "p": "t"},
}
"""What the functions of R mean by what they state."""


def read_reply(
    reply: Reply,
    case: Case,
    setting: Setting,
    *,
    settings: tuple[str, ...] | None = None,
    aliased: bool = True,
) -> Outcome:
    """Read a model as a fit of a case; other rows than the case's are a failure.

    Parameters
    ----------
    reply : Reply
        Of ``fit_lmer``, ``fit_lm``, ``fit_with`` (which has no coefficients) or ``take_apart``.
    settings : tuple of str, optional
        What was run, where the reply does not say.
    aliased : bool
        Whether R had the data under the table's aliases.
    """
    design, table = case.design, case.table
    rename = renamer(table) if aliased else str
    messages = messages_of(reply.conditions, rename)
    if "messages" in reply:
        messages += tuple(Message("warning", text) for text in reply.texts("messages"))
    if "rows" in reply:
        rows = reply.numbers("rows").astype(int) - 1
        if not np.array_equal(rows, design.rows):
            return Failure(
                engine="lme4",
                setting=setting,
                reason="data",
                text=f"R used {len(rows)} rows and the design has {len(design.rows)}"
                if len(rows) != len(design.rows)
                else "R used other rows than the design has",
                messages=messages,
            )
    fitter = _text(reply, "fitter")
    mixed = fitter != "lm"
    coefficients, native_names, notes = _coefficients(reply, case, aliased=aliased)
    random: tuple[RandomTerm, ...] = ()
    converged = singular = None
    if mixed:
        random, more = _random_terms(reply, case, rename)
        notes += more
        converged = bool((reply.numbers("optimizer_code") == 0).all())
        converged = converged and not reply.texts("convergence_messages")
        singular = bool(_number(reply, "singular"))
        settings = _settings(reply, setting) if settings is None else settings
    sigma = _number(reply, "sigma")

    def stated(name: str) -> float | None:
        return _number(reply, name) if name in reply else None

    def every(name: str) -> tuple[float, ...]:
        return tuple(reply.numbers(name).tolist()) if name in reply else ()

    return Fit(
        engine="lme4",
        setting=setting,
        fitter=fitter,
        n_obs=int(_number(reply, "n")),
        coefficients=coefficients,
        native_names=native_names,
        random=random,
        residual_variance=sigma * sigma,
        loglik=stated("loglik"),
        aic=stated("aic"),
        bic=stated("bic"),
        df_residual=stated("df_residual"),
        fitted=tuple((reply.numbers("fitted") - design.offset).tolist())
        if design.offset is not None and "fitted" in reply
        else every("fitted"),
        residuals=every("residuals"),
        converged=converged,
        singular=singular,
        settings=settings or (),
        messages=messages + tuple(Message("note", text) for text in notes),
        definitions=dict(DEFINITIONS[fitter]),
        # A model that was taken apart has been found to have the case's data, number by number.
        data_checksum=_text(reply, "data_checksum") or table.checksum(),
        seconds=stated("seconds") or 0.0,
    )


def read_failure(
    failure: RFailure, table: Table, setting: Setting, *, seconds: float = 0.0
) -> Failure:
    """Read what R signalled in place of a fit."""
    rename = renamer(table)
    return Failure(
        engine="lme4",
        setting=setting,
        reason=_reason_of(failure),
        text=rename(str(failure)),
        messages=messages_of(failure.conditions, rename),
        seconds=seconds,
    )


def _reason_of(failure: RFailure) -> Reason:
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
    reply: Reply, case: Case, *, aliased: bool
) -> tuple[tuple[Coefficient, ...], tuple[str, ...], list[str]]:
    """Rows in the order of the design, R's names for them, and notes on what did not match."""
    if "x" not in reply:
        return (), (), []
    design, table = case.design, case.table
    native = list(reply.texts("x_names"))
    dropped = list(reply.texts("dropped"))
    if aliased:
        native = [native_name(name, table) for name in native]
        dropped = [native_name(name, table) for name in dropped]
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
    estimates = reply.numbers("estimate").tolist()
    # A column that R's table has not is empty.
    others = [
        reply.numbers(column).tolist() or [None] * len(estimates)
        for column in ("se", "df", "t", "p")
    ]
    rows = tuple(
        Coefficient(name, estimates[j], *(column[j] for column in others))
        for name, j in zip(names, order, strict=True)
    )
    return rows, tuple(native[j] for j in order), notes


def _random_terms(
    reply: Reply, case: Case, rename: Callable[[str], str]
) -> tuple[tuple[RandomTerm, ...], list[str]]:
    """Terms in the order of the design; those of R that are not in it come last, with a note."""
    native = native_terms(reply, len(case.design.y))
    hits = match_terms(case.design.random, [term.design for term in native])
    found = [
        native[hit.term].shown_as(wanted, hit)
        for wanted, hit in zip(case.design.random, hits, strict=True)
        if hit is not None
    ]
    notes = []
    for i in sorted(set(range(len(native))) - {hit.term for hit in hits if hit is not None}):
        term = native[i]
        group, names = rename(term.design.group), tuple(map(rename, term.design.names))
        notes.append(
            f"random-effects term of R that this design does not have: "
            f"{', '.join(names)} by {group}"
        )
        found.append(
            RandomTerm(
                group=group,
                names=names,
                covariance=_rows(term.covariance),
                levels=term.design.levels,
                effects=_rows(term.modes),
            )
        )
    return tuple(found), notes


@dataclass(frozen=True, eq=False)
class NativeTerm:
    """One random-effects term as R has it."""

    design: RandomDesign
    covariance: NDArray[np.float64]
    factor: NDArray[np.float64]
    modes: NDArray[np.float64]

    def shown_as(self, wanted: RandomDesign, hit: TermMatch) -> RandomTerm:
        """Return the term as ``wanted`` orders and names it."""
        columns = list(hit.effects)
        return RandomTerm(
            group=wanted.group,
            names=wanted.names,
            covariance=_rows(self.covariance[np.ix_(columns, columns)]),
            # In another order of the effects the factor would not be triangular.
            factor=_rows(self.factor) if columns == sorted(columns) else None,
            levels=wanted.levels,
            effects=_rows(hit.modes(self.modes)),
        )


def lme4_order(reply: Reply, case: Case) -> list[int]:
    """Return which term of the case each of lme4's terms is: it sorts them by number of levels."""
    native = native_terms(reply, len(case.design.y))
    hits = match_terms(case.design.random, [term.design for term in native])
    return sorted(range(len(hits)), key=lambda t: -1 if (hit := hits[t]) is None else hit.term)


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
                RandomDesign(
                    group,
                    tuple(map(str, take("effects", q))),
                    _matrix(take("z", n * q), n),
                    take("codes", n).astype(np.int32) - 1,
                    tuple(map(str, take("levels", k))),
                ),
                covariance=_matrix(take("covariance", q * q), q),
                factor=_lower_triangle(take("theta", q * (q + 1) // 2), q),
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
    return next(iter(reply.texts(name)), "") if name in reply else ""
