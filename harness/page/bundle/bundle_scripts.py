"""The two stand-alone scripts of a reproduction bundle, and running them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment

import harness
from harness.base.numerics import repeatable
from harness.base.resources import r_script
from harness.data.exact_csv import missing_mark
from harness.model.case import Case
from harness.model.formula import Name
from harness.model.model import column_of
from harness.page.bundle.bundle_columns import BundleColumn, bundle_columns
from harness.page.bundle.template_environment import environment
from harness.rbridge.failures import REnvironment
from harness.rbridge.rscript import run_rscript
from harness.spelling.calls import lme4_formula, mixedlm_spelling, python_formula
from harness.spelling.patsy_language import NotExpressible

PYTHON_SCRIPT = "reproduce.py"
R_SCRIPT = "reproduce.R"

_ALIAS = re.compile(r"\bv\d+\b")


@dataclass(frozen=True)
class Ran:
    """What a script printed.

    Attributes
    ----------
    text : str
        Standard output.
    problem : str
        Why there is no full output; empty when there is.
    """

    text: str
    problem: str = ""


def python_script(case: Case, title: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a Python program that fits the case as the statsmodels engine does.

    It needs numpy, pandas, statsmodels and ``data.csv``. For a model that MixedLM cannot be given
    it says so. ``environment`` holds the variables of the BLAS under which the record's numbers
    were had; those of :func:`harness.base.numerics.repeatable` unless given.
    """
    facts = _facts(case, title)
    facts["environment"] = repeatable() if environment is None else dict(environment)
    facts |= {"unsupported": "", "ols": case.model.criterion == "OLS"}
    shorts = _shorts(case)

    def name(node: Name) -> str:
        return shorts[column_of(case.table, node).name]

    facts["formula"] = python_formula(case.model, name)
    if case.model.criterion != "OLS":
        try:
            facts |= _mixedlm(case)
        except NotExpressible as reason:
            facts["unsupported"] = str(reason)
    return _environment().get_template("reproduce.py.j2").render(facts)


def _mixedlm(case: Case) -> dict[str, Any]:
    """Return how MixedLM is called: the engine's own spelling in the script's names."""
    spelling = mixedlm_spelling(case.model, case.table, aliased=True)
    by_alias = {alias: _shorts(case)[name] for name, alias in case.table.alias.items()}

    def shown(text: str) -> str:
        return _ALIAS.sub(lambda hit: by_alias[hit[0]], text)

    groups = [_group_columns(case, term.group) for term in case.model.random]
    return {
        "group": () if spelling.group_term is None else groups[spelling.group_term],
        "components": {
            f"r{i}": group
            for i, group in enumerate(groups)
            if any(f"C(r{i})" in formula for formula in spelling.vc_formula.values())
        },
        "re_formula": None if spelling.re_formula is None else shown(spelling.re_formula),
        "vc_formula": {shown(k): shown(f) for k, f in spelling.vc_formula.items()} or None,
        "diagonal": spelling.diagonal,
        "reml": case.model.criterion == "REML",
    }


def r_script_text(case: Case, title: str) -> str:
    """Return an R program, in base style, that fits the case as the lme4 engine does."""
    facts = _facts(case, title)
    facts |= {
        "ols": case.model.criterion == "OLS",
        "formula": lme4_formula(case.model, _shorts(case)),
        "reml": "TRUE" if case.model.criterion == "REML" else "FALSE",
        "tight": r_script("tight_search.R").read_text(encoding="utf-8"),
        "environment_text": " ".join(f"{k}={v}" for k, v in repeatable().items()),
    }
    return _environment().get_template("reproduce.R.j2").render(facts)


def _facts(case: Case, title: str) -> dict[str, Any]:
    criterion = {"OLS": "least squares"}.get(case.model.criterion, case.model.criterion)
    return {
        "title": _one_line(title),
        "program": f"lmm-parity {harness.__version__}",
        "missing": missing_mark(case.table),
        "columns": bundle_columns(case.table),
        "shown": f"{lme4_formula(case.model, _shorts(case))}, {criterion}",
    }


def _one_line(text: str) -> str:
    """Make a title safe inside a comment and a docstring."""
    text = " ".join(text.split()).replace("\\", "/").replace('"', "'")
    return text or "A model"


def _shorts(case: Case) -> dict[str, str]:
    return {column.name: column.short for column in bundle_columns(case.table)}


def _group_columns(case: Case, group: tuple[str, ...]) -> tuple[str, ...]:
    shorts = _shorts(case)
    return tuple(shorts[column_of(case.table, Name(g, as_factor=True)).name] for g in group)


@cache
def _environment() -> Environment:
    return environment(
        {
            "python": repr,
            "python_levels": _python_levels,
            "python_comment": partial(_comment, mark="  # "),
            "r": r_string,
            "r_levels": _r_levels,
            "r_comment": partial(_comment, mark=" # "),
            "ascii": ascii,
        }
    )


def _comment(column: BundleColumn, *, mark: str) -> str:
    return "" if column.name == column.short else f"{mark}{column.name!r}"


def r_string(text: str) -> str:
    """Write a text as a string of R: pure ASCII, so that no locale can misread it."""
    out = []
    for character in text:
        code = ord(character)
        if character in '"\\':
            out.append(f"\\{character}")
        elif 32 <= code < 127:
            out.append(character)
        else:
            out.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return f'"{"".join(out)}"'


def _r_levels(levels: tuple[str, ...] | None) -> str:
    return "NULL" if levels is None else f"c({_wrapped(map(r_string, levels))})"


def _python_levels(levels: tuple[str, ...] | None) -> str:
    return "None" if levels is None else f"[{_wrapped(map(repr, levels))}]"


def _wrapped(items: Iterable[str]) -> str:
    """Join items by commas, on lines of their own once they fill more than half of one."""
    lines = [""]
    for item in items:
        if lines[-1] and len(lines[-1]) + len(item) > 90:
            lines.append("")
        lines[-1] += f"{', ' if lines[-1] else ''}{item}"
    if len(lines) == 1 and len(lines[0]) < 60:
        return lines[0]
    indented = ",\n".join(f"    {line}" for line in lines)
    return f"\n{indented}\n  "


def run_script(folder: Path, script: str, *, timeout: float) -> Ran:
    """Run one of a bundle's scripts in its folder and return what it printed.

    The scripts' own errors are in what they print; a program that is missing, hangs or dies is the
    ``problem``.
    """
    try:
        if script == R_SCRIPT:
            done = run_rscript(folder / script, timeout=timeout)
        else:
            done = subprocess.run(
                [sys.executable, "-I", "-X", "utf8", script],
                cwd=folder,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout,
                check=False,
                stdin=subprocess.DEVNULL,
            )
    except REnvironment as missing:
        return Ran("", str(missing))
    except subprocess.TimeoutExpired:
        return Ran("", f"it was ended after {timeout:g} seconds")
    except OSError as error:
        return Ran("", f"it could not be started: {error.strerror or error}")
    if done.returncode == 0:
        return Ran(done.stdout)
    last = [line for line in done.stderr.splitlines() if line.strip()][-1:] or ["no message"]
    return Ran(done.stdout, f"it ended with code {done.returncode}: {last[0].strip()}")
