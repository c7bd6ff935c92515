"""A model from one program's language to the other's, with the traps on the way."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from itertools import product

import numpy as np
import pandas as pd

from harness.base.errors import BadInput
from harness.model.formula import (
    Bar,
    Binary,
    Call,
    Formula,
    Name,
    Node,
    Number,
    Unary,
)
from harness.model.formula_parser import parse
from harness.model.model import Criterion, Model, RandomTerm, bind, parse_model
from harness.model.table import Column, FactorColumn, NumericColumn, Table
from harness.model.terms import Terms, expand
from harness.model.tokens import FormulaError
from harness.spelling.lme4_spelling import lme4_formula, model_text, r_call
from harness.spelling.mixedlm_call import MixedLMCall, looks_like_call, read_call
from harness.spelling.mixedlm_spelling import imported, python_call
from harness.spelling.model_description import in_words
from harness.spelling.program_calls import needs_other_programs, program_calls
from harness.spelling.r_call import is_r_call, read_r_call
from harness.spelling.trap import Trap
from harness.spelling.traps import traps_of_call, traps_of_model, traps_of_programs

_CROSSED_AT_MOST = 6
"""Grouping factors and factors for which an assumed table has every combination of levels."""


class NotInLme4(Exception):
    """A model of MixedLM that lme4 has no formula for; the text says why."""


@dataclass(frozen=True)
class Translation:
    """One model in both languages.

    Attributes
    ----------
    origin : {"lme4", "statsmodels"}
        The language it was given in.
    formula, r : str
        In lme4's syntax, and as a call in R; empty where there is none.
    python : str
        As calls of statsmodels; where there is none, a comment that says so.
    words : str
    obstacle : str
        Why it cannot be written in the other language; empty when it can.
    traps : tuple of Trap
    model : Model or None
    programs : dict of str to str
        Calls of other programs, or ``# not expressible: reason``, where the model has weights, an
        offset, a residual covariance or structured random terms; lme4 is among them where it cannot
        express it.
    """

    origin: str
    formula: str
    r: str
    python: str
    words: str
    obstacle: str
    traps: tuple[Trap, ...]
    model: Model | None
    programs: Mapping[str, str] = field(default_factory=dict)


def translate(
    text: str,
    *,
    criterion: Criterion = "REML",
    frame: pd.DataFrame | None = None,
    factors: Iterable[str] = (),
    residual: str = "",
) -> Translation:
    """Translate a formula or a call.

    Parameters
    ----------
    text : str
        A formula in lme4's syntax, Python that calls ``mixedlm``, or a call of ``lmer``, ``lme``,
        ``gls``, ``glmer``, ``glmmTMB``, ``mmrm``, pymer4's ``Lmer`` or PROC MIXED.
    criterion : str
        For a formula; a call says it itself.
    frame : DataFrame, optional
        The data. Without them a column counts as a number unless the text makes it a factor, and
        grouping factors as crossed unless the formula nests them.
    factors : iterable of str
        Columns that are factors.
    residual : str
        With a formula: covariance of the residuals.

    Raises
    ------
    BadInput
        Where the text cannot be read, with the place.
    """
    if residual and says_criterion(text):
        raise BadInput("a residual covariance is for a formula; a call says it itself")
    if looks_like_call(text):
        return _from_python(text, frame, tuple(factors))
    if is_r_call(text):
        call = read_r_call(text)
        found = _from_lme4(call.formula, call.criterion, frame, tuple(factors), call.residual)
        return replace(found, traps=(*call.notes, *found.traps))
    return _from_lme4(text, criterion, frame, tuple(factors), residual)


def says_criterion(text: str) -> bool:
    """Whether a text is a call, which names REML or ML itself, and no formula."""
    return looks_like_call(text) or is_r_call(text)


def _from_lme4(
    text: str,
    criterion: Criterion,
    frame: pd.DataFrame | None,
    factors: tuple[str, ...],
    residual: str = "",
) -> Translation:
    model = parse_model(text, criterion, residual)
    table = _table(model, frame, factors)
    python = python_call(model, table)
    obstacle = python.removeprefix("# not expressible: ") if python.startswith("# not") else ""
    python = python if obstacle else imported(python)
    traps = traps_of_model(model, table, assumed=frame is None, expressible=not obstacle)
    calls = program_calls(model)
    shown = needs_other_programs(model)
    return Translation(
        origin="lme4",
        formula=model_text(model),
        r=_r(calls),
        python=python,
        words=in_words(model),
        obstacle=obstacle,
        traps=(*(traps_of_programs(calls, model) if shown else ()), *traps),
        model=model,
        programs=_programs(calls) if shown else {},
    )


def _r(calls: Mapping[str, str]) -> str:
    """Return the call of lme4, of nlme where lme4 has none, or nothing."""
    found = (calls["lme4"], calls["nlme"])
    return next((call for call in found if not call.startswith("# not")), "")


def _programs(calls: Mapping[str, str]) -> dict[str, str]:
    """Return the calls of other programs, lme4's where it has none."""
    lacking = calls["lme4"].startswith("# not")
    return {name: call for name, call in calls.items() if lacking or name != "lme4"}


