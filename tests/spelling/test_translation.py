"""Models from lme4's language to statsmodels' and back, and what surprises on the way."""

import ast

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.regression.mixed_linear_model import MixedLMParams

from harness.base.errors import BadInput
from harness.data.ladder import full_ladder
from harness.engines.engine import Fit
from harness.engines.lme4 import Lme4Engine
from harness.judge.causes.entries import load_known
from harness.model.case import Case
from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.spelling.formula_options import formula_with
from harness.spelling.mixedlm_spelling import python_call
from harness.spelling.translation import assumed_table, translate

RUNGS = full_ladder()


def canonical(model, table):
    """What a model is, whatever it is called: criterion, fixed columns, random terms."""
    design = build_design(model, table)
    fixed = {tuple(column) for column in design.x.T}
    random = {
        (
            tuple(np.unique(t.codes, return_index=True)[1][t.codes].tolist()),
            frozenset(tuple(column) for column in t.z.T),
        )
        for t in design.random
    }
    return model.criterion, tuple(design.y), fixed, random


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.case.id)
def test_every_rung_comes_back_from_statsmodels_as_the_same_model(rung):
    case = rung.case
    call = python_call(case.model, case.table)
    if call.startswith("# not expressible"):
        found = translate(str(case.model.formula.text), frame=case.table.frame())
        assert found.obstacle
        assert call == f"# not expressible: {found.obstacle}"
        return
    back = translate(call)
    assert back.obstacle == ""
    assert canonical(back.model, case.table) == canonical(case.model, case.table)


WRITTEN = [
    "y ~ x + (x || g)",
    "y ~ x + (1 | a/b)",
    "y ~ x + (1 | a) + (1 | b)",
    "y ~ x + (0 + x | g)",
    "`my y` ~ `class` + C + (1 | `gr p`)",
    "y ~ np + log(Q) + I(I^2) + (1 | g)",
    "y ~ f*x + (1 | a:b)",
    "y ~ x + (x | a) + (0 + x | a:b:c)",
    "y ~ t + (1 | t)",
    "y ~ x + (factor(f) || g)",
    "log(y) ~ x/z + (1 | g)",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_formulas_without_data_come_back_as_the_same_model(text):
    there = translate(text)
    back = translate(there.python)
    table = assumed_table(there.model)
    assert canonical(back.model, table) == canonical(there.model, table)


def _frame():
    rng = np.random.default_rng(11)
    frame = pd.DataFrame(
        {"a": np.repeat(np.arange(12), 12), "b": np.tile(np.repeat(np.arange(4), 3), 12)}
    )
    n = len(frame)
    frame["x"] = rng.normal(size=n)
    frame["z"] = rng.uniform(1, 3, n)
    effect_a, effect_b = rng.normal(size=(12, 2)), rng.normal(size=4)
    frame["y"] = (
        effect_a[frame.a, 0]
        + (1 + effect_a[frame.a, 1]) * frame.x
        + effect_b[frame.b]
        + rng.normal(size=(12, 4))[frame.a, frame.b]
        + 0.5 * rng.normal(size=n)
    )
    return frame.assign(a="a" + frame.a.astype(str), b="b" + frame.b.astype(str))


FRAME = _frame()
# bfgs, statsmodels' first choice, stops short on the first of these models.
TIGHT = 'method=["lbfgs", "cg"], gtol=1e-9'

# The call, the model in lme4's language, the causes it is warned of.
CALLS = [
    ('smf.mixedlm("y ~ x", df, groups="a").fit({})', "y ~ x + (1 | a)", set()),
    (
        'smf.mixedlm("y ~ x", df, re_formula="~x", groups=df.a).fit(reml=False, {})',
        "y ~ x + (x | a)",
        set(),
    ),
    (
        'vc = {{"b": "0 + C(b)"}}\nm = smf.mixedlm("y ~ x", df, groups=df["a"], vc_formula=vc)\n'
        "m.fit({})",
        "y ~ x + (1 | a:b)",
        {"dropped-term", "crossed-as-nested"},
    ),
    (
        'smf.mixedlm("y ~ x", df, groups="a", re_formula="1", '
        'vc_formula=dict(b="0 + C(b)")).fit({})',
        "y ~ x + (1 | a) + (1 | a:b)",
        {"crossed-as-nested"},
    ),
    (
        'smf.mixedlm("y ~ x + np.log(z)", df, groups=np.ones(len(df)), '
        'vc_formula={{"a": "0 + C(a)", "b": "0 + C(b)"}}).fit({})',
        "y ~ x + log(z) + (1 | a) + (1 | b)",
        set(),
    ),
    (
        'smf.mixedlm("y ~ x + I(z**2)", df, groups="a", re_formula="1", '
        'vc_formula={{"s": "0 + x"}}).fit({})',
        "y ~ x + I(z^2) + (1 | a) + (0 + x | a)",
        set(),
    ),
    (
        'm = smf.mixedlm("y ~ x", df, groups="a", re_formula="~x")\n'
        "m.fit(free=MixedLMParams.from_components(np.ones(2), np.eye(2)), {})",
        "y ~ x + (x || a)",
        {"sm-free-ignored"},
    ),
]


@pytest.mark.r
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("call", "formula", "warned"), CALLS)
def test_a_call_and_its_translation_have_the_same_log_likelihood(r, call, formula, warned):
    call = call.format(TIGHT)
    found = translate(call, frame=FRAME)
    assert found.formula == formula
    keys = {trap.key for trap in found.traps}
    assert keys & {"dropped-term", "crossed-as-nested", "sm-free-ignored"} == warned
    names = {"smf": smf, "np": np, "MixedLMParams": MixedLMParams, "df": FRAME}
    tree = ast.parse(call)
    last = ast.Expression(tree.body.pop().value)
    exec(compile(tree, "call", "exec"), names)
    result = eval(compile(last, "call", "eval"), names)
    fit = Lme4Engine(r).fit(Case("call", found.model, bind(found.model, FRAME)), "tight")
    assert isinstance(fit, Fit)
    # Both are at the optimum: the log-likelihood is flat there, to the square of the tolerances.
    assert result.llf == pytest.approx(fit.loglik, abs=1e-6)


