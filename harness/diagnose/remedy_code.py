"""How a user fits a model, by a recipe or as it comes: the code of a remedy, in each language.

What is written here is what is run, see :mod:`harness.diagnose.shown_code`. Numbers are written
with all their digits, so that whoever copies the code gives the optimizer the same start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.data.rungs import Rung
from harness.diagnose.remodel import preparation
from harness.diagnose.runs import Recipe
from harness.model.column_match import match_columns
from harness.spelling.lme4_spelling import r_call
from harness.spelling.mixedlm_spelling import (
    MixedLMSpelling,
    imported,
    mixedlm_spelling,
    python_call,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Writing:
    """A case with the lines that make its data of the user's.

    Attributes
    ----------
    kind : str
        As of a remedy, ``centre`` or ``rescale``; empty for the case as it is.
    title : str
        What was done to the data, ``"centre day at 737842"``; empty where nothing was.
    r_lines, python_lines : str
    steps : tuple of str
        ``centre``, ``scale``, or both.
    meaning : str
        Which coefficients then are something else, and what.
    """

    rung: Rung
    kind: str = ""
    title: str = ""
    r_lines: str = ""
    python_lines: str = ""
    steps: tuple[str, ...] = ()
    meaning: str = ""


@dataclass(frozen=True)
class Habits:
    """How the user fits: what is kept in every call that is shown.

    Attributes
    ----------
    method : str
        ``method=`` of ``MixedLM.fit``; empty for its own chain.
    control : str
        ``control =`` of lmer, as R code; empty for its own.
    use_sqrt : bool
        ``use_sqrt=`` of MixedLM.
    drops_missing : bool
        Whether rows that lack a value are left out, though the case shows none.
    """

    method: str = ""
    control: str = ""
    use_sqrt: bool = True
    drops_missing: bool = False


AS_IT_COMES = Habits()


def r_code(writing: Writing, recipe: Recipe | None = None, habits: Habits = AS_IT_COMES) -> str:
    """Write the call of lme4."""
    case = writing.rung.case
    if recipe is not None and recipe.plain:
        recipe, habits = None, replace(habits, control="")
    call = r_call(case.model).removesuffix(")")
    start, told, control = "", "", habits.control
    if recipe is not None and recipe.relative:
        order = lme4_order([len(term.levels) for term in case.design.random])
        values = [v for t in order for v in _theta_of(recipe.relative[t])]
        start = f",\n  start = c({', '.join(map(repr, values))})"
        if len(order) > 1:
            told = "# start has theta, the term with most levels first"
    if recipe is not None:
        control = _control(recipe)
    shown = f",\n  control = {control}" if control and case.design.random else ""
    factors, _ = preparation(writing.rung)
    return stacked(writing.r_lines, factors, told, f"{call}{start}{shown})")


def _control(recipe: Recipe) -> str:
    options = [f'algorithm = "{recipe.method}"'] if recipe.optimizer == "nloptwrap" else []
    if recipe.tight:
        options += ["xtol_abs = 1e-12", "xtol_rel = 1e-12", "ftol_abs = 1e-12", "maxeval = 20000"]
    listed = f",\n    optCtrl = list({', '.join(options)})" if options else ""
    return f'lme4::lmerControl(optimizer = "{recipe.optimizer}"{listed})'


def lme4_order(levels: Sequence[int]) -> list[int]:
    """Return the order in which lme4 has terms of so many levels: ``mkReTrms`` in its R code."""
    order = list(range(len(levels)))
    if any(b > a for a, b in pairwise(levels)):
        # rev(order(nl)), which turns terms of as many levels round as well.
        order = sorted(order, key=lambda t: levels[t])[::-1]
    return order


def _theta_of(psi: Array) -> list[float]:
    lower = np.linalg.cholesky(psi)
    columns, rows = np.triu_indices(len(lower))
    return [float(v) for v in lower[rows, columns]]


def python_code(
    writing: Writing, recipe: Recipe | None = None, habits: Habits = AS_IT_COMES
) -> str:
    """Write the call of statsmodels.

    Raises
    ------
    NotExpressible
        For a model that MixedLM cannot be given.
    """
    case = writing.rung.case
    if recipe is not None and recipe.plain:
        recipe, habits = None, replace(habits, method="")
    extra: list[str] = []
    lines = ""
    fitted = case.by_random_intercept
    if fitted.design.random:
        spelling = mixedlm_spelling(fitted.model, fitted.table, aliased=False)
        method = habits.method if recipe is None else recipe.optimizer or habits.method
        if spelling.diagonal and method in ("powell", "nm"):
            method = ""  # they ignore free=, and would fit another model
        extra = [f"method={method!r}"] if method else []
        if recipe is not None:
            extra += [f"{k}={v!r}" for k, v in recipe.tolerances.items()]
        if recipe is not None and recipe.relative:
            lines = _start(writing.rung, spelling, recipe.relative)
            extra.append("start_params=start")
    head, _, last = python_call(case.model, case.table).rpartition("\n")
    if not habits.use_sqrt and fitted.design.random:
        head = head.removesuffix(")") + ", use_sqrt=False)"
    last = last.removesuffix(")") + "".join(f", {e}" for e in extra) + ")"
    if last.endswith("(, )"):
        last = last.replace("(, ", "(")
    _, factors = preparation(writing.rung)
    dropped = ""
    if habits.drops_missing and case.table.complete.all():
        names = list(dict.fromkeys(name.name for name in case.model.names()))
        dropped = f"data = data.dropna(subset={names!r})"
    return imported(stacked(dropped, writing.python_lines, factors, head, lines, last))


def _start(rung: Rung, spelling: MixedLMSpelling, relative: Sequence[Array]) -> str:
    """Write start_params: effects in the order of patsy's columns, components by their names."""
    pairs = list(zip(rung.case.design.random, relative, spelling.components, strict=True))
    inside = [(term.z, psi) for term, psi, component in pairs if component is None]
    named = sorted(
        (component, float(psi[0, 0])) for _, psi, component in pairs if component is not None
    )
    arguments = ["np.zeros(model.k_fe)"]
    if inside:
        z = np.column_stack([z for z, _ in inside])
        psi = np.zeros((z.shape[1], z.shape[1]))
        first = 0
        for _, block in inside:
            psi[first : first + len(block), first : first + len(block)] = block
            first += len(block)
        order = _patsy_order(rung, z)
        rows = [[float(v) for v in row] for row in psi[np.ix_(order, order)]]
        arguments.append(f"np.array({rows!r})")
    if named:
        arguments.append(f"vcomp=np.array({[value for _, value in named]!r})")
    return f"start = MixedLMParams.from_components({', '.join(arguments)})"


def _patsy_order(rung: Rung, z: Array) -> list[int]:
    """Return the columns of Z as MixedLM has them: patsy moves those of factors to the front."""
    import statsmodels.formula.api as smf

    case = rung.case.in_columns
    run = mixedlm_spelling(case.model, case.table, aliased=True)
    codes = next(t.codes for t in case.design.random)
    if run.re_formula is None:
        return list(range(z.shape[1]))
    model = smf.mixedlm(run.formula, case.complete_frame, groups=codes, re_formula=run.re_formula)
    match = match_columns(z, np.asarray(model.exog_re, dtype=np.float64))
    place = list(match.engine)
    return [place.index(j) for j in range(len(place))]


def stacked(*parts: str) -> str:
    """Join the lines that there are."""
    return "\n".join(part for part in parts if part)
