"""A model: one lme4-style formula with its criterion, parsed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial, reduce
from typing import Literal

import numpy as np
import pandas as pd

from harness.base.errors import BadInput
from harness.model.formula import (
    Bar,
    Binary,
    Formula,
    Name,
    Node,
    Number,
    names_in,
    nodes_in,
)
from harness.model.formula_parser import parse
from harness.model.residual import Residual, parse_residual
from harness.model.table import FactorColumn, NumericColumn, Table, table_from_frame
from harness.model.terms import Atom, Term, Terms, expand

Criterion = Literal["REML", "ML", "OLS"]


@dataclass(frozen=True)
class RandomTerm:
    """One random-effects term after ``||`` and ``/`` are taken apart.

    Attributes
    ----------
    effects : Terms
        ``(x | g)`` has an intercept and ``x``; their covariance matrix is unstructured.
    group : tuple of str
        Columns whose interaction is the grouping factor: ``("a", "b")`` for ``(1 | a:b)``.
    structure : str
        A key of :data:`harness.model.structure.STRUCTURES`; empty where the covariance matrix is
        any.
    """

    effects: Terms
    group: tuple[str, ...]
    structure: str = ""


@dataclass(frozen=True)
class Model:
    """A parsed model.

    Attributes
    ----------
    formula : Formula
        As written.
    criterion : {"REML", "ML", "OLS"}
        ``"OLS"`` exactly when there are neither random terms nor a residual covariance.
    residual : Residual or None
        Covariance of the residuals; None where they are independent with one variance.
    random : tuple of RandomTerm
        ``(x || g)`` is two terms, ``(1 | g)`` and ``(0 + x | g)``, as lme4 takes it, also when
        ``x`` is a factor: its levels then have an unstructured covariance matrix. ``(1 | a/b)`` is
        ``(1 | a) + (1 | a:b)``.
    """

    formula: Formula
    criterion: Criterion
    residual: Residual | None = None

    @cached_property
    def fixed(self) -> Terms:
        """Fixed-effects terms."""
        return expand(self.formula.fixed)

    @cached_property
    def random(self) -> tuple[RandomTerm, ...]:
        """Random-effects terms."""
        return tuple(term for bar in self.formula.bars for term in split_bar(bar))

    @property
    def structured(self) -> RandomTerm | None:
        """The first random term whose covariance matrix has a structure; None without one."""
        return next((term for term in self.random if term.structure), None)

    @property
    def text(self) -> str:
        """The formula as written, with the residual covariance where there is one."""
        residual = "" if self.residual is None else f", residual {self.residual.text()}"
        return f"{self.formula.text}{residual}"

    @property
    def by_random_intercept(self) -> Model | None:
        """The model with compound symmetry of its residuals as a random intercept instead.

        Its covariance within a group, tau2 11' + s2 I, is that of residuals with variance tau2 + s2
        and correlation tau2 / (tau2 + s2), which is never negative. None where compound symmetry is
        not all that there is: weights and strata scale the whole covariance of residuals, of random
        effects nothing.
        """
        own = self.residual
        alone = not self.formula.bars and self.formula.weights is None
        if own is None or own.structure != "cs" or own.strata or not alone:
            return None
        names: list[Node] = [Name(column, as_factor=True) for column in own.group]
        group = reduce(partial(Binary, ":"), names)
        text = f"{self.formula.text} + (1 | {own.group_text})"
        bars = (Bar(Number("1"), group, double=False),)
        return replace(self, formula=replace(self.formula, text=text, bars=bars), residual=None)

    @property
    def without_weights(self) -> Model:
        """The model as R writes it, whose weights are no part of the formula."""
        return replace(self, formula=replace(self.formula, weights=None))

    def parts(self) -> Iterator[Node | None]:
        """Every expression of the formula, left to right, the outcome first."""
        yield self.formula.outcome
        yield self.formula.fixed
        for bar in self.formula.bars:
            yield bar.effects
            yield bar.group
        yield from self.formula.offsets
        yield self.formula.weights

    def names(self) -> Iterator[Name]:
        """Every column of the formula with its role, left to right, the outcome first."""
        yield from (name for part in self.parts() for name in names_in(part))
        if self.residual is not None:
            yield from self.residual.names()


def parse_model(text: str, criterion: Criterion = "REML", residual: str = "") -> Model:
    """Parse a formula; with neither random terms nor a residual covariance it becomes ``"OLS"``.

    Parameters
    ----------
    residual : str
        Residual covariance, ``"ar1(visit | subject)"``; empty for none.

    Raises
    ------
    FormulaError
        When it does not parse.
    BadInput
        When it has no fixed effects, or twice the same random effect for the same group.
    """
    formula = parse(text)
    own = parse_residual(residual) if residual else None
    model = Model(formula, criterion if formula.bars or own is not None else "OLS", own)
    if not model.fixed.intercept and not model.fixed.terms:
        raise BadInput("formula: no fixed effects are left; keep at least an intercept")
    seen: set[tuple[frozenset[str], frozenset[Atom]]] = set()
    for term in model.random:
        columns: list[Term] = [*([()] if term.effects.intercept else []), *term.effects.terms]
        if not columns:
            raise BadInput(f"formula: the random term for {':'.join(term.group)} has no effects")
        for effect in columns:
            key = (frozenset(term.group), frozenset(effect))
            if key in seen:
                raise BadInput(
                    f"formula: {_effect(effect)} has two variances for {':'.join(term.group)}; "
                    "take one out, or use '0 +' in the second term"
                )
            seen.add(key)
    return model


def bind(
    model: Model,
    frame: pd.DataFrame,
    *,
    factors: Iterable[str] = (),
    levels: Mapping[str, tuple[str, ...]] | None = None,
) -> Table:
    """Take the columns that a model uses out of a data frame, under the data contract.

    A column that serves both as a number and as a factor (``y ~ t + (1 | t)``) is there twice; the
    second is called ``factor(t)``.

    Raises
    ------
    BadInput
        For what :func:`table_from_frame` refuses, an outcome that is not numeric or the same in
        every row, a factor with one level, or no complete row.
    """
    roles: dict[str, set[bool]] = {}
    for name in model.names():
        roles.setdefault(name.name, set()).add(name.as_factor)
    for name in names_in(model.formula.outcome):
        if name.name in frame.columns and name.name not in factors:
            _require_numeric(frame[name.name], name.name)
    always = set(factors) | {name for name, role in roles.items() if role == {True}}
    table = table_from_frame(frame, roles, factors=always, levels=levels)
    if "pi" in frame.columns and any(Number("pi") in nodes_in(part) for part in model.parts()):
        raise BadInput("pi is the number in a formula and a column of the data; rename the column")
    both = [n for n, r in roles.items() if len(r) == 2 and isinstance(table[n], NumericColumn)]
    extra = table_from_frame(frame, both, factors=both).columns if both else ()
    table = Table(
        table.columns + tuple(replace(column, name=f"factor({column.name})") for column in extra),
        table.labels_repeat,
    )
    _require_weights(model, table)
    require_fittable(model, table)
    return table


def require_fittable(model: Model, table: Table) -> None:
    """Refuse a table that leaves nothing to estimate.

    Raises
    ------
    BadInput
        When no row is complete, the outcome is the same in every row, or a factor has one level.
    """
    if not table.complete.any():
        raise BadInput("no row is complete: every row misses a value in some column of the model")
    if table.complete.sum() > 1:
        _require_variation(model, table.rows(table.complete))


def _require_weights(model: Model, table: Table) -> None:
    """Refuse weights that are no positive numbers: the residual variance is s2 / w."""
    if model.formula.weights is None:
        return
    name = model.formula.weights.name
    column = column_of(table, model.formula.weights)
    if isinstance(column, FactorColumn):
        raise BadInput(f"weights {name!r} are no numbers")
    for row, value in enumerate(column.values, 1):
        if not value > 0.0:
            what = "missing" if np.isnan(value) else f"{value:g}"
            raise BadInput(
                f"weights {name!r}: {what} in row {row}; a weight is a positive number, the "
                "residual variance of its row being s2 / w"
            )


_LEAST_SIZE = 1e-70
"""An outcome below this, or above its inverse, has a fourth power that is no double."""


def _require_variation(model: Model, used: Table) -> None:
    """Refuse what leaves nothing to estimate: a constant outcome, a factor with one level."""
    match model.formula.outcome:
        case Name(name=name):
            outcome = used[name]
            if isinstance(outcome, NumericColumn) and np.ptp(outcome.values) == 0.0:
                raise BadInput(f"the outcome {name!r} is {outcome.values[0]:g} in every row used")
            if isinstance(outcome, NumericColumn):
                size = float(np.abs(outcome.values).max())
                if not _LEAST_SIZE < size < 1.0 / _LEAST_SIZE:
                    raise BadInput(
                        f"the outcome {name!r} has values of {size:.1g}; degrees of freedom take "
                        f"fourth powers, which are beyond double precision: use other units"
                    )
    for term in model.random:
        columns = [column_of(used, Name(name, as_factor=True)) for name in term.group]
        codes = np.array([c.codes for c in columns if isinstance(c, FactorColumn)])
        if (codes == codes[:, :1]).all():
            raise BadInput(
                f"grouping factor {':'.join(term.group)!r} has one level in the rows used; "
                "a random effect needs at least two"
            )
    for node in names_in(model.formula.fixed):
        column = column_of(used, node)
        if isinstance(column, FactorColumn) and (column.codes == column.codes[0]).all():
            level = column.levels[column.codes[0]]
            raise BadInput(f"factor {node.name!r} has one level ({level!r}) in the rows used")


def column_of(table: Table, name: Name) -> NumericColumn | FactorColumn:
    """Return the column that ``name`` means in its role."""
    if name.as_factor:
        try:
            return table[f"factor({name.name})"]
        except KeyError:
            pass
    return table[name.name]


def _require_numeric(series: pd.Series, name: str) -> None:
    if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series):
        return
    text = next((str(v) for v in series.dropna() if not _is_number(v)), None)
    example = f" (it holds {text!r})" if text is not None else ""
    raise BadInput(f"the outcome {name!r} is not numeric{example}")


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def split_bar(bar: Bar) -> Iterator[RandomTerm]:
    """Take ``||`` and ``/`` apart."""
    effects = expand(bar.effects)
    for group in _groups(bar.group):
        if bar.double:
            if effects.intercept:
                yield RandomTerm(Terms(True, ()), group)
            for term in effects.terms:
                yield RandomTerm(Terms(False, (term,)), group)
        else:
            yield RandomTerm(effects, group, bar.structure)


def _groups(node: Node) -> list[tuple[str, ...]]:
    """``a/b/c`` is a, a:b, a:b:c; ``a:b`` is one factor."""
    match node:
        case Name(name=name):
            return [(name,)]
        case Binary(operator=":", left=left, right=right):
            return [_groups(left)[-1] + _groups(right)[-1]]
        case Binary(operator="/", left=left, right=right):
            outer = _groups(left)
            return [*outer, outer[-1] + _groups(right)[-1]]
    raise AssertionError(node)


def _effect(term: Term) -> str:
    if not term:
        return "the intercept"
    return ":".join(a.name if isinstance(a, Name) else f"{a.function}()" for a in term)