UNTRANSLATABLE = [
    ('smf.mixedlm("y ~ x", df, groups="g", vc_formula={"b": "C(b)"})', "Write 0 +"),
    ('smf.mixedlm("y ~ x", df, groups="g", vc_formula={"b": "0 + x + z"})', "one variance for"),
    ('smf.mixedlm("y ~ x", df, groups=np.ones(9), re_formula="1")', "a single level"),
    ('smf.mixedlm("y ~ x", df, groups=np.ones(9), vc_formula={"k": "1"})', "one level"),
    ('smf.mixedlm("y ~ x", df, groups="g", re_formula="0")', "no random effects"),
    (
        'smf.mixedlm("y ~ x", df, groups="g", re_formula="C(f)").fit('
        "free=MixedLMParams.from_components(np.ones(2), np.eye(3)))",
        "levels of a factor uncorrelated",
    ),
    (
        'm = smf.mixedlm("y ~ x", df, groups="g", re_formula="x + z")\nm.fit('
        "free=MixedLMParams.from_components(np.ones(2), [[1, 0, 1], [0, 1, 0], [1, 0, 1]]))",
        "some covariances vary and others not",
    ),
]


@pytest.mark.parametrize(("call", "why"), UNTRANSLATABLE)
def test_what_lme4_has_no_formula_for_says_why(call, why):
    found = translate(call)
    assert why in found.obstacle
    assert (found.formula, found.model) == ("", None)


