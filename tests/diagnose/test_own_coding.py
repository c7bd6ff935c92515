"""A result in another coding, or of another model, than the formula is judged as what it is."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.regression.mixed_linear_model import MixedLM

import harness
from harness.data.datasets import load_dataset
from harness.diagnose.answer import _lower
from harness.diagnose.cause_entries import load_causes
from harness.diagnose.intended_model import as_meant
from harness.judge.causes.basis import CODINGS as NAMED
from harness.judge.causes.predicates import WRONG
from harness.judge.definition_notes import definition_notes
from harness.judge.sentence import sentence

pytestmark = pytest.mark.filterwarnings("ignore")

MEANT = "y ~ x*f + (1|g)"
CODINGS = {
    "sum": "y ~ x*C(f,Sum)",
    "another reference level": "y ~ x*C(f,Treatment('b'))",
    "polynomial": "y ~ C(f,Poly)*x",
}


@pytest.fixture(scope="module")
def frame():
    draw = np.random.default_rng(11)
    n = 14
    g = np.repeat(np.arange(n), 6)
    f = np.tile(["a", "b", "c"], n * 2)
    x = draw.normal(size=n * 6).round(2)
    group, error = draw.normal(0, 1.5, n)[g], draw.normal(0, 1, n * 6)
    y = (3 + 0.8 * x + np.select([f == "b", f == "c"], [1.0, -0.5]) + group + error).round(2)
    return pd.DataFrame({"y": y, "x": x, "f": f, "g": [f"s{i}" for i in g]})


def fitted(frame, formula, *, re_formula=None, **arguments):
    return smf.mixedlm(formula, frame, groups="g", re_formula=re_formula).fit(**arguments)


def diagnosed(result, **options):
    usual = {"engines": "statsmodels", "quick": True, "pictures": False, "formula": MEANT}
    return harness.diagnose(result, **usual | options)


@pytest.fixture(scope="module")
def in_coding(frame):
    """Return a function from a coding to a result in it and its diagnosis."""

    @cache
    def of(coding):
        result = fitted(frame, CODINGS[coding])
        return result, diagnosed(result)

    return of


def rows_of(found):
    """What is like for like, by the result's own names."""
    case = found.diagnosis.case
    fit, audit = case.fit("statsmodels"), case.audit("statsmodels")
    assert [c.name for c in audit.coefficients] == [c.name for c in fit.coefficients]
    return dict(zip(fit.native_names, audit.coefficients, strict=True))


def assert_rows_are_those_of_satterthwaite(found, result):
    rows, right = rows_of(found), harness.satterthwaite(result).table
    assert set(rows) == set(right.index)
    for name, row in rows.items():
        # The two likelihoods have their columns in another order: rounding, nothing else.
        stated = [row.estimate, row.se, row.df, row.statistic, row.p]
        np.testing.assert_allclose(
            stated, right.loc[name, ["estimate", "se", "df", "t", "p"]], rtol=1e-7
        )


@pytest.mark.slow
@pytest.mark.parametrize("coding", CODINGS)
def test_rows_in_another_coding_are_those_of_satterthwaite_for_the_result(in_coding, coding):
    result, found = in_coding(coding)
    assert_rows_are_those_of_satterthwaite(found, result)
    case = found.diagnosis.case
    assert case.verdict == "CODING"
    assert case.audit("statsmodels").certificate == "interior optimum"
    assert found.answer[0].startswith("Yes: statsmodels' answer is right")


LOG3, LOG6 = np.log(3.0), np.log(6.0)
BASES = [
    # Columns of the same space are X T; the constant of REML is -log |det T|. Of a factor's three
    # levels and of its product with x: 3 each by sum contrasts, 6 by Helmert's as patsy has them,
    # 1 by another first level and by differences of neighbours.
    ("y ~ x*C(f,Treatment('b')) + h", {}, "other-reference-level", 0.0),
    ("y ~ x*f + C(h,Treatment('v'))", {}, "other-reference-level", 0.0),
    ("y ~ x*C(f,Treatment('c')) + C(h,Treatment('v'))", {}, "other-reference-level", 0.0),
    ("y ~ x*C(f,Sum) + h", {}, "reml-coding", -2.0 * LOG3),
    ("y ~ x*C(f,Helmert) + h", {}, "reml-coding", -2.0 * LOG6),
    ("y ~ x*C(f,Diff) + h", {}, "other-contrasts", 0.0),
    ("y ~ x*C(f,Sum) + h", {"reml": False}, "other-contrasts", 0.0),
]


