"""A fit as an engine in another process stated it, read as a fit of the case.

Numbers are matched by name or, where the engine sends its own columns, by value; never by their
place. What does not fit together is an :class:`UnreadableAnswer`, whose text is for the author of
the program.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from harness.engines.engine import (
    Coefficient,
    Failure,
    Fit,
    Message,
    Outcome,
    RandomTerm,
    Setting,
)
from harness.engines.protocol import Failed, Fitted, Started
from harness.model.case import Case
from harness.model.column_match import match_columns
from harness.model.design import RandomDesign
from harness.model.expression_text import render_name
from harness.model.formula import names_in
from harness.model.model import column_of
from harness.referee.definitions import NOT_STATED, definition


class UnreadableAnswer(ValueError):
    """The answer does not fit together, or not to what was asked."""


class OtherData(ValueError):
    """The program has received other data than were sent."""


def read_fitted(
    answer: Fitted, case: Case, sent: Case, program: Started, setting: Setting, engine: str
) -> Fit:
    """Read a fit.

    Parameters
    ----------
    case, sent : Case
        The case, and what was sent of it, see :func:`harness.engines.fit_request.sent_case`.

    Raises
    ------
    UnreadableAnswer
        When it does not fit together.
    OtherData
        When the checksum is not that of what was sent.
    """
    if answer.data_checksum and answer.data_checksum != sent.table.checksum():
        raise OtherData("the data that it received are not the data that were sent")
    renamed = _Names(case, sent)
    notes = list(answer.messages)
    rows, native = _coefficients(answer, case, sent, renamed, notes)
    stated = program.definitions | answer.definitions
    require_known(stated)
    for name, values in (("fitted", answer.fitted), ("residuals", answer.residuals)):
        if values is not None and len(values) != answer.n_obs:
            raise UnreadableAnswer(f"{name}: {len(values)} numbers for {answer.n_obs} rows")
    return Fit(
        engine=engine,
        setting=setting,
        fitter=answer.fitter or program.name,
        n_obs=answer.n_obs,
        coefficients=rows,
        native_names=native,
        random=_random(answer.random, case, sent, renamed, notes),
        residual_variance=answer.residual_variance,
        residual=_residual(answer, case),
        loglik=answer.loglik,
        aic=answer.aic,
        bic=answer.bic,
        df_residual=answer.df_residual,
        fitted=answer.fitted or (),
        residuals=answer.residuals or (),
        converged=answer.converged,
        singular=answer.singular,
        settings=answer.settings,
        messages=tuple(renamed.message(m) for m in notes),
        term_tests=tuple(replace(test, term=renamed.term(test.term)) for test in answer.term_tests),
        definitions=stated,
        probes=answer.probes,
        # What was sent is what the program has, unless it computes a checksum that says otherwise.
        data_checksum=case.table.checksum(),
        seconds=answer.seconds,
    )


def _residual(answer: Fitted, case: Case) -> tuple[tuple[str, float], ...]:
    names = () if case.design.residual is None else case.design.residual.names
    if len(answer.residual) != len(names):
        raise UnreadableAnswer(
            f"residual: {len(answer.residual)} numbers for {len(names)} parameters"
            + (f" ({', '.join(names)})" if names else "")
        )
    return tuple(zip(names, answer.residual, strict=True))


def read_failed(answer: Failed, case: Case, sent: Case, setting: Setting, engine: str) -> Outcome:
    """Read why there is no fit."""
    renamed = _Names(case, sent)
    return Failure(
        engine=engine,
        setting=setting,
        reason=answer.reason,
        text=renamed(answer.text),
        messages=tuple(map(renamed.message, answer.messages)),
        probes=answer.probes,
    )


def require_known(stated: dict[str, str]) -> None:
    """Check that definitions are of :mod:`harness.referee.definitions`.

    Raises
    ------
    UnreadableAnswer
        When one is not.
    """
    for quantity, key in stated.items():
        if key not in (NOT_STATED, *_OUR_OWN.get(quantity, ())) and not definition(quantity, key):
            raise UnreadableAnswer(f"definitions: no {key!r} is known of {quantity!r}")


_OUR_OWN = {"residual_variance": ("m", "n"), "term_tests": ("type3-satterthwaite",)}
"""What no point tells: divisors of the residual sum of squares, and what a hypothesis is."""

_ALIAS = re.compile(r"\bv\d+\b")


class _Names:
    """Puts the user's names in place of the aliases."""

    def __init__(self, case: Case, sent: Case) -> None:
        self._columns = dict(zip(sent.design.x_names, case.design.x_names, strict=True))
        self._effects = {
            name: own
            for term, mine in zip(sent.design.random, case.design.random, strict=True)
            for name, own in zip(term.names, mine.names, strict=True)
        }
        self._aliases = {alias: name for name, alias in case.table.alias.items()}
        self._written = {
            case.table.alias[column_of(case.table, node).name]: render_name(node)
            for node in names_in(case.model.formula.fixed)
        }

    def __call__(self, text: str) -> str:
        if text in self._columns:
            return self._columns[text]
        if text in self._effects:
            return self._effects[text]
        return _ALIAS.sub(lambda hit: self._aliases.get(hit[0], hit[0]), text)

    def term(self, text: str) -> str:
        """Return a term of the fixed effects in the user's names, in lme4's language."""
        return _ALIAS.sub(lambda hit: self._written.get(hit[0], hit[0]), text)

    def message(self, message: Message) -> Message:
        """Return a message in the user's names."""
        return replace(message, text=self(message.text))


