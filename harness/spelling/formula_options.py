"""What an option says of a model, written into its formula: a formula is then the whole model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.base.errors import BadInput
from harness.model.coding import CODINGS, Coding, coding_named
from harness.model.formula import Binary, Call, Name, Node, Unary, names_in, nodes_in
from harness.model.model import Model, parse_model
from harness.spelling.lme4_spelling import lme4_formula, quote_name


def formula_with(
    formula: str,
    *,
    contrasts: Mapping[str, str] | None = None,
    weights: str = "",
    offset: str = "",
) -> str:
    """Return a formula with codings of its factors, weights and an offset.

    Parameters
    ----------
    contrasts : mapping
        From a factor to a coding: ``"sum"``, ``"helmert"``, ``"poly"``, ``"SAS"``, or
        ``"treatment:b"`` with the level b as the reference.
    weights, offset : str
        Names of columns.

    Raises
    ------
    BadInput
        For a coding that is none, a factor that the formula does not have or codes itself, and
        weights that it has already.
    """
    for column, word in ((offset, "offset"), (weights, "weights")):
        if column:
            formula += f" + {word}({quote_name(column)})"
    if not contrasts:
        return formula
    codings = {name: _coding(name, text) for name, text in contrasts.items()}
    model = parse_model(formula)
    effects = [model.formula.fixed, *(bar.effects for bar in model.formula.bars)]
    for name in codings:
        inside = {n for part in effects for c in _calls(part) for n in names_in(c)}
        found = [n for part in effects for n in names_in(part) if n.name == name]
        if not found:
            raise BadInput(f"contrasts of {name!r}: it is no predictor of the formula")
        if any(n.name == name for n in inside):
            raise BadInput(f"contrasts of {name!r}: it is a number in a function of the formula")
        if any(n.coding is not None for n in found):
            raise BadInput(f"contrasts of {name!r}: the formula has a coding for it already")
    return lme4_formula(_coded(model, codings))


def as_asked(
    formula: str,
    *,
    contrasts: Mapping[str, str] | None = None,
    weights: str = "",
    offset: str = "",
    residual: str = "",
) -> str:
    """Return a formula as it was given, and after it what the options say of the model."""
    said = [f"contrasts {name} = {coding}" for name, coding in (contrasts or {}).items()]
    others = {"weights": weights, "offset": offset, "residuals": residual}
    said += [f"{name} {text}" for name, text in others.items() if text]
    return ", ".join([formula, *said])


def _calls(node: Node | None) -> list[Call]:
    return [found for found in nodes_in(node) if isinstance(found, Call)]


def _coding(name: str, text: str) -> Coding:
    word, _, reference = text.partition(":")
    kind = coding_named(word)
    if kind is None:
        raise BadInput(
            f"contrasts of {name!r}: {word!r} is no coding; known are {', '.join(CODINGS)}"
        )
    if reference and kind != "treatment":
        raise BadInput(f"contrasts of {name!r}: only treatment takes a reference")
    return Coding(kind, reference)


def _coded(model: Model, codings: Mapping[str, Coding]) -> Model:
    formula = model.formula
    return replace(
        model,
        formula=replace(
            formula,
            fixed=None if formula.fixed is None else _with_codings(formula.fixed, codings),
            bars=tuple(
                replace(bar, effects=_with_codings(bar.effects, codings)) for bar in formula.bars
            ),
        ),
    )


def _with_codings(node: Node, codings: Mapping[str, Coding]) -> Node:
    match node:
        case Name(name=name) if name in codings:
            return Name(name, as_factor=True, coding=codings[name])
        case Binary(left=left, right=right):
            return replace(
                node, left=_with_codings(left, codings), right=_with_codings(right, codings)
            )
        case Unary(operand=operand):
            return replace(node, operand=_with_codings(operand, codings))
    return node
