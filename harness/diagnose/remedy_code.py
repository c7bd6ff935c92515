"""How a user runs an engine by a recipe: the code of a remedy, in each language."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.diagnose.bench import Bench
from harness.diagnose.remodel import preparation
from harness.diagnose.runs import Recipe
from harness.spelling.calls import mixedlm_spelling, python_call, r_call

Array = NDArray[np.float64]


def r_code(bench: Bench, recipe: Recipe) -> str:
    """Write the call of lme4."""
    control = {
        "nloptwrap": f', optCtrl = list(algorithm = "{recipe.method}"',
    }.get(recipe.optimizer, "")
    if recipe.tight:
        control += (
            ", " if control else ", optCtrl = list("
        ) + "xtol_abs = 1e-12, xtol_rel = 1e-12, ftol_abs = 1e-12, maxeval = 20000"
    closed = f"{control})" if control else ""
    call = r_call(bench.case.model).removesuffix(")")
    start, told = "", ""
    if recipe.relative:
        order = lme4_order([len(term.levels) for term in bench.case.design.random])
        values = [v for t in order for v in _theta_of(recipe.relative[t])]
        start = f", start = c({', '.join(f'{v:.6g}' for v in values)})"
        if len(order) > 1:
            told = "# start has theta, the term with most levels first"
    factors, _ = preparation(bench.rung)
    return stacked(
        factors,
        told,
        f'{call}{start},\n  control = lmerControl(optimizer = "{recipe.optimizer}"{closed}))',
    )


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


def python_code(bench: Bench, recipe: Recipe) -> str:
    """Write the call of statsmodels."""
    call = python_call(bench.case.model, bench.case.table)
    extra = [f"method={recipe.optimizer!r}"] if recipe.optimizer else []
    extra += [f"{k}={v:g}" for k, v in recipe.tolerances.items()]
    lines = ""
    if recipe.relative:
        spelling = mixedlm_spelling(bench.case.model, bench.case.table, aliased=False)
        inside = [p for p, c in zip(recipe.relative, spelling.components, strict=True) if c is None]
        vc = [
            f"{p[0, 0]:.6g}"
            for p, c in zip(recipe.relative, spelling.components, strict=True)
            if c is not None
        ]
        matrix = inside[0] if len(inside) == 1 else np.diag([p[0, 0] for p in inside])
        values = [[float(f"{v:.6g}") for v in row] for row in matrix.tolist()]
        arguments = ["np.zeros(model.k_fe)"]
        if inside:
            arguments.append(f"np.array({values})")
        if vc:
            arguments.append(f"vcomp=np.array([{', '.join(vc)}])")
        lines = f"start = MixedLMParams.from_components({', '.join(arguments)})\n"
        extra.append("start_params=start")
    head, _, last = call.rpartition("\n")
    last = last.removesuffix(")") + "".join(f", {e}" for e in extra) + ")"
    _, factors = preparation(bench.rung)
    return stacked(factors, head, f"{lines}{last}")


def stacked(*parts: str) -> str:
    """Join the lines that there are."""
    return "\n".join(part for part in parts if part)