@pytest.fixture(scope="module")
def two_factors(frame):
    h = np.random.default_rng(3).choice(["u", "v"], len(frame))
    return frame.assign(h=h, y=frame.y + (h == "v"))


def evidence_of(found):
    return {e.cause: e for e in found.diagnosis.case.judgement("statsmodels").evidence}


@pytest.mark.slow
@pytest.mark.parametrize(("formula", "arguments", "cause", "constant"), BASES)
def test_the_basis_of_a_result_is_named_with_its_constant(
    two_factors, formula, arguments, cause, constant
):
    result = fitted(two_factors, formula, **arguments)
    evidence = evidence_of(diagnosed(result, formula="y ~ x*f + h + (1|g)"))
    assert set(evidence) & {*NAMED, *WRONG} == {cause}
    case = fitted(two_factors, "y ~ x*f + h", **arguments)
    # Both at default tolerances: log-likelihoods to 1e-6 or so.
    assert result.llf - case.llf == pytest.approx(constant, abs=1e-5)
    if cause == "reml-coding":
        assert evidence[cause].numbers["constant"] == pytest.approx(constant, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("formula", "arguments", "cause", "constant"), BASES[2:5:2])
def test_that_a_result_in_another_basis_stopped_short_is_found_besides(
    two_factors, formula, arguments, cause, constant
):
    result = fitted(two_factors, formula, method="bfgs", maxiter=1, **arguments)
    found = diagnosed(result, formula="y ~ x*f + h + (1|g)")
    evidence = evidence_of(found)
    assert set(evidence) & {*NAMED, *WRONG} == {cause, "stopped-short"}
    case = fitted(two_factors, "y ~ x*f + h", **arguments)
    gap = 2.0 * (case.llf + constant - result.llf)
    assert gap > 1.0
    assert evidence["stopped-short"].numbers["gap"] == pytest.approx(gap, abs=1e-5)
    assert found.diagnosis.case.verdict == "WRONG_OPTIMUM"
    assert found.causes[0] == "stopped-short"
    short, other = (load_causes()[key].title for key in ("stopped-short", cause))
    assert f"Why: {_lower(short)}, and {_lower(other)}." in found.answer


@pytest.mark.slow
def test_first_levels_of_several_factors_are_named_each_with_its_own(two_factors):
    result = fitted(two_factors, BASES[2][0])
    evidence = evidence_of(diagnosed(result, formula="y ~ x*f + h + (1|g)"))
    one = evidence["other-reference-level"]
    assert sentence(one) == (
        "statsmodels: its fixed effects are those with 'c' as the first level of f and 'v' as the "
        "first level of h"
    )


@pytest.mark.slow
def test_a_result_with_other_fixed_effects_is_of_another_model(frame):
    for formula in ("y ~ x", "y ~ f + I(x**2)"):
        found = diagnosed(fitted(frame, formula), formula="y ~ x + f + (1 | g)")
        assert found.diagnosis.case.verdict == "DIFFERENT_MODEL"
        assert "fitted other fixed effects" in found.answer[0]
        assert not {"flat-optimum", "stopped-short"} & set(found.causes)