BAD = [
    ("y ~ x + (x | g", "this '(' is never closed"),
    ('smf.mixedlm("y ~ x", df, groups="g"', "not Python"),
    ('smf.mixedlm("y ~ x", df)', "there is no groups="),
    ('smf.mixedlm("y ~ x", df, groups=f(df))', "groups= cannot be read"),
    ('smf.mixedlm(formula, df, groups="g")', "the formula is not written out"),
    ('smf.mixedlm("y ~ x^2", df, groups="g")', "'^' is no power in Python"),
    ('smf.mixedlm("y ~ cr(x)", df, groups="g")', "cr() is not supported"),
    ('smf.mixedlm("y ~ x + (1 | g)", df, groups="g")', "the formula has a random term"),
    ('smf.mixedlm("y ~ x", df, groups="g", vc_formula={"b": c})', "a value of vc_formula"),
    ('smf.mixedlm("y ~ x", df, groups="g").fit(reml=maybe)', "neither True nor False"),
    ('smf.mixedlm("y ~ x", df, groups="g", **more)', "behind ** cannot be read"),
    ("MixedLM(y, X, groups=g)", "holds arrays"),
    ('smf.mixedlm("y~x", d, groups="g")\nsmf.mixedlm("y~z", d, groups="g")', "a second model"),
    ('GLM.from_formula("y ~ x", df)', "no linear mixed model"),
    ("lmer(y ~ x + (1 | g)", "this '(' is never closed"),
    ("lmer(y ~ x + (1 | g), d, weights = 1/s^2)", "weights = 1/s^2 is not translated"),
    ("lmer(y ~ x + (1 | g), d, REML = maybe)", "neither TRUE nor FALSE"),
    ('smf.mixedlm("y ~ x", df, groups="g").fit(free=free)', "free= is not MixedLMParams"),
]


@pytest.mark.parametrize(("text", "why"), BAD)
def test_what_cannot_be_read_says_where(text, why):
    with pytest.raises(BadInput) as caught:
        translate(text)
    assert why in str(caught.value)


def test_the_caret_points_at_the_place_behind_wide_characters():
    text = 'modell = smf.mixedlm("größe ~ x", df, groups=f(x))'
    with pytest.raises(BadInput) as caught:
        translate(text)
    _, line, caret = str(caught.value).split("\n")
    assert line.strip() == text
    assert line[caret.index("^") :].startswith("f(x)")


def test_nothing_in_a_call_is_run(tmp_path):
    path = tmp_path / "ran"
    text = f'open({str(path)!r}, "w")\nsmf.mixedlm("y ~ x", df, groups="g")'
    assert translate(text).formula == "y ~ x + (1 | g)"
    assert not path.exists()


def test_an_lmer_call_is_read_with_its_criterion():
    found = translate("fit <- lme4::lmer(`my y` ~ x + (1 | `a, b)`), REML = FALSE, data = d)")
    assert found.model.criterion == "ML"
    assert found.formula == "`my y` ~ x + (1 | `a, b)`)"


def test_data_tell_whether_factors_are_nested():
    nested = pd.DataFrame(
        {
            "y": [1.0, 2, 4, 3, 7, 6, 5, 1],
            "a": list("ppppqqqq"),
            "b": list("11223344"),
        }
    )
    call = 'smf.mixedlm("y ~ 1", df, groups="a", re_formula="1", vc_formula={"b": "0 + C(b)"})'
    assert "nesting" in {t.key for t in translate(call, frame=nested).traps}
    crossed = nested.assign(b=list("12121212"))
    assert "crossed-as-nested" in {t.key for t in translate(call, frame=crossed).traps}
    formula = "y ~ 1 + (1 | a) + (1 | b)"
    assert "np.ones" in translate(formula, frame=crossed).python
    assert "np.ones" not in translate(formula, frame=nested).python


def test_text_columns_are_factors_when_the_data_say_so():
    call = 'smf.mixedlm("y ~ 1", df, groups="a", vc_formula={"b": "0 + b"})'
    assert translate(call).formula == "y ~ 1 + (0 + b | a)"
    assert translate(call, frame=FRAME).formula == "y ~ 1 + (1 | a:b)"


