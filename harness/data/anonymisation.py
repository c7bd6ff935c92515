"""A case without the names, labels and values that could tell whose data it is.

Columns become ``y``, ``x1``, ``f1``, ``g1`` and labels ``g1_01``, ``g1_02``, in the order of the
levels, so that reference levels and sort order stay what they are. Numbers are multiplied by a
power of two, which changes no digit of them, and moved where the model is the same after it; codes
such as 1, 2, 3 are only moved. Where an optimizer stops depends on the units of a random slope;
then its values are mixed within groups instead (:mod:`harness.data.row_mixing`). Rows
stay in their order, since results can depend on it. Whether the engines still do the same is for
the caller to find out by running them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.data.datasets import Dataset
from harness.data.row_mixing import mixed_rows
from harness.data.rungs import Rung
from harness.model.case import Case
from harness.model.formula import Bar, Binary, Call, Formula, Name, Node, Number, Unary, names_in
from harness.model.functions import FUNCTIONS
from harness.model.model import Model, parse_model
from harness.model.table import Column, FactorColumn, NumericColumn, Table, are_codes
from harness.model.terms import Terms
from harness.spelling.lme4_spelling import lme4_formula

Strength = Literal[
    "names, labels, units and origins",
    "names, labels and units",
    "names, labels and values, mixed within groups",
    "names, labels and values, mixed within groups in the outcome's unit",
    "names and labels",
]
"""What is hidden; the strongest first."""

STRENGTHS: tuple[Strength, ...] = (
    "names, labels, units and origins",
    "names, labels and units",
    "names, labels and values, mixed within groups",
    "names, labels and values, mixed within groups in the outcome's unit",
    "names and labels",
)


@dataclass(frozen=True)
class Change:
    """What was done to a numeric column: ``new = scale * old + shift``, after any mixing.

    ``exact`` says whether every value came out without rounding.
    """

    scale: float
    shift: float
    exact: bool


@dataclass(frozen=True)
class Key:
    """How to read an anonymised case back; to be kept apart from it.

    Attributes
    ----------
    strength : str
    columns : dict
        New name by old name.
    labels : dict
        By old column name: new label by old label.
    values : dict
        By old column name.
    mixed : tuple of str
        Old names of columns whose values were mixed within groups: they cannot be had back.
    rows : tuple of int
        The old row (from 0) of each new one; empty where rows kept their order.
    """

    strength: Strength
    columns: dict[str, str]
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    values: dict[str, Change] = field(default_factory=dict)
    mixed: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Anonymised:
    """An anonymised rung and the key to it."""

    rung: Rung
    key: Key


def anonymisations(
    rung: Rung, *, seed: int | None = None, shuffle: bool = False
) -> Iterator[Anonymised]:
    """Give anonymised forms of a rung, the one that hides most first.

    Parameters
    ----------
    seed : int, optional
        For the numbers drawn; without it they come from the operating system. Whoever knows the
        seed can undo the change of units and origins.
    shuffle : bool
        Put the rows into another order as well.
    """
    chance = random.SystemRandom() if seed is None else random.Random(seed)
    tried: list[tuple[dict[str, Change], tuple[str, ...]]] = []
    for strength in STRENGTHS:
        found = anonymise(rung, strength, chance, shuffle=shuffle)
        what = (found.key.values, found.key.mixed)
        if what not in tried:
            tried.append(what)
            yield found


def anonymise(
    rung: Rung, strength: Strength, chance: random.Random, *, shuffle: bool = False
) -> Anonymised:
    """Anonymise a rung; ``chance`` draws scales, shifts and the order of rows."""
    case = rung.case
    names = _new_names(case.model, case.table)
    mixed = mixed_rows(case, chance) if "mixed" in strength else {}
    changes = _changes(case, strength, chance)
    order = list(range(case.table.n_rows))
    if shuffle:
        chance.shuffle(order)
    labels: dict[str, dict[str, str]] = {}
    columns: list[Column] = []
    for column in case.table.columns:
        base = _base(column.name, names)
        new = names[base] if column.name == base else f"factor({names[base]})"
        if isinstance(column, NumericColumn):
            change = changes.get(column.name, Change(1.0, 0.0, exact=True))
            values = mixed.get(column.name, column.values) * change.scale + change.shift
            columns.append(NumericColumn(new, np.ascontiguousarray(values[order])))
        else:
            relabelled = _new_labels(names[base], len(column.levels))
            labels[column.name] = dict(zip(column.levels, relabelled, strict=True))
            columns.append(FactorColumn(new, column.codes[order], relabelled))
    table = Table(tuple(columns))
    model = rename_columns(case.model, names, labels)
    hidden = Case("anonymised", model, table)
    at = case.design.x_names.index(rung.focus) if rung.focus in case.design.x_names else 0
    new_rung = Rung(
        case=hidden,
        title="anonymised data",
        group="",
        focus=hidden.design.x_names[at],
        data=Dataset("anonymised", table.frame(), "anonymised by lmm-parity"),
    )
    key = Key(strength, names, labels, changes, tuple(mixed), tuple(order) if shuffle else ())
    return Anonymised(new_rung, key)


Labels = Mapping[str, Mapping[str, str]]
"""By column, from the labels of its levels to others."""


def rename_columns(
    model: Model, names: dict[str, str], labels: Labels = MappingProxyType({})
) -> Model:
    """Return the same model of columns, and levels, with other names."""
    formula = model.formula
    renamed = Formula(
        text="",
        outcome=_renamed(formula.outcome, names, labels),
        fixed=None if formula.fixed is None else _renamed(formula.fixed, names, labels),
        bars=tuple(
            Bar(
                _renamed(bar.effects, names, labels),
                _renamed(bar.group, names, labels),
                bar.double,
                bar.structure,
            )
            for bar in formula.bars
        ),
        offsets=tuple(_renamed(node, names, labels) for node in formula.offsets),
        weights=None
        if formula.weights is None
        else replace(formula.weights, name=names[formula.weights.name]),
    )
    text = lme4_formula(replace(model, formula=renamed))
    residual = "" if model.residual is None else model.residual.text(names)
    return parse_model(text, model.criterion, residual)


def _renamed(node: Node, names: dict[str, str], labels: Labels) -> Node:
    match node:
        case Name(name=name, coding=coding):
            if coding is not None and coding.reference:
                known = labels.get(f"factor({name})") or labels[name]
                # A level that is none stays one: the model is refused as it was.
                reference = known.get(coding.reference, coding.reference)
                coding = replace(coding, reference=reference)
            return replace(node, name=names[name], coding=coding)
        case Call(argument=argument):
            return replace(node, argument=_renamed(argument, names, labels))
        case Binary(operator=operator, left=left, right=right):
            return Binary(operator, _renamed(left, names, labels), _renamed(right, names, labels))
        case Unary(operator=operator, operand=operand):
            return Unary(operator, _renamed(operand, names, labels))
    return node


def _new_names(model: Model, table: Table) -> dict[str, str]:
    """Name columns by what they do: outcome y, numeric x, factors f, grouping factors g."""
    outcomes = list(dict.fromkeys(name.name for name in names_in(model.formula.outcome)))
    groups = {name for term in model.random for name in term.group}
    numeric = {c.name for c in table.columns if isinstance(c, NumericColumn)}
    names: dict[str, str] = {}
    counts = {"x": 0, "f": 0, "g": 0}
    for name in dict.fromkeys(name.name for name in model.names()):
        if name in outcomes:
            names[name] = "y" if len(outcomes) == 1 else f"y{outcomes.index(name) + 1}"
            continue
        kind = "x" if name in numeric else "g" if name in groups else "f"
        counts[kind] += 1
        names[name] = f"{kind}{counts[kind]}"
    return names


def _base(column: str, names: dict[str, str]) -> str:
    """Return the user's column behind a column of the table: ``factor(t)`` is ``t`` again."""
    return column if column in names else column.removeprefix("factor(").removesuffix(")")


