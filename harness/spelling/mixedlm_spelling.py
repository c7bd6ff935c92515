"""A model in the spelling of statsmodels, for the engine to run and for a person to read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial, reduce

import numpy as np

from harness.base.errors import BadInput
from harness.model.design import build_design
from harness.model.expression_text import render, render_name
from harness.model.formula import Binary, Call, Name, names_in, nodes_in
from harness.model.functions import FUNCTIONS
from harness.model.model import Model, RandomTerm, column_of, split_bar
from harness.model.table import FactorColumn, Table
from harness.model.terms import Term, Terms
from harness.spelling.patsy_language import (
    HIDING,
    NotExpressible,
    patsy,
    python_column,
    python_name,
)

SYMMETRIC = (
    "# compound symmetry by a random intercept: the residual variance is cov_re + scale, the",
    "# correlation cov_re / (cov_re + scale), which comes out as 0 where it should be negative",
)


@dataclass(frozen=True)
class MixedLMSpelling:
    """How statsmodels' MixedLM is called for a model.

    Attributes
    ----------
    formula : str
        Fixed effects in patsy's syntax.
    group : tuple of str
        Columns whose interaction is ``groups=``; empty for one group of all rows.
    group_term : int or None
        Index of a random term with that grouping factor.
    re_formula : str or None
    vc_formula : dict
        Variance components by name, each an independent effect per column.
    diagonal : bool
        Whether ``free=`` holds the covariances of ``re_formula`` at zero.
    components : tuple of str or None
        For each random term the variance component it became; None for one that is in the random
        effects of ``re_formula``.
    data_columns : dict
        Columns to add to the data: name -> columns to paste together with ``":"``.
    """

    formula: str
    group: tuple[str, ...]
    group_term: int | None
    re_formula: str | None
    vc_formula: dict[str, str]
    diagonal: bool
    components: tuple[str | None, ...]
    data_columns: dict[str, tuple[str, ...]] = field(default_factory=dict)


def mixedlm_spelling(model: Model, table: Table, *, aliased: bool) -> MixedLMSpelling:
    """Translate a model with random terms to a MixedLM call.

    With ``aliased`` the names are those of ``Table.alias``, and the grouping factor of term ``i``
    in a variance component is a column ``r<i>`` (to run); else they are the user's (to show).

    Raises
    ------
    NotExpressible
        With the reason.
    """
    model = _as_mixedlm_has_it(model, table)
    alias = table.alias

    def name(node: Name) -> str:
        if aliased:
            return alias[column_of(table, node).name]
        return _shown_name(node)

    formula = python_formula(model, name, table)
    terms = model.random
    top = _top_group(terms, table)
    inside = [t for t in terms if top and set(t.group) == set(top)]
    below = [t for t in terms if t not in inside]
    components: dict[int, str] = {}
    vc: dict[str, str] = {}

    scalars = all(_is_scalar(t.effects, table) for t in inside)
    diagonal = len(inside) > 1 and scalars
    if diagonal:
        effects = Terms(
            any(t.effects.intercept for t in inside),
            tuple(x for t in inside for x in t.effects.terms),
        )
    else:
        blocks = [t for t in inside if not _is_scalar(t.effects, table)]
        if len(blocks) > 1:
            raise NotExpressible(
                f"MixedLM has one unstructured covariance matrix per model; two terms with several "
                f"effects for {':'.join(top)} cannot be written"
            )
        main = blocks[0] if blocks else (inside[0] if inside else None)
        effects = main.effects if main else Terms(False, ())
        for t in inside:
            if t is not main:
                slope = _python_terms(t.effects, name, table)
                key = "Intercept" if t.effects.intercept else slope
                vc[key] = "1" if t.effects.intercept else f"0 + {slope}"
                components[terms.index(t)] = key

    extra: dict[str, tuple[str, ...]] = {}
    for t in below:
        if not _is_scalar(t.effects, table):
            raise NotExpressible(
                f"the term for {':'.join(t.group)} has several correlated effects; MixedLM allows "
                "those for one grouping factor only, and every other term must be a single effect"
            )
        key = f"r{terms.index(t)}" if aliased else ":".join(t.group)
        own = tuple(column for column in t.group if column not in top) or t.group
        if aliased:
            shown = key
        elif len(own) > 1:
            extra["_".join(own)] = own
            shown = python_name("_".join(own))
        else:
            shown = python_name(own[0])
        indicator = f"C({shown})"
        if not t.effects.intercept:
            slope = _python_terms(Terms(True, t.effects.terms), name, table)
            key = key if aliased else f"{key} {slope}"
            vc[key] = f"0 + {indicator}:{slope}"
        else:
            vc[key] = f"0 + {indicator}"
        components[terms.index(t)] = key

    has_effects = effects.intercept or effects.terms
    return MixedLMSpelling(
        formula=formula,
        group=top,
        group_term=next((i for i, t in enumerate(terms) if top and t.group == top), None),
        re_formula=_python_terms(effects, name, table) if has_effects else None,
        vc_formula=vc,
        diagonal=diagonal,
        components=tuple(components.get(i) for i in range(len(terms))),
        data_columns=extra,
    )


def _as_mixedlm_has_it(model: Model, table: Table) -> Model:
    """Write ``diag(1 + x | g)`` as ``(1 + x || g)``, and refuse what MixedLM has not."""
    if model.formula.weights is not None:
        raise NotExpressible("MixedLM has no weights; every residual has the same variance there")
    if model.residual is not None:
        if model.residual.structure != "cs":
            raise NotExpressible("MixedLM has no residual covariance")
        raise NotExpressible(
            "MixedLM has compound symmetry of the residuals by a random intercept only, without "
            "other random effects or het() beside it"
        )
    bars = []
    for bar in model.formula.bars:
        if bar.structure and bar.structure != "diag":
            raise NotExpressible(f"MixedLM has no random terms with {bar.structure}()")
        split = list(split_bar(replace(bar, double=True, structure="")))
        if bar.structure and not all(_is_scalar(term.effects, table) for term in split):
            raise NotExpressible(
                "diag() of a factor needs a column of each level, as variance components"
            )
        bars.append(replace(bar, double=True, structure="") if bar.structure else bar)
    return replace(model, formula=replace(model.formula, bars=tuple(bars)))


def _is_scalar(effects: Terms, table: Table) -> bool:
    """Whether a term has one column: the intercept, or one numeric effect without it."""
    if effects.intercept:
        return not effects.terms
    if len(effects.terms) != 1:
        return False
    return not any(
        isinstance(atom, Name) and isinstance(column_of(table, atom), FactorColumn)
        for atom in effects.terms[0]
    )


def _top_group(terms: tuple[RandomTerm, ...], table: Table) -> tuple[str, ...]:
    """Return the grouping factor within which all others lie, or () when they are crossed.

    Read off the data, not off the formula: ``(1 | batch) + (1 | sample)`` is nested when every
    sample lies in one batch.
    """
    groups = list(dict.fromkeys(t.group for t in terms))
    for candidate in sorted(groups, key=len):
        if all(_nested(other, candidate, table) for other in groups):
            return candidate
    return ()


def _nested(inner: tuple[str, ...], outer: tuple[str, ...], table: Table) -> bool:
    if set(outer) <= set(inner):
        return True
    used = table.rows(table.complete)
    columns = [column_of(used, Name(c, as_factor=True)) for c in (*inner, *outer)]
    codes = [c.codes for c in columns if isinstance(c, FactorColumn)]
    within = list(zip(*codes[: len(inner)], strict=True))
    parent: dict[tuple[int, ...], tuple[int, ...]] = {}
    return all(
        parent.setdefault(child, above) == above
        for child, above in zip(within, zip(*codes[len(inner) :], strict=True), strict=True)
    )


def python_formula(model: Model, name: Callable[[Name], str], table: Table | None = None) -> str:
    """Return outcome and fixed effects in patsy's syntax.

    Raises
    ------
    NotExpressible
        For a function that patsy has not, or has another one of.
    """
    outcome = model.formula.outcome
    if model.formula.offsets:  # patsy has none; less its offset the outcome has the same model
        outcome = Call("I", reduce(partial(Binary, "-"), model.formula.offsets, outcome))
    shown = render(outcome, name, patsy(table))
    return f"{shown} ~ {_python_terms(model.fixed, name, table)}"


def _python_terms(terms: Terms, name: Callable[[Name], str], table: Table | None = None) -> str:
    pieces = [_python_term(term, name, table) for term in terms.terms]
    if not terms.intercept:
        pieces.insert(0, "0")
    return " + ".join(pieces) or "1"


def _python_term(term: Term, name: Callable[[Name], str], table: Table | None) -> str:
    # patsy reads arithmetic inside I() and functions as Python, so only ^ has to change.
    return ":".join(render(atom, name, patsy(table)) for atom in term)


def _shown_name(node: Name) -> str:
    shown = python_name(node.name)
    return f"C({shown})" if node.as_factor else shown


_WITH_A_MEAN = ("sum", "helmert", "poly")
"""Codings that patsy completes by a column for the mean."""


def _require_same_columns(model: Model, table: Table) -> None:
    """Refuse what would have other columns in Python: the sentences say why."""
    for node in (n for part in model.parts() for n in nodes_in(part)):
        if not (isinstance(node, Call) and FUNCTIONS[node.function].of_data):
            continue
        missing = [column_of(table, name).missing for name in names_in(node)]
        if missing and (~np.any(missing, axis=0) & ~table.complete).any():
            raise NotExpressible(
                f"R computes {render_name(node)} from all rows with a value, MixedLM from those "
                "that miss none in any column; leave incomplete rows out of the data first"
            )
    coded = [n for n in model.names() if n.coding is not None and n.coding.kind in _WITH_A_MEAN]
    if not coded:
        return
    try:
        design = build_design(model, table)
    except BadInput:  # a stand-in for data that are not there
        return
    columns = (*design.x_names, *(name for term in design.random for name in term.names))
    for node in coded:
        if any(f"{render_name(node)}[" in column for column in columns):
            raise NotExpressible(
                f"where {render_name(node)} stands without its margin R has an indicator for each "
                "level, and patsy a mean and the columns of the coding"
            )


def python_call(model: Model, table: Table) -> str:
    """Return the statsmodels call that fits the model, or why there is none."""
    symmetric = model.by_random_intercept
    model = symmetric or model
    try:
        _require_same_columns(model, table)
        if model.criterion == "OLS":
            formula, weights = python_formula(model, _shown_name, table), model.formula.weights
            fit_line = (
                f"smf.ols({formula!r}, data).fit()"
                if weights is None
                else f"smf.wls({formula!r}, data, weights={_data((weights.name,))}).fit()"
            )
            return "\n".join([*_preparation(table), fit_line])
        spelling = mixedlm_spelling(model, table, aliased=False)
    except NotExpressible as reason:
        return f"# not expressible: {reason}"
    lines = _preparation(table)
    if symmetric is not None:
        lines += SYMMETRIC
    if table.labels_repeat and spelling.vc_formula:
        # MixedLM takes the rows of a component by label, and stops where one stands for several.
        lines.append("data = data.reset_index(drop=True)")
    lines += [
        f"data[{column!r}] = {_data(pasted)}" for column, pasted in spelling.data_columns.items()
    ]
    groups = _data(spelling.group) if spelling.group else "np.ones(len(data))"
    arguments = [repr(spelling.formula), "data", f"groups={groups}"]
    if spelling.re_formula not in (None, "1") or spelling.vc_formula:
        arguments += [f"re_formula={spelling.re_formula!r}"] if spelling.re_formula else []
    if spelling.vc_formula:
        arguments.append(f"vc_formula={spelling.vc_formula!r}")
    fit = [f"reml={model.criterion == 'REML'}"]
    if spelling.diagonal:
        lines.append("# free= keeps the random effects uncorrelated (not honoured by powell, nm)")
        free = ["np.ones(model.k_fe)", "np.eye(model.k_re)"]
        free += ["vcomp=np.ones(model.k_vc)"] if spelling.vc_formula else []
        fit.append(f"free=MixedLMParams.from_components({', '.join(free)})")
    lines += [f"model = smf.mixedlm({', '.join(arguments)})", f"model.fit({', '.join(fit)})"]
    return "\n".join(lines)


def _preparation(table: Table) -> list[str]:
    """Lines that make the data what the formulas expect."""
    columns = list(dict.fromkeys(re.sub(r"^factor\((.*)\)$", r"\1", n) for n in table.names))
    lines = []
    if not table.complete.all():
        lines.append(f"data = data.dropna(subset={columns!r})")
    hiding = {name: python_column(name) for name in columns if name in HIDING}
    if hiding:
        lines.append(f"data = data.rename(columns={hiding!r})")
    return lines


def _data(columns: tuple[str, ...]) -> str:
    """Write the column, or the pasted columns, of a grouping factor."""
    taken = [f"data[{python_column(column)!r}]" for column in columns]
    return taken[0] if len(taken) == 1 else ' + ":" + '.join(f"{t}.astype(str)" for t in taken)


def missing_rows(model: Model) -> str:
    """Say when MixedLM's formulas raise an error for a row that misses a value.

    With ``missing='drop'`` patsy evaluates the formula where ``Q`` finds no column (statsmodels
    0.15.0: "no data named ... found").
    """
    formula = model.formula
    names = [*names_in(formula.outcome), *names_in(formula.fixed)]
    if any(python_name(name.name).startswith("Q(") for name in names):
        return "with missing='drop' too, for names in Q() are then not found"
    return "unless missing='drop' is given"


IMPORTS = {
    "np.": "import numpy as np",
    "pd.": "import pandas as pd",
    "smf.": "import statsmodels.formula.api as smf",
    "poly(": "from formulaic.transforms import poly",
    "MixedLMParams.": "from statsmodels.regression.mixed_linear_model import MixedLMParams",
}


def imported(code: str) -> str:
    """Put the imports that Python code needs before it."""
    return "\n".join([*(line for used, line in IMPORTS.items() if used in code), code])
