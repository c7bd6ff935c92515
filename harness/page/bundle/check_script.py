"""A script that computes a likelihood by its definition, with numpy and nothing of this program."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

import numpy as np

import harness
from harness.engines.engine import Fit
from harness.model.case import Case
from harness.model.design import Design
from harness.page.bundle.template_environment import environment

CHECK_SCRIPT, CHECK_DATA = "check.py", "check.csv"

MOST_ROWS = 500
"""Rows up to which there is a script: its matrices are rows by rows."""

_FULL = 1e-6
"""Share of the residual variance above which a variance is not zero."""


def check_files(
    case: Case, points: Mapping[str, Fit], title: str, *, tests: bool
) -> dict[str, str]:
    """Return the script and its data by their names; none for more than :data:`MOST_ROWS` rows.

    Parameters
    ----------
    points : mapping of str to Fit
        Fits whose variances it evaluates, by what they are called.
    tests : bool
        Whether standard errors are printed, too, and df; these not at a singular point, where the
        curvature depends on how variances are written.
    """
    design = case.design
    if len(design.y) > MOST_ROWS or case.model.criterion == "OLS" or case.model.residual:
        return {}
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    columns: dict[str, list[float]] = {"outcome": design.y.tolist()}
    columns |= {
        f"fixed {name}": column.tolist()
        for name, column in zip(design.x_names, design.x.T, strict=True)
    }
    for i, term in enumerate(design.random):
        columns[f"group {i}"] = [float(code) for code in term.codes]
        columns |= {f"effect {i} {j}": z.tolist() for j, z in enumerate(term.z.T)}
    table.writerow(columns)
    table.writerows(zip(*(map(repr, c) for c in columns.values()), strict=True))
    text = (
        environment({"python": repr})
        .get_template("check.py.j2")
        .render(
            title=" ".join(title.split()).replace("\\", "/").replace('"', "'"),
            program=f"lmm-parity {harness.__version__}",
            reml=case.model.criterion == "REML",
            names=list(design.x_names),
            effects=[term.z.shape[1] for term in design.random],
            points=[
                (name, fit.residual_variance, [[*map(list, t.covariance)] for t in fit.random])
                for name, fit in points.items()
            ],
            tests=tests,
            df=all(_full_rank(design, fit) for fit in points.values()),
        )
    )
    return {CHECK_SCRIPT: text, CHECK_DATA: out.getvalue()}


def _full_rank(design: Design, fit: Fit) -> bool:
    """Whether every variance is above zero, in units of the residual variance."""
    for term, own in zip(design.random, fit.random, strict=True):
        size = np.sqrt((term.z**2).mean(axis=0))
        scaled = np.array(own.covariance) * np.outer(size, size) / fit.residual_variance
        if not np.linalg.eigvalsh(scaled)[0] > _FULL:
            return False
    return True
