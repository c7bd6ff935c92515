"""One model in both engines' spelling: the text a user sees does what the engine did."""

import ast

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from formulaic.transforms import poly
from statsmodels.regression.mixed_linear_model import MixedLMParams

from harness.engines.engine import Fit
from harness.engines.lme4 import Lme4Engine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.spelling.lme4_spelling import lme4_formula, r_call
from harness.spelling.mixedlm_spelling import mixedlm_spelling, python_call
from harness.spelling.model_description import in_words
from harness.spelling.patsy_language import NotExpressible


def _frame():
    rng = np.random.default_rng(3)
    n = 120
    frame = pd.DataFrame(
        {
            "my y": rng.normal(size=n),
            "Days": rng.normal(size=n),
            "C": rng.choice(["k", "l"], n),
            "größe": rng.uniform(1, 2, n),
            "I": rng.normal(size=n),
            "gr p": np.repeat(np.arange(12), 10),
            "b": np.tile(np.repeat(np.arange(2), 5), 12),
            "s": np.tile(list("pqrst"), 24),
            "np": rng.normal(size=n),
            "Q": rng.normal(size=n),
            "f": rng.choice(list("abc"), n),
            "class": rng.normal(size=n),
            "num": rng.choice([2, 10, 1], n),
            "a.b": rng.normal(size=n),
        }
    )
    effects = rng.normal(size=(12, 2)) * [1.0, 0.7]
    frame["my y"] += effects[frame["gr p"], 0] + effects[frame["gr p"], 1] * frame["Days"]
    frame["my y"] += frame.s.map(dict(zip("pqrst", rng.normal(size=5), strict=True)))
    frame["my y"] += rng.normal(size=24)[frame["gr p"] * 2 + frame.b]
    return frame


FRAME = _frame()


def case_of(text, criterion="REML", frame=FRAME):
    model = parse_model(text, criterion)
    columns = list(dict.fromkeys(name.name for name in model.names()))
    return Case(text, model, bind(model, frame[columns])), frame[columns].copy()


def spelled(text):
    case, _ = case_of(text)
    return mixedlm_spelling(case.model, case.table, aliased=False)


# The rows of the translation table: formula, groups, re_formula, vc_formula, diagonal.
TRANSLATIONS = [
    ("b ~ 1 + (1 | s)", ("s",), "1", {}, False),
    ("b ~ 1 + (Days | s)", ("s",), "Days", {}, False),
    ("b ~ 1 + (0 + Days | s)", ("s",), "0 + Days", {}, False),
    ("b ~ 1 + (Days || s)", ("s",), "Days", {}, True),
    ("b ~ 1 + (1 | s) + (0 + Days | s)", ("s",), "Days", {}, True),
    ("Days ~ 1 + (1 | s/b)", ("s",), "1", {"s:b": "0 + C(b)"}, False),
    ("Days ~ 1 + (1 | s) + (1 | s:b)", ("s",), "1", {"s:b": "0 + C(b)"}, False),
    ("b ~ 1 + (1 | s) + (1 | f)", (), None, {"s": "0 + C(s)", "f": "0 + C(f)"}, False),
    ("Days ~ 1 + (1 | s:b)", ("s", "b"), "1", {}, False),
    ("b ~ 1 + (f || s)", ("s",), "0 + f", {"Intercept": "1"}, False),
    (
        "b ~ 1 + (1 | s) + (0 + Days | f)",
        (),
        None,
        {"s": "0 + C(s)", "f Days": "0 + C(f):Days"},
        False,
    ),
]


@pytest.mark.parametrize(("text", "group", "re", "vc", "diagonal"), TRANSLATIONS)
def test_translation_to_mixedlm(text, group, re, vc, diagonal):
    made = spelled(text)
    assert (made.group, made.re_formula, made.vc_formula, made.diagonal) == (
        group,
        re,
        vc,
        diagonal,
    )