@pytest.mark.slow
def test_no_boundary_warning_is_spoken_of_where_none_was_given(frame):
    """A result that was given: what statsmodels said when it was made is not known."""
    small = frame.assign(y=0.04 * frame.y)
    result = fitted(small, "y ~ x*f")
    assert result.cov_re.iloc[0, 0] < 0.01
    assert "absolute-boundary-warning" not in evidence_of(diagnosed(result))
    again = harness.diagnose(
        MEANT, small, engines="statsmodels", quick=True, pictures=False
    )  # fitted here, it warns
    assert evidence_of(again)["absolute-boundary-warning"].numbers["smallest"] == pytest.approx(
        result.cov_re.iloc[0, 0], rel=1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize("unit", [1.0, 30.0])
def test_the_boundary_warning_is_harmless_where_units_gave_it(unit):
    """The fit stops short in any units; a variance below 0.01 is a matter of units."""
    frame = load_dataset("dietox").frame
    frame = frame.assign(Weight=frame["Weight"] / unit)
    found = harness.diagnose(
        "Weight ~ Time + (Time | Pig)", frame, engines="statsmodels", quick=True, pictures=False
    )
    said = {t.key: t for t in found.diagnosis.translations}
    assert ("boundary" in said) == (unit > 1.0)
    assert said["retrying"].matters
    if unit > 1.0:
        assert said["boundary"].matters is False
        assert "is 0.0835 of the residual variance" in said["boundary"].because
        assert "3.34 in log-likelihood below the best point" in said["boundary"].because


def test_x_beside_sum_contrasts_has_its_own_standard_error(in_coding):
    _, found = in_coding("sum")
    row = rows_of(found)["x"]
    assert round(row.se, 3) == 0.132
    assert round(row.df, 2) == 66.23
    assert round(row.statistic, 3) == 6.565
    assert "like for like 0.863925 0.131599 66.231 9.43e-09" in " ".join(str(found).split())


def test_nothing_is_shown_beside_a_coefficient_of_the_same_name_and_another_meaning(in_coding):
    _, found = in_coding("sum")
    (x,) = (c for c in found.diagnosis.conclusions if c.name == "x")
    assert round(x.right, 12) == round(rows_of(found)["x"].p, 12)
    comparison = found.diagnosis.case.comparison("statsmodels")
    compared = {difference.quantity for difference in comparison.differences}
    assert compared
    assert not compared & {"estimate", "se", "df", "statistic", "p"}


def test_the_same_columns_in_another_order_are_the_case_itself(frame):
    given = as_meant(fitted(frame, "y ~ C(f)*x"), MEANT)
    assert given.own is None
    assert [c.name for c in given.fit.coefficients] == list(given.rung.case.design.x_names)
    native = dict(zip(given.fit.native_names, given.fit.coefficients, strict=True))
    assert native["C(f)[T.b]"].name == "f[T.b]"


@pytest.mark.slow
def test_a_result_with_other_random_effects_has_the_certificate_of_its_own_model(frame):
    result = fitted(frame, "y ~ x*f", re_formula="~x")
    found = diagnosed(result)
    assert_rows_are_those_of_satterthwaite(found, result)
    case = found.diagnosis.case
    audit = case.audit("statsmodels")
    assert case.verdict == "DIFFERENT_MODEL"
    assert audit.certificate == "interior optimum"
    # Not how far the random-intercept model is from it.
    assert 0.0 <= audit.gap < 1e-6


@pytest.mark.slow
def test_a_result_of_its_own_model_that_stopped_short_is_short_of_that_models_optimum(frame):
    model = smf.mixedlm("y ~ x*f", frame, groups="g", re_formula="~x")
    short = model.fit(method="bfgs", maxiter=1)
    best = model.fit()
    audit = diagnosed(short).diagnosis.case.audit("statsmodels")
    assert audit.certificate == "stopped short"
    assert audit.gap == pytest.approx(2.0 * (best.llf - short.llf), abs=1e-5)


@pytest.mark.slow
def test_rows_of_other_data_are_judged_on_those(frame):
    result = fitted(frame.iloc[:-6], "y ~ x*C(f,Sum)")
    found = harness.diagnose(
        result, frame, formula=MEANT, engines="statsmodels", quick=True, pictures=False
    )
    assert found.diagnosis.case.verdict == "DATA_MISMATCH"
    assert_rows_are_those_of_satterthwaite(found, result)


@pytest.mark.r
@pytest.mark.parametrize("arguments", [{}, {"re_formula": "~x"}], ids=["coding", "slopes"])
def test_joint_standard_errors_are_said_where_they_differ_from_those_of_the_own_model(
    frame, arguments
):
    result = fitted(frame, "y ~ x*C(f,Sum)", **arguments)
    found = diagnosed(result, engines=("statsmodels", "lme4"))
    own = harness.satterthwaite(result).table["se"]
    differ = set(own.index[np.abs(result.bse_fe - own) > 1e-4 * own])
    said = {
        d.item: d.like_for_like
        for d in definition_notes(found.diagnosis.case, "statsmodels")
        if d.cause == "se-joint-hessian"
    }
    assert set(said) == differ
    assert ("x" in said) == bool(arguments)
    assert said
    np.testing.assert_allclose(list(said.values()), own[list(said)], rtol=1e-7)


def test_another_column_under_a_name_of_the_case_is_not_taken_for_the_cases(frame):
    dummies = {level: (frame.f == level).astype(float) for level in "abc"}
    x = pd.DataFrame({"Intercept": 1.0, "x": frame.x})
    for level in "bc":
        x[f"f[T.{level}]"] = dummies[level] - dummies["a"]
    result = MixedLM(frame.y, x, frame.g).fit()
    given = as_meant(result, "y ~ x + f + (1 | g)", frame)
    assert given.fit.native_names == tuple(x.columns)
    assert [c.name for c in given.fit.coefficients] == [
        "Intercept",
        "x",
        "f[T.b] (own coding)",
        "f[T.c] (own coding)",
    ]
    np.testing.assert_array_equal(given.own.design.x, x)