def _new_labels(name: str, count: int) -> tuple[str, ...]:
    width = max(2, len(str(count)))
    return tuple(f"{name}_{i:0{width}d}" for i in range(1, count + 1))


def _changes(case: Case, strength: Strength, chance: random.Random) -> dict[str, Change]:
    changes: dict[str, Change] = {}
    if strength == "names and labels":
        return changes
    mixing = "mixed" in strength
    slopes = {n.name for bar in case.model.formula.bars for n in names_in(bar.effects)}
    outcome = {n.name for n in names_in(case.model.formula.outcome)}
    kept = (slopes if mixing else set()) | (outcome if strength == STRENGTHS[3] else set())
    known_parts = [*case.model.formula.offsets, case.model.formula.weights]
    kept |= {n.name for part in known_parts for n in names_in(part)}
    if case.model.formula.offsets:
        kept |= outcome
    for column in case.table.columns:
        if not isinstance(column, NumericColumn) or column.name in kept:
            continue
        known = column.values[~column.missing]
        movable = strength != STRENGTHS[1] and _movable(case.model, column.name)
        scale = 2.0 ** (chance.choice((-1, 1)) * chance.randint(1, 3))
        shift = 0.0
        if are_codes(known):
            scale, shift = 1.0, float(chance.randint(1, 7)) if movable else 0.0
        elif not _scalable(case.model, column.name):
            continue
        else:
            spread = float(np.ptp(known * scale))
            if movable and spread > 0.0:
                # A few binary digits beside the spread's: little is lost of the values' own, and
                # none of them falls on another by the grid that they are measured on.
                size = 2.0 ** math.floor(math.log2(spread))
                digits = chance.randint(2**12, 2**15) * 2.0**-12
                shift = chance.choice((-1, 1)) * digits * size
        change = _change(known, scale, shift)
        if change is not None:
            changes[column.name] = change
    return changes