def _table(model: Model, frame: pd.DataFrame | None, factors: tuple[str, ...]) -> Table:
    used = {name.name for name in model.names()}
    for column in factors:
        if column not in used:
            raise BadInput(f"column {column!r} is not in the formula")
    if frame is not None:
        return bind(model, frame, factors=factors)
    return assumed_table(model, factors)


def assumed_table(model: Model, factors: Iterable[str] = ()) -> Table:
    """Return a stand-in for data that are not there: every factor crossed with every other.

    Columns that the formula makes factors have two levels, all others are numbers.
    """
    forced = set(factors)
    roles: dict[str, set[bool]] = {}
    for used in model.names():
        roles.setdefault(used.name, set()).add(used.as_factor or used.name in forced)
    crossed = [name for name, role in roles.items() if True in role]
    few = crossed[:_CROSSED_AT_MOST]
    combinations = np.array(list(product((0, 1), repeat=len(few))), dtype=np.int32)
    rows = max(len(combinations), 1)
    columns: list[Column] = []
    for place, (name, role) in enumerate(roles.items()):
        if False in role:
            values = np.arange(1.0, rows + 1.0) + place
            columns.append(NumericColumn(name, values))
        if True in role:
            codes = (
                combinations[:, few.index(name)]
                if name in few
                else np.arange(rows, dtype=np.int32) % 2
            )
            shown = name if role == {True} else f"factor({name})"
            columns.append(FactorColumn(shown, np.ascontiguousarray(codes), ("1", "2")))
    return Table(tuple(columns))


def _from_python(text: str, frame: pd.DataFrame | None, factors: tuple[str, ...]) -> Translation:
    call = read_call(text)
    texts = set(factors) | _text_columns(frame)
    try:
        model = model_of_call(call, texts, frame)
    except NotInLme4 as reason:
        return Translation(
            origin="statsmodels",
            formula="",
            r="",
            python=text.strip(),
            words="",
            obstacle=str(reason),
            traps=traps_of_call(call, None, frame),
            model=None,
        )
    return Translation(
        origin="statsmodels",
        formula=lme4_formula(model),
        r=r_call(model),
        python=text.strip(),
        words=in_words(model),
        obstacle="",
        traps=traps_of_call(call, model, frame),
        model=model,
    )


def _text_columns(frame: pd.DataFrame | None) -> set[str]:
    """Columns that are factors without being called so: text, booleans, categoricals."""
    if frame is None:
        return set()
    return {
        str(name)
        for name in frame.columns
        if not pd.api.types.is_numeric_dtype(frame[name]) or pd.api.types.is_bool_dtype(frame[name])
    }