def test_nesting_is_read_off_the_data():
    """(1 | a) + (1 | b) is nested when every level of b lies in one of a."""
    frame = FRAME.assign(cell=FRAME["gr p"] * 2 + FRAME.b)
    case, _ = case_of("`my y` ~ 1 + (1 | cell) + (1 | `gr p`)", frame=frame)
    made = mixedlm_spelling(case.model, case.table, aliased=False)
    assert made.group == ("gr p",)
    assert made.vc_formula == {"cell": "0 + C(cell)"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("b ~ 1 + (Days | s) + (Days | f)", "the term for s has several correlated effects"),
        ("b ~ 1 + (Days | s) + (1 | f)", "the term for s has several correlated effects"),
        ("b ~ 1 + (Days | s/f)", "the term for s:f has several correlated effects"),
        (
            "b ~ 1 + (0 + f | s) + (Days | s)",
            "MixedLM has one unstructured covariance matrix per model",
        ),
    ],
)
def test_what_mixedlm_cannot_express_says_why(text, reason):
    case, _ = case_of(text)
    with pytest.raises(NotExpressible, match=reason):
        mixedlm_spelling(case.model, case.table, aliased=True)
    call = python_call(case.model, case.table)
    assert call.startswith(f"# not expressible: {reason}") or reason in call
    assert ast.parse(call).body == []


EXECUTED = [
    "`my y` ~ Days + (1 | `gr p`)",
    "`my y` ~ Days + (Days | `gr p`)",
    "`my y` ~ Days + (Days || `gr p`)",
    "`my y` ~ Days + (0 + Days | `gr p`)",
    "`my y` ~ C*factor(num) + (1 | `gr p`)",
    "`my y` ~ I(Days^2) + log(größe) + (1 | `gr p`)",
    "`my y` ~ I + I(I^2) + (1 | `gr p`)",
    "`my y` ~ Q + `gr p` + (1 | b)",
    "`my y` ~ np + log(größe) + (1 | `gr p`)",
    "`my y` ~ `class` + a.b + (1 | `gr p`)",
    "`my y` ~ 1 + (1 | `gr p`/b)",
    "`my y` ~ Days + (Days | `gr p`) + (1 | `gr p`:b)",
    "`my y` ~ Days + (1 | `gr p`) + (0 + Days | `gr p`:b)",
    "`my y` ~ 1 + (1 | `gr p`) + (1 | s)",
    "`my y` ~ Days + (1 | `gr p`:s) + (1 | `gr p`:b) + (1 | `gr p`)",
    "`my y` ~ Days + (1 | C:b)",
    "`my y` ~ 1 + (1 | C) + (1 | `gr p`)",
    "log(größe) ~ Days + (1 | `gr p`)",
    "I(`my y`/2) ~ a.b*(Days/f) + (1 | `gr p`)",
    "`my y` ~ num + (1 | num)",
    "`my y` ~ Days + (f || `gr p`)",
    "`my y` ~ C*Days + log(größe)",
    "`my y` ~ poly(Days, 2)*f + (1 | `gr p`)",
    "`my y` ~ poly(größe, 2, raw = TRUE) + (scale(Days) | `gr p`)",
    "`my y` ~ scale(a.b) + center(größe):C + bs(Days, df = 5) + (1 | `gr p`)",
    "`my y` ~ bs(Days, knots = c(-0.5, 0.5), degree = 2) + I(sin(2*pi*größe)) + (1 | `gr p`)",
    "`my y` ~ C(factor(f), contr.sum)*Days + (1 | `gr p`)",
    "`my y` ~ C(factor(num), contr.poly) + C(factor(f), contr.helmert) + (1 | `gr p`)",
    "`my y` ~ relevel(factor(num), ref = '10') + relevel(factor(f), 'c'):Days + (1 | `gr p`)",
    "`my y` ~ C(factor(f), contr.SAS):Days + (C(factor(C), contr.sum) | `gr p`)",
]


def run_python(call, data):
    """Execute the call as a user would who pastes it; the value of its last line."""
    names = {"smf": smf, "np": np, "poly": poly, "MixedLMParams": MixedLMParams, "data": data}
    tree = ast.parse(call)
    last = ast.Expression(tree.body.pop().value)
    exec(compile(tree, "call", "exec"), names)
    return eval(compile(last, "call", "eval"), names)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", EXECUTED)
def test_the_python_call_gives_the_engines_log_likelihood(text):
    case, data = case_of(text)
    fit = StatsmodelsEngine().fit(case, "default")
    assert isinstance(fit, Fit)
    result = run_python(python_call(case.model, case.table), data)
    # Same optimizer from the same start; columns in another order change the last digits.
    assert result.llf == pytest.approx(fit.loglik, abs=1e-7)