def _change(known: NDArray[np.float64], scale: float, shift: float) -> Change | None:
    """Return a change of values; None where it is none, or two values would become one."""
    moved = known * scale + shift
    if (scale, shift) == (1.0, 0.0) or not np.isfinite(moved).all():
        return None
    if len(np.unique(moved)) < len(np.unique(known)):
        return None
    return Change(scale, shift, bool(np.array_equal((moved - shift) / scale, known)))


def _scalable(model: Model, name: str) -> bool:
    """Whether another unit of the column leaves the model the same.

    It does not in ``exp(x)`` or ``I(x + z)``. In ``I(x^2)`` it is another unit of the square, and
    in ``log(x)`` a constant is added, which needs the terms that :func:`_movable` looks for.
    """
    outcome = _under_unit(model.formula.outcome, name)
    if outcome is None or (outcome == "moved" and not model.fixed.intercept):
        return False
    for terms in _linear_predictors(model):
        present = _present(terms)
        for term in terms.terms:
            for atom in term:
                found = _under_unit(atom, name)
                needed = frozenset(term) - {atom}
                if found is None or (found == "moved" and needed not in present):
                    return False
    return True


Effect = Literal["same", "scaled", "moved"]
"""What a positive factor on a column does to an expression, where it is one of these."""


def _under_unit(node: Node, name: str) -> Effect | None:
    """Say what a positive factor on a column does to an expression."""
    match node:
        case Name(name=other, as_factor=as_factor):
            return "scaled" if other == name and not as_factor else "same"
        case Unary(operand=operand):
            return _under_unit(operand, name)
        case Call(argument=argument):
            return _of_function(node, _under_unit(argument, name))
        case Binary(operator=operator, left=left, right=right):
            found = {_under_unit(left, name), _under_unit(right, name)}
            if operator == "^" and not isinstance(right, Number):
                return "same" if found == {"same"} else None
            return _of_operator(operator, found)
    return "same"


def _of_function(call: Call, inside: Effect | None) -> Effect | None:
    function = call.function
    if inside == "same" or function == "I":
        return inside
    if FUNCTIONS[function].of_data:
        options = dict(call.options)
        if inside != "scaled" or "knots" in options or "raw" in options:
            return None
        return "same" if options.get("scale", True) else "scaled"
    if inside == "scaled" and function in ("sqrt", "abs"):
        return "scaled"
    return "moved" if inside == "scaled" and function in ("log", "log2", "log10") else None


def _of_operator(operator: str, found: set[Effect | None]) -> Effect | None:
    if found == {"same"}:
        return "same"
    if operator in ("+", "-"):
        return "moved" if found <= {"same", "moved"} else None
    return "scaled" if found <= {"same", "scaled"} else None


def _movable(model: Model, name: str) -> bool:
    """Whether a constant added to the column leaves the model the same.

    It does when every term with the column is there without it too: ``x`` needs an intercept,
    ``x:z`` needs ``z``; among the correlated effects of a random term as among the fixed ones.
    """
    if Name(name) in names_in(model.formula.outcome):
        return model.formula.outcome == Name(name) and model.fixed.intercept
    for terms in _linear_predictors(model):
        present = _present(terms)
        for term in terms.terms:
            if Name(name) in term and frozenset(term) - {Name(name)} not in present:
                return False
            if any(isinstance(atom, Call) and Name(name) in names_in(atom) for atom in term):
                return False
    return True


def _present(terms: Terms) -> set[frozenset[Node]]:
    """Return the terms that are there, the intercept as the empty one."""
    found = {frozenset[Node](term) for term in terms.terms}
    return found | {frozenset()} if terms.intercept else found


def _linear_predictors(model: Model) -> list[Terms]:
    return [model.fixed, *(term.effects for term in model.random)]