TRAPS = [
    ("y ~ x + (x || g)", {"sm-free-ignored"}),
    ("y ~ x + (1 | a/b)", {"dropped-term"}),
    ("y ~ 1 + (1 | a) + (1 | b)", {"crossed-as-nested", "nesting"}),
    ("y ~ factor(f) + (factor(f) || g)", {"double-bar-factor", "dropped-term"}),
    ("y ~ C + (1 | g)", {"hidden-function"}),
    ("y ~ x", set()),
]


@pytest.mark.parametrize(("text", "expected"), TRAPS)
def test_a_formula_is_told_its_own_traps(text, expected):
    keys = {trap.key for trap in translate(text).traps}
    assert keys - {"missing", "z-for-t", "se-joint-hessian", "columns"} == expected
    assert {"z-for-t", "missing"} <= keys or text == "y ~ x"


@pytest.mark.parametrize("text", ["y ~ C + (C | g) + (C | h)", "y ~ x + (x | a/b)"])
def test_what_statsmodels_would_do_is_no_trap_where_it_cannot_be_given_the_model(text):
    found = translate(text)
    assert found.obstacle
    assert {trap.key for trap in found.traps} <= {"columns", "double-bar-factor"}


def test_traps_are_called_as_the_known_differences_where_they_are_one():
    known = set(load_known())
    ours = {"missing", "columns", "nesting", "double-bar-factor", "hidden-function", "one-group"}
    texts = [text for text, _ in TRAPS] + [call.format("") for call, _, _ in CALLS]
    keys = {trap.key for text in texts for trap in translate(text).traps}
    assert keys - ours <= known
    assert not keys & ours & known


def test_a_constant_column_as_groups_is_one_group():
    frame = FRAME.assign(one=1)
    call = 'smf.mixedlm("y ~ x", df, groups="one", vc_formula={"a": "0 + C(a)"})'
    assert translate(call, frame=frame).formula == "y ~ x + (1 | a)"


def test_parse_and_words_agree_with_the_formula():
    found = translate("y ~ x + (1 | g)", criterion="ML")
    assert found.model == parse_model("y ~ x + (1 | g)", "ML")
    assert "maximum likelihood" in found.words


@pytest.mark.parametrize("formula", ["y ~ x + (x | g)", "y ~ x + (x || g)", "y ~ x + (1 | g/h)"])
def test_python_code_of_a_translation_brings_its_imports(formula):
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"y": rng.normal(size=60), "x": rng.normal(size=60)})
    data["g"], data["h"] = np.repeat(list("abcdef"), 10), np.tile(list("uv"), 30)
    names = {"data": data}
    exec(translate(formula).python.rpartition("\n")[0], names)
    assert names["model"].n_groups == 6


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ("y ~ x + (1 | g)", ("y", "x")),
        ("`a b` ~ x + (1 | g)", ("a b", "x")),
        ("y ~ `x (mg)` + (1 | g)", ("y", "x (mg)")),
    ],
)
def test_missing_drop_fails_where_it_is_said_to(formula, names):
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(40, 2)), columns=list(names))
    data["g"] = np.repeat(list("abcd"), 10)
    data.iloc[3, 1] = np.nan
    found = translate(formula)
    call = next(n for n in ast.walk(ast.parse(found.python)) if isinstance(n, ast.Call))
    (said,) = (trap.text for trap in found.traps if trap.key == "missing")
    fixed = ast.literal_eval(call.args[0])
    if "with missing='drop' too" in said:
        with pytest.raises(Exception, match="no data named"):
            smf.mixedlm(fixed, data, groups="g", missing="drop")
    else:
        assert smf.mixedlm(fixed, data, groups="g", missing="drop").nobs == 39