def model_of_call(call: MixedLMCall, texts: set[str], frame: pd.DataFrame | None = None) -> Model:
    """Return the model that a call fits, as lme4 would be given it.

    Parameters
    ----------
    texts : set of str
        Columns that are factors although no ``C()`` says so.

    Raises
    ------
    NotInLme4
        Where lme4 has no formula for it.
    BadInput
        Where one of its formulas cannot be read.
    """
    outcome, fixed = _both_sides(call)
    criterion: Criterion = "REML" if call.reml else "ML"
    if call.groups is None:
        terms: list[RandomTerm] = []
        criterion = "OLS"
    else:
        terms = _random_terms(call, texts, _groups(call, frame))
        if not terms:
            raise NotInLme4("it has no random effects; lme4 takes no such model, lm() does")
    terms = list(dict.fromkeys(terms))
    bars = _bars(terms, diagonal=call.free == "diagonal")
    formula = Formula("", outcome, fixed, tuple(bars))
    if not bars:
        criterion = "OLS"
    return parse_model(lme4_formula(Model(formula, criterion)), criterion)


def _groups(call: MixedLMCall, frame: pd.DataFrame | None) -> tuple[str, ...]:
    """Return the grouping columns; a column with one value is one group of all rows."""
    groups = call.groups or ()
    if frame is not None and groups and set(groups) <= set(frame.columns):
        return tuple(g for g in groups if frame[g].nunique() > 1)
    return groups


def _both_sides(call: MixedLMCall) -> tuple[Node, Node | None]:
    formula = _parse("the formula", call.formula, call)
    if formula.bars:
        raise BadInput(
            "call: the formula has a random term; MixedLM takes those in groups=, re_formula= "
            "and vc_formula="
        )
    return formula.outcome, formula.fixed


def _parse(what: str, text: str, call: MixedLMCall, *, right_side: bool = False) -> Formula:
    """Parse one of patsy's formulas with the user's column names in it."""
    shown = text.lstrip().removeprefix("~") if right_side else text
    if "^" in shown:
        raise BadInput(f"call: {what} {text!r}: '^' is no power in Python; write **")
    written = _QUOTED.sub(lambda hit: _backticked(str(ast.literal_eval(hit[1]))), shown)
    written = re.sub(r"\b(?:np|numpy)\.(?=\w+\(|pi\b)", "", written)
    if re.search(r"\b(?:scale|standardize)\((?!(?:[^()]|\([^()]*\))*, *ddof *= *1 *\))", written):
        raise BadInput(
            f"call: {what} {text!r}: patsy's scale() divides by the standard deviation with n, R's "
            "with n - 1; write standardize(x, ddof=1)"
        )
    written = re.sub(
        r"\b(?:scale|standardize)\(((?:[^()]|\([^()]*\))*), *ddof *= *1 *\)", r"scale(\1)", written
    )
    written = written.replace("include_intercept=", "intercept=")
    try:
        formula = parse(f"y ~ {written}" if right_side else written)
    except FormulaError as error:
        reason = str(error).partition("\n")[0].removeprefix("formula: ")
        raise BadInput(f"call: {what} {text!r}: {reason}") from None
    back = partial(_with_names, name=lambda n: replace(n, name=call.renamed.get(n.name, n.name)))
    return replace(
        formula,
        outcome=back(formula.outcome),
        fixed=None if formula.fixed is None else back(formula.fixed),
    )


_QUOTED = re.compile(r"""\bQ\(\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*\)""")