@pytest.mark.filterwarnings("ignore")
def test_the_python_call_leaves_out_incomplete_rows_as_the_engine_does():
    frame = FRAME.assign(Days=FRAME.Days.where(FRAME.index % 7 > 0), C=FRAME.C)
    case, data = case_of("`my y` ~ Days + C + (1 | `gr p`)", "ML", frame)
    fit = StatsmodelsEngine().fit(case, "default")
    result = run_python(python_call(case.model, case.table), data)
    assert result.nobs == fit.n_obs
    assert result.llf == pytest.approx(fit.loglik, abs=1e-7)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("`my y` ~ ns(Days, 3) + (1 | s)", "no ns(Days, df = 3) with R's columns"),
        ("`my y` ~ scale(Days, center = FALSE) + (1 | s)", "patsy has no scale(Days, center"),
        ("`my y` ~ C(factor(f), contr.sum):Days + (1 | s)", "where C(f, contr.sum) stands without"),
        ("`my y` ~ Days + (0 + C(factor(f), contr.poly) | s)", "where C(f, contr.poly) stands"),
    ],
)
def test_what_patsy_has_no_words_for_is_named(text, why):
    case, _ = case_of(text)
    call = python_call(case.model, case.table)
    assert call.startswith("# not expressible: ")
    assert why in call
    assert isinstance(StatsmodelsEngine().fit(case, "default"), Fit)


def test_a_function_of_other_rows_in_python_is_not_shown():
    frame = FRAME.assign(größe=FRAME.größe.where(FRAME.index % 7 > 0))
    case, _ = case_of("`my y` ~ scale(Days) + größe + (1 | `gr p`)", frame=frame)
    assert "R computes scale(Days) from all rows with a value" in python_call(
        case.model, case.table
    )
    case, _ = case_of("`my y` ~ scale(größe) + (1 | `gr p`)", frame=frame)
    assert "standardize(größe, ddof=1)" in python_call(case.model, case.table)


@pytest.mark.r
@pytest.mark.parametrize("text", EXECUTED)
def test_the_r_call_gives_the_engines_log_likelihood(r, tmp_path, text):
    case, data = case_of(text, "ML")
    path = tmp_path / "data.csv"
    data.to_csv(path, index=False, float_format="%.17g")
    fit = Lme4Engine(r).fit(case, "default")
    assert isinstance(fit, Fit)
    call = r_call(case.model)
    reply = r.call("oracle_loglik_of_call", {"path": str(path), "call": call})
    assert reply.numbers("loglik")[0] == pytest.approx(fit.loglik, abs=1e-7)


def test_r_names_are_quoted_where_r_needs_it():
    model = parse_model("`my y` ~ größe + .x + `_u` + `if` + `NA_real_` + `1st` + (1 | `g h`/k)")
    assert lme4_formula(model) == (
        "`my y` ~ größe + .x + `_u` + `if` + `NA_real_` + `1st` + (1 | `g h`/k)"
    )


def test_aliased_formulas_write_no_factor_since_the_data_have_them():
    case, _ = case_of("`my y` ~ factor(num) + num + (1 | num)")
    assert lme4_formula(case.model, case.table.alias) == "v1 ~ v3 + v2 + (1 | v3)"


def test_two_effects_vary_and_one_varies():
    assert "a slope for x, correlated, that vary by g; by" in in_words(
        parse_model("y ~ x + (x | g)")
    )
    assert in_words(parse_model("y ~ (0 + x | g)")).count("a slope for x that varies by g") == 1


def test_a_model_in_words():
    assert in_words(parse_model("y ~ x + (x || a/b)", "ML")) == (
        "y on x; an intercept that varies by a; a slope for x that varies by a, uncorrelated with "
        "the former; an intercept that varies by b within a; a slope for x that varies by b within "
        "a, uncorrelated with the former; by maximum likelihood"
    )
    assert in_words(parse_model("y ~ x + (1 | a) + (0 + x | a) + (1 | b)", "ML")) == (
        "y on x; an intercept that varies by a; a slope for x that varies by a, uncorrelated with "
        "the former; an intercept that varies by b; by maximum likelihood"
    )
    assert in_words(parse_model("y ~ 1")) == "the mean of y; by ordinary least squares"