@pytest.mark.parametrize(
    ("python", "formula"),
    [
        ("poly(x, degree=2)*f", "y ~ poly(x, 2) * f + (1 | g)"),
        ("standardize(x, ddof=1)", "y ~ scale(x) + (1 | g)"),
        ("center(np.log(x))", "y ~ scale(log(x), scale = FALSE) + (1 | g)"),
        ("C(f, Sum):x", "y ~ C(factor(f), contr.sum):x + (1 | g)"),
        ("C(f, Treatment(-1))", "y ~ C(factor(f), contr.SAS) + (1 | g)"),
        ("C(f, Treatment('b'))", 'y ~ relevel(factor(f), ref = "b") + (1 | g)'),
        ("bs(x, df=4, include_intercept=True)", "y ~ bs(x, df = 4, intercept = TRUE) + (1 | g)"),
        ("I(np.sin(2*np.pi*x))", "y ~ I(sin(2 * pi * x)) + (1 | g)"),
    ],
)
def test_functions_and_codings_of_patsy_are_read(python, formula):
    found = translate(f'smf.mixedlm("y ~ {python}", df, groups="g")')
    assert found.formula == formula
    assert translate(found.formula).formula == formula


@pytest.mark.parametrize("python", ["scale(x)", "standardize(x)", "scale(x, ddof=0)"])
def test_patsys_scale_is_not_rs(python):
    with pytest.raises(BadInput, match="divides by the standard deviation with n, R's"):
        translate(f'smf.mixedlm("y ~ {python}", df, groups="g")')


def test_splines_of_r_may_name_their_package():
    found = translate("lmer(y ~ splines::ns(x, 3) + (1 | g), d)")
    assert found.formula == "y ~ ns(x, df = 3) + (1 | g)"
    assert found.r.startswith("lmerTest::lmer(y ~ splines::ns(x, df = 3) + (1 | g)")


def test_weights_and_offset_are_a_part_of_the_formula():
    found = translate("lmer(y ~ x + (1 | g), d, weights = w, offset = d$o, REML = FALSE)")
    assert found.formula == "y ~ x + (1 | g) + offset(o) + weights(w)"
    assert found.r == (
        "lmerTest::lmer(y ~ x + (1 | g) + offset(o), data, REML = FALSE, weights = w)"
    )
    assert found.obstacle.startswith("MixedLM has no weights")
    assert found.words.endswith(
        "; the known part o; the residual variance divided by w; by maximum likelihood"
    )
    assert "I(y - o) ~ x" in translate("y ~ x + (1 | g) + offset(o)").python
    assert translate(found.formula, criterion="ML").r == found.r


@pytest.mark.parametrize(
    ("options", "formula"),
    [
        ({"contrasts": {"f": "sum"}}, "y ~ C(factor(f), contr.sum) * x + (x | f)"),
        ({"contrasts": {"f": "treatment:b"}}, 'y ~ relevel(factor(f), ref = "b") * x + (x | f)'),
        ({"weights": "w", "offset": "a b"}, "y ~ f*x + (x | f) + offset(`a b`) + weights(w)"),
    ],
)
def test_options_are_written_into_the_formula(options, formula):
    assert formula_with("y ~ f*x + (x | f)", **options) == formula


@pytest.mark.parametrize(
    ("contrasts", "message"),
    [
        ({"f": "what"}, "contrasts of 'f': 'what' is no coding; known are treatment, sum"),
        ({"z": "sum"}, "contrasts of 'z': it is no predictor of the formula"),
        ({"h": "sum"}, "contrasts of 'h': the formula has a coding for it already"),
        ({"x": "sum"}, "contrasts of 'x': it is a number in a function of the formula"),
        ({"f": "sum:b"}, "contrasts of 'f': only treatment takes a reference"),
    ],
)
def test_contrasts_that_cannot_be_given_are_refused(contrasts, message):
    with pytest.raises(BadInput) as caught:
        formula_with("y ~ f + C(h, Sum) + log(x) + (1 | g)", contrasts=contrasts)
    assert message in str(caught.value)