def _backticked(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _with_names(node: Node, name: Callable[[Name], Name]) -> Node:
    match node:
        case Name():
            return name(node)
        case Call(argument=argument):
            return replace(node, argument=_with_names(argument, name))
        case Binary(operator=operator, left=left, right=right):
            return Binary(operator, _with_names(left, name), _with_names(right, name))
        case Unary(operator=operator, operand=operand):
            return Unary(operator, _with_names(operand, name))
    return node


def _random_terms(call: MixedLMCall, texts: set[str], groups: tuple[str, ...]) -> list[RandomTerm]:
    terms: list[RandomTerm] = []
    text = call.re_formula
    if text is None and not call.vc_formula:
        text = "1"
    effects = Terms(False, ())
    if text is not None:
        effects = expand(_parse("re_formula", text, call, right_side=True).fixed)
    if effects.intercept or effects.terms:
        if not groups:
            raise NotInLme4(
                "its re_formula gives one group of all rows a random effect; with a single level "
                "its variance cannot be told from the fixed effects"
            )
        terms += _split(call, effects, texts, groups)
    for name, formula in call.vc_formula.items():
        terms.append(_component(call, name, formula, texts, groups))
    return terms


def _split(
    call: MixedLMCall, effects: Terms, texts: set[str], groups: tuple[str, ...]
) -> list[RandomTerm]:
    """Take the effects of re_formula apart where ``free=`` keeps them uncorrelated."""
    count = effects.intercept + len(effects.terms)
    if call.free == "all" or (count == 1 and not _factors_in(effects, texts)):
        return [RandomTerm(effects, groups)]
    if call.free == "other":
        raise NotInLme4("its free= lets some covariances vary and others not")
    if _factors_in(effects, texts):
        raise NotInLme4(
            "its free= keeps the levels of a factor uncorrelated; lme4's (f || g) does not, it "
            "takes an indicator column for each level"
        )
    found = [RandomTerm(Terms(True, ()), groups)] if effects.intercept else []
    return found + [RandomTerm(Terms(False, (term,)), groups) for term in effects.terms]


def _factors_in(effects: Terms, texts: set[str]) -> bool:
    return any(_is_factor(atom, texts) for term in effects.terms for atom in term)


def _is_factor(atom: Node, texts: set[str]) -> bool:
    return isinstance(atom, Name) and (atom.as_factor or atom.name in texts)


def _component(
    call: MixedLMCall, name: str, text: str, texts: set[str], groups: tuple[str, ...]
) -> RandomTerm:
    """Return the term of one variance component: an independent effect per column and group."""
    effects = expand(_parse(f"vc_formula[{name!r}]", text, call, right_side=True).fixed)
    what = f"the variance component {name!r} ({text})"
    if effects.intercept and not effects.terms:
        inner: tuple[str, ...] = ()
        slope: tuple[Node, ...] = ()
    else:
        if effects.intercept or len(effects.terms) != 1:
            raise NotInLme4(
                f"{what} has one variance for columns of several terms; lme4 gives each its own"
                + (". Write 0 + for no intercept" if effects.intercept else "")
            )
        atoms = effects.terms[0]
        inner = tuple(
            column
            for atom in atoms
            if isinstance(atom, Name) and _is_factor(atom, texts)
            for column in call.pasted.get(atom.name, (atom.name,))
        )
        slope = tuple(atom for atom in atoms if not _is_factor(atom, texts))
    group = tuple(dict.fromkeys((*groups, *inner)))
    if not group:
        raise NotInLme4(f"{what} is one effect for all rows, a grouping factor of one level")
    own = tuple(a for a in slope if isinstance(a, Name | Call))
    return RandomTerm(Terms(not own, (own,) if own else ()), group)


def _bars(terms: list[RandomTerm], *, diagonal: bool) -> Iterator[Bar]:
    """Write terms as bars; the uncorrelated ones of one group as one ``||``."""
    waiting = list(terms)
    while waiting:
        term = waiting.pop(0)
        with_it = [t for t in waiting if diagonal and t.group == term.group]
        for other in with_it:
            waiting.remove(other)
        effects = [term.effects, *(t.effects for t in with_it)]
        nodes: list[Node] = [_product(t) for e in effects for t in e.terms]
        intercept = any(e.intercept for e in effects)
        if not intercept:
            nodes.insert(0, Number("0"))
        elif not nodes:
            nodes = [Number("1")]
        group = _product(tuple(Name(column, as_factor=True) for column in term.group))
        yield Bar(reduce(partial(Binary, "+"), nodes), group, double=bool(with_it))


def _product(factors: tuple[Node, ...]) -> Node:
    return reduce(partial(Binary, ":"), factors)