def _coefficients(
    answer: Fitted, case: Case, sent: Case, renamed: _Names, notes: list[Message]
) -> tuple[tuple[Coefficient, ...], tuple[str, ...]]:
    """Return rows as the design orders and names them, and the engine's own names for them."""
    stated = [row.name for row in answer.coefficients]
    if answer.x is None:
        twice = sorted({name for name in stated if stated.count(name) > 1})
        unknown = [name for name in stated if name not in sent.design.x_names]
        if twice or unknown:
            what = f"{twice[0]!r} is there twice" if twice else f"{unknown[0]!r} is no column"
            raise UnreadableAnswer(
                f"coefficients: {what} (the columns are {', '.join(sent.design.x_names)})"
            )
        places = [stated.index(n) if n in stated else -1 for n in sent.design.x_names]
        extra: Sequence[int] = ()
    else:
        x = _own_columns(answer.x, len(stated), len(case.design.y))
        match = match_columns(case.design.x, x)
        places, extra = list(match.engine), match.extra
    dropped = {renamed(name) for name in answer.dropped}
    names = case.design.x_names
    absent = [n for n, j in zip(names, places, strict=True) if j < 0 and n not in dropped]
    if dropped:
        _note(notes, f"it left out aliased columns: {', '.join(sorted(dropped))}")
    if absent:
        _note(notes, f"columns of this design that its fit does not have: {', '.join(absent)}")
    if extra:
        others = ", ".join(renamed(stated[j]) for j in extra)
        _note(notes, f"columns of its model matrix that this design does not have: {others}")
    order = [(n, j) for n, j in zip(names, places, strict=True) if j >= 0]
    order += [(renamed(stated[j]), j) for j in extra]
    rows = tuple(replace(answer.coefficients[j], name=name) for name, j in order)
    return rows, tuple(renamed(stated[j]) for _, j in order)


def _own_columns(
    x: Sequence[Sequence[float]], wanted: int, rows: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    if len(x) != wanted:
        raise UnreadableAnswer(f"x: {len(x)} columns for {wanted} coefficients")
    if any(len(column) != rows for column in x):
        raise UnreadableAnswer(f"x: its columns are not of {rows} rows")
    return np.array(x, dtype=np.float64).reshape(wanted, rows).T


def _random(
    terms: Sequence[RandomTerm], case: Case, sent: Case, renamed: _Names, notes: list[Message]
) -> tuple[RandomTerm, ...]:
    """Return terms as the design orders and names them, those that it has not last."""
    left = list(terms)
    found = []
    for wanted, mine in zip(sent.design.random, case.design.random, strict=True):
        hit = next(
            (
                t
                for t in left
                if t.group == wanted.group and sorted(t.names) == sorted(wanted.names)
            ),
            None,
        )
        if hit is not None:
            left.remove(hit)
            found.append(_as_wanted(hit, wanted, mine))
    for term in left:
        _require_shape(term)
        names = tuple(map(renamed, term.names))
        own = f"{', '.join(names)} by {renamed(term.group)}"
        _note(notes, f"random-effects term of its fit that this design does not have: {own}")
        found.append(replace(term, group=renamed(term.group), names=names))
    return tuple(found)


def _as_wanted(term: RandomTerm, wanted: RandomDesign, mine: RandomDesign) -> RandomTerm:
    _require_shape(term)
    columns = [term.names.index(name) for name in wanted.names]
    effects = term.effects
    levels = term.levels
    if effects is not None and sorted(levels) == sorted(wanted.levels):
        place = {level: k for k, level in enumerate(levels)}
        effects = tuple(tuple(effects[place[v]][i] for i in columns) for v in wanted.levels)
        levels = wanted.levels
    elif effects is not None:
        effects = tuple(tuple(row[i] for i in columns) for row in effects)
    return RandomTerm(
        group=mine.group,
        names=mine.names,
        covariance=tuple(tuple(term.covariance[i][j] for j in columns) for i in columns),
        levels=levels,
        effects=effects,
        # In another order of the effects the factor would not be triangular.
        factor=term.factor if columns == sorted(columns) else None,
    )


def _require_shape(term: RandomTerm) -> None:
    q, k = len(term.names), len(term.levels)
    for name, matrix, rows in (
        ("covariance", term.covariance, q),
        ("factor", term.factor, q),
        ("effects", term.effects, k),
    ):
        if matrix is not None and (len(matrix) != rows or any(len(row) != q for row in matrix)):
            raise UnreadableAnswer(f"random {term.group}: {name} is not {rows} x {q}")


def _note(notes: list[Message], text: str) -> None:
    notes.append(Message("note", text))
