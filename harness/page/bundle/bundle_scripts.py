"""The stand-alone scripts of a reproduction bundle: how a user of each engine fits the model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
from jinja2 import Environment

import harness
from harness.base.numerics import repeatable
from harness.base.resources import r_script
from harness.data.exact_csv import missing_mark
from harness.engines.environments import Program, program
from harness.model.case import Case
from harness.model.formula import Name, names_in
from harness.model.model import column_of
from harness.model.table import FactorColumn
from harness.page.bundle.bundle_columns import BundleColumn, bundle_columns
from harness.page.bundle.template_environment import environment
from harness.spelling.lme4_spelling import effects_text, lme4_bars, lme4_formula
from harness.spelling.mixedlm_spelling import mixedlm_spelling, python_formula
from harness.spelling.nlme_call import nlme_correlation
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
    facts = _python_facts(case, title, environment)
    facts |= {"file": PYTHON_SCRIPT, "packages": (), "tight": case.model.criterion != "OLS"}
    return _environment().get_template("reproduce.py.j2").render(facts)


def _python_facts(case: Case, title: str, environment: Mapping[str, str] | None) -> dict[str, Any]:
    facts = _facts(case, title)
    facts["environment"] = repeatable() if environment is None else dict(environment)
    facts |= {"unsupported": "", "ols": case.model.criterion == "OLS"}
    facts["python_formula"] = python_formula(case.model, _short_name(case))
    if case.model.criterion != "OLS":
        try:
            facts |= _mixedlm(case)
        except NotExpressible as reason:
            facts["unsupported"] = str(reason)
    return facts


def has_template(program: Program, case: Case) -> bool:
    """Whether it is known how a user of a ready program writes the model of a case."""
    if _template(program) not in _environment().list_templates():
        return False
    model = case.model
    weighted, structured = model.formula.weights is not None, model.structured is not None
    match program.file:
        case "nlme_lme.R":
            return model.residual is None or _in_nlme(case) is not None
        case "lme4_lmer.R":
            return model.residual is None and not structured
        case "glmmtmb.R":  # what its dispersion is depends on its version
            return model.residual is None and not weighted
    return model.residual is None and not structured and not weighted


_NLME_BLOCKS = {"": "pdLogChol", "diag": "pdDiag", "homdiag": "pdIdent", "homcs": "pdCompSymm"}


def _in_nlme(case: Case) -> str | None:
    """Write a residual correlation as nlme's argument; None where the groups are told by more.

    Visits of corSymm are 1, 2, and so on. Variances by strata have nlme's own reference, the first
    in the data.
    """
    residual = case.model.residual
    assert residual is not None
    nesting = _nesting(case)
    group = _group_columns(case, residual.group)
    if residual.strata or residual.structure in ("us", "toep"):
        return None
    if nesting and set(nesting[-1]["group"]) != set(group):
        return None
    shorts, position = _shorts(case), None
    if residual.position is not None:
        column = column_of(case.table, residual.position)
        if residual.structure == "corr" and not isinstance(column, FactorColumn):
            visits = np.unique(column.values[case.table.complete])
            if not np.array_equal(visits, np.arange(1.0, len(visits) + 1.0)):
                return None
        position = Name(shorts[column.name], as_factor=isinstance(column, FactorColumn))
    inside = tuple(f"g{i}" for i, _ in enumerate(nesting, 1)) or group
    return nlme_correlation(replace(residual, position=position, group=inside))


def ready_script(
    name: str, case: Case, title: str, file: str, environment: Mapping[str, str] | None = None
) -> str:
    """Return a program that fits the case as a user of the ready engine ``name`` does."""
    found = program(name)
    model, shorts = case.model.without_weights, _shorts(case)
    fixed = lme4_formula(replace(model, formula=replace(model.formula, bars=())), shorts)
    if found.language == "r":
        facts = _r_facts(case, title)
        facts |= {
            "optimizer": next(iter(found.arguments), ""),
            "tested": "lmerTest" in found.arguments,
            "nesting": _nesting(case),
            "more": "",
        }
        if model.residual is not None:
            facts["more"] = f", correlation = nlme::{_in_nlme(case)}"
        elif facts["weights"]:
            facts["more"] = f", weights = nlme::varFixed(~ 1 / {facts['weights']})"
    else:
        facts = _python_facts(case, title, environment)
        fixed = fixed.replace("^", "**")
        factors = [c.name for c in case.table.columns if isinstance(c, FactorColumn)]
        inside = [column_of(case.table, n).name for n in names_in(model.formula.fixed)]
        facts |= {
            "stated": [package.partition("==")[0] for package in found.packages],
            "packages": found.packages,
            "reml": model.criterion == "REML",
            "fixed_factors": [shorts[c] for c in dict.fromkeys(inside) if c in factors],
        }
    bars = [_spelled_out(bar) for bar in lme4_bars(model, shorts)]
    facts |= {
        "engine": name,
        "file": file,
        "criterion": model.criterion,
        "tight": False,
        "formula": lme4_formula(model, shorts),
        "fixed": fixed,
        "bars": bars,
        "spelled_out": " + ".join([fixed, *bars]),
    }
    return _environment().get_template(_template(found)).render(facts)


def _template(program: Program) -> str:
    return f"engines/{program.file}.j2"


def _spelled_out(bar: str) -> str:
    """Write the intercept of ``(x | g)``, which not every engine takes for granted."""
    return bar if re.match(r"\((0|1|-)", bar) else f"(1 + {bar[1:]}"


def _nesting(case: Case) -> list[dict[str, Any]]:
    """Return the grouping factors from the outermost, each with the effects of its terms."""
    found: dict[tuple[str, ...], tuple[int, list[str]]] = {}
    for term, design in zip(case.model.random, case.design.random, strict=True):
        group = _group_columns(case, term.group)
        _, effects = found.setdefault(group, (len(design.levels), []))
        block = _NLME_BLOCKS.get(term.structure, "")
        effects.append(f"{block}(~ {effects_text(term.effects, _short_name(case))})")
    inner = sorted(found.items(), key=lambda item: item[1][0])
    return [{"group": group, "effects": effects} for group, (_, effects) in inner]


def _mixedlm(case: Case) -> dict[str, Any]:
    """Return how MixedLM is called: the engine's own spelling in the script's names."""
    case = case.by_random_intercept
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
    facts = _r_facts(case, title)
    model = case.model
    if model.residual is not None or model.structured is not None:
        facts["unsupported"] = "it has no residual covariance"
        if model.structured is not None:
            facts["unsupported"] = f"it has no {model.structured.structure}() before version 2.0"
        return _environment().get_template("unsupported.R.j2").render(facts)
    facts["tight"] = "" if facts["ols"] else r_script("tight_search.R").read_text(encoding="utf-8")
    return _environment().get_template("reproduce.R.j2").render(facts)


def _r_facts(case: Case, title: str) -> dict[str, Any]:
    return _facts(case, title) | {
        "ols": case.model.criterion == "OLS",
        "formula": lme4_formula(case.model.without_weights, _shorts(case)),
        "weighted": ", weights = model_weights" if case.model.formula.weights else "",
        "reml": "TRUE" if case.model.criterion == "REML" else "FALSE",
        "environment_text": " ".join(f"{k}={v}" for k, v in repeatable().items()),
    }


def _facts(case: Case, title: str) -> dict[str, Any]:
    weights = case.model.formula.weights
    criterion = {"OLS": "least squares"}.get(case.model.criterion, case.model.criterion)
    return {
        "title": _one_line(title),
        "program": f"lmm-parity {harness.__version__}",
        "missing": missing_mark(case.table),
        "columns": bundle_columns(case.table),
        "shown": f"{_shown(case)}, {criterion}",
        "weights": "" if weights is None else _shorts(case)[column_of(case.table, weights).name],
    }


def _shown(case: Case) -> str:
    formula, residual = lme4_formula(case.model, _shorts(case)), case.model.residual
    return formula if residual is None else f"{formula}, residual {residual.text(_shorts(case))}"


def _one_line(text: str) -> str:
    """Make a title safe inside a comment and a docstring."""
    text = " ".join(text.split()).replace("\\", "/").replace('"', "'")
    return text or "A model"


def _shorts(case: Case) -> dict[str, str]:
    return {column.name: column.short for column in bundle_columns(case.table)}


def _short_name(case: Case) -> Callable[[Name], str]:
    shorts = _shorts(case)
    return lambda node: shorts[column_of(case.table, node).name]


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
