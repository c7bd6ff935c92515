"""Degrees of freedom and p values are judged by what an engine says that they are."""

import math
import re

import numpy as np
import pytest
from msgspec.structs import replace

from harness.conformance import transformations
from harness.conformance.planted_engines import PlantedEngine, residual_df, z_for_t
from harness.conformance.suite_result import titled
from harness.engines.referee_engine import RefereeEngine
from harness.judge.sentence import sentences
from harness.referee.lmertest_recipe import difference_df
from harness.referee.residual_likelihood import likelihood_of
from harness.referee.satterthwaite import two_sided_p
from tests.conformance.property_checks import check
from tests.judge.fact_cases import case_of
from tests.referee.structured_cases import repeats


def with_tests(df=None, p_df=None, *, statistic=True, declares=True):
    """Return an engine with other tests: df stated, df by which p is made (None: neither)."""

    def row(c):
        t = c.estimate / c.se
        return replace(
            c,
            df=df,
            p=None if p_df is None else two_sided_p(t, p_df),
            statistic=t if statistic else None,
        )

    def change(_, fit):
        rows = tuple(map(row, fit.coefficients))
        return replace(fit, coefficients=rows, definitions=fit.definitions if declares else {})

    return PlantedEngine("other-tests", change)


OF_DF = ("satterthwaite.bounds", "satterthwaite.zero-variance", "satterthwaite.lmertest")


@pytest.mark.parametrize("name", [*OF_DF, "honesty.tests"])
def test_an_engine_without_df_and_p_is_not_asked_for_them(name, dyestuff):
    silent = with_tests(declares=False)
    assert check(name, silent, dyestuff, reference=RefereeEngine()).status == "not applicable"


# With all variances at zero the df of the residuals are Satterthwaite's.
@pytest.mark.parametrize(
    ("make", "name"),
    [*((z_for_t, n) for n in OF_DF), (residual_df, OF_DF[0]), (residual_df, OF_DF[2])],
)
def test_df_of_another_kind_are_not_held_to_be_satterthwaites(make, name, sleepstudy):
    outcome = check(name, make(), sleepstudy, reference=RefereeEngine())
    assert outcome.status == "not applicable"


@pytest.mark.parametrize("name", OF_DF)
def test_an_engine_with_satterthwaites_df_is_held_to_them(name, sleepstudy):
    assert check(name, RefereeEngine(), sleepstudy, reference=RefereeEngine()).status == "holds"


def test_a_t_test_by_df_of_its_own_is_not_called_a_z_test(sleepstudy):
    """p is exactly t with 11.5 df, which are nobody's; p is true, the df are not."""
    for declares in (True, False):
        outcome = check("honesty.tests", with_tests(11.5, 11.5, declares=declares), sleepstudy)
        assert outcome.status == "unexplained"
        assert outcome.causes == ()
    agreement = check("referee.agreement", with_tests(11.5, 11.5, declares=False), sleepstudy)
    assert "z-for-t" not in agreement.causes
    assert "states 11.5 for the df" in agreement.sentence
    assert "inf" not in agreement.sentence


def test_a_number_by_a_rule_that_is_not_stated_is_no_false_one(sleepstudy):
    """nlme's df count levels of nesting: 161 here, where Satterthwaite's are 17."""

    def change(_, fit):
        rows = tuple(
            replace(c, df=11.5, p=two_sided_p(c.statistic, 11.5)) for c in fit.coefficients
        )
        return replace(fit, coefficients=rows, definitions=fit.definitions | {"df": "not stated"})

    outcome = check("referee.agreement", PlantedEngine("by-levels", change), sleepstudy)
    assert (outcome.status, outcome.verdict) == ("holds", "AGREE")


def counting_df(declared):
    """Return an engine whose df count terms, as nlme's count levels of nesting."""

    def change(case, fit):
        df = 10.0 - 3.0 * len(case.design.random)
        rows = tuple(replace(c, df=df, p=two_sided_p(c.statistic, df)) for c in fit.coefficients)
        return replace(fit, coefficients=rows, definitions=fit.definitions | {"df": declared})

    return PlantedEngine("counting", change)


@pytest.mark.parametrize(
    ("declared", "status"), [("not stated", "holds"), ("satterthwaite", "unexplained")]
)
def test_df_of_a_counting_rule_may_change_with_the_number_of_factors(declared, status, dyestuff):
    outcome = check("metamorphic.null-factor", counting_df(declared), dyestuff)
    assert outcome.status == status


@pytest.mark.parametrize(("df", "causes"), [(2.0, ("singular-df",)), (1e6, ())])
def test_at_a_singular_point_no_df_are_more_than_those_of_the_residuals(df, causes, singular):
    """How variances are written moves them there, but never beyond n - p, which is 29."""
    outcome = check("honesty.tests", with_tests(df, df, declares=False), singular)
    agreement = check("referee.agreement", with_tests(df, df, declares=False), singular)
    assert ("singular-df" in agreement.causes) == bool(causes)
    assert outcome.status in ("fails", "unexplained")
    assert (agreement.status == "holds") == bool(causes)


def with_df(name, df, fitter="find_optimum"):
    """Return an engine that states other df, and p values by them."""

    def change(case, fit):
        rows = zip(fit.coefficients, df(case, fit), strict=True)
        return replace(
            fit,
            fitter=fitter,
            coefficients=tuple(
                replace(c, df=float(v), p=two_sided_p(c.statistic, v)) for c, v in rows
            ),
        )

    return PlantedEngine(name, change)


def own_df(fit):
    return np.array([c.df for c in fit.coefficients])


def with_share(used):
    """Return an engine in whose df the residual variance counts as if it had ``used`` of its own.

    interlace-lme 0.3.2 leaves it out, mixedlm 1.3.0 takes n - p under ML, by their sources.
    """

    def df(case, fit):
        n, p = case.design.x.shape
        m = n if case.model.criterion == "ML" else n - p
        return 1.0 / (1.0 / own_df(fit) - 1.0 / m + 1.0 / used(n, p))

    return with_df("other-share", df)


def test_df_without_the_residual_variances_share_have_that_cause(sleepstudy):
    outcome = check("referee.agreement", with_share(lambda n, p: math.inf), sleepstudy)
    assert (outcome.status, outcome.causes) == ("fails", ("df-residual-share",))
    assert "1/178 of the residual variance" in " ".join(sentences(outcome.evidence))


def test_df_of_an_ml_fit_with_n_minus_p_for_the_residual_variance_are_a_definition(drawn):
    """38 rows, three fixed effects, by ML: where mixedlm states 18.48 df, lmerTest 19.29.

    The residual sum of squares has n - p df, whatever the ML deviance's curvature says of them.
    """
    engine = with_share(lambda n, p: n - p)
    case = drawn("gen/predictors/433a6ef31c/ML")
    outcome = check("referee.agreement", engine, case)
    assert (outcome.status, outcome.causes) == ("holds", ("ml-residual-df",))
    assert "18.482 with n - p" in " ".join(sentences(outcome.evidence))


def profiled(case, criterion, theta):
    """Deviance, profiled over sigma, and variances of the fixed effects with divisor n - p."""
    point = likelihood_of(case.design, reml=criterion == "REML").at(theta)
    return point.deviance(), np.diag(point.to_data(point.c)) * point.rss


def test_df_of_an_ml_fit_by_the_reml_deviance_have_that_cause(drawn):
    """interlace-lme 0.3.2 states 1, 7.07 and 7.07 at the ML estimate theta = 4.99."""

    def df(case, fit):
        n, p = case.design.x.shape
        theta = math.sqrt(fit.random[0].covariance[0][0] / fit.residual_variance)
        (low, before), (middle, v), (high, after) = (
            profiled(case, "REML", [theta + h]) for h in (-1e-3, 0.0, 1e-3)
        )
        g = (after - before) / 2e-3 / v * n / (n - p)
        return np.maximum(1.0, (low - 2.0 * middle + high) / 1e-6 / g**2)

    case = drawn("gen/predictors/4a2baa698c/ML")
    outcome = check("referee.agreement", with_df("by-reml", df), case)
    assert (outcome.status, outcome.causes) == ("fails", ("df-residual-share",))
    assert "by the REML deviance" in " ".join(sentences(outcome.evidence))


def by_differences(step, noise=0.0):
    """Return an engine whose df are plain second differences of a deviance that is rounded."""

    def df(case, fit):
        likelihood = likelihood_of(case.design, reml=case.model.criterion == "REML")
        relative = [np.array(t.covariance) / fit.residual_variance for t in fit.random]
        return difference_df(
            likelihood,
            likelihood.theta(relative),
            math.sqrt(fit.residual_variance),
            step=step,
            noise=(noise, 0.0),
            seed=20,
        )

    return with_df("differences", df)


def test_df_from_steps_larger_than_theta_have_that_cause(drawn):
    """lme-python 0.2.7 takes steps of 1e-4; theta is 1.5e-4 with the slope's x times 1024."""
    case = transformations.predictor_rescaled(drawn("gen/slope-only/b6ef296c93/REML")).case
    outcome = check("referee.agreement", by_differences(1e-4), case)
    assert (outcome.status, outcome.causes) == ("fails", ("df-steps",))
    assert "beside a theta of 0.00015" in " ".join(sentences(outcome.evidence))
    small = check("referee.agreement", by_differences(1e-6), case)
    assert small.status == "holds"


def test_df_lost_in_rounding_have_that_cause(drawn, sleepstudy):
    """Two predictors of correlation 0.9999999: four programs' df move by percents to factors."""
    case = drawn("gen/several/4a0b29dc41/REML")
    outcome = check("referee.agreement", by_differences(1e-4, noise=2e-9), case)
    assert (outcome.status, outcome.causes) == ("fails", ("df-rounding",))
    # Where no rounding is to be had, df that are off have no such excuse.
    engine = with_df("a-fifth-less", lambda _, fit: 0.8 * own_df(fit))
    outcome = check("referee.agreement", engine, sleepstudy)
    assert (outcome.status, outcome.causes) == ("unexplained", ())


@pytest.mark.parametrize(("share", "status"), [(1e-8, "holds"), (1e-4, "unexplained")])
def test_a_p_value_is_held_to_the_digits_that_programs_of_the_t_distribution_have(
    share, status, sleepstudy
):
    """glmm's p are 1e-9 off those of their own t and df, relative; none is said to be false."""

    def change(_, fit):
        rows = tuple(replace(c, p=c.p * (1.0 + share)) for c in fit.coefficients)
        return replace(fit, coefficients=rows)

    outcome = check("referee.agreement", PlantedEngine("off", change), sleepstudy)
    assert outcome.status == status


@pytest.mark.parametrize(("which", "status"), [(0, "holds"), (1, "unexplained")])
@pytest.mark.parametrize("name", ["referee.agreement", "honesty.tests"])
def test_a_p_value_below_what_one_less_a_distribution_can_give_may_be_zero(
    name, which, status, sleepstudy
):
    """1 - F(t) is right to 4e-16: 0 for 1e-17, as interlace-lme prints, but not for 3e-6."""

    def change(_, fit):
        rows = tuple(
            replace(c, p=0.0 if j == which else c.p) for j, c in enumerate(fit.coefficients)
        )
        return replace(fit, coefficients=rows)

    assert check(name, PlantedEngine("zero", change), sleepstudy).status == status


def test_p_without_its_df_is_not_judged(sleepstudy):
    engine = with_tests(None, 178.0, declares=False)
    assert check("honesty.tests", engine, sleepstudy).status == "not applicable"
    assert check("referee.agreement", engine, sleepstudy).status == "holds"


def test_p_by_the_normal_distribution_is_known_without_df(sleepstudy):
    outcome = check("honesty.tests", with_tests(None, math.inf, declares=False), sleepstudy)
    assert (outcome.status, outcome.causes) == ("fails", ("z-for-t",))


def test_p_is_judged_without_a_printed_t(sleepstudy):
    right = RefereeEngine().fit(sleepstudy, "default")
    df = right.coefficients[0].df
    engine = with_tests(df, df, statistic=False, declares=False)
    assert check("referee.agreement", engine, sleepstudy).status == "holds"


@pytest.mark.slow
@pytest.mark.parametrize("fitter", ["find_optimum", "lmerTest::lmer"])
@pytest.mark.parametrize(
    ("formula", "at_a_bound"),
    [
        ("y ~ x + diag(1 + x | s)", True),
        ("y ~ x + cs(1 + x | s)", True),
        ("y ~ x + ar1(0 + f | s) + (x | g)", True),
        ("y ~ x + ar1(0 + f | s)", False),
        ("y ~ x + hetar1(0 + f | s)", False),
    ],
)
def test_where_a_step_leaves_the_parameter_space_df_are_put_down_to_no_rounding(
    formula, at_a_bound, fitter
):
    """Of structured terms: theta is no factor there, and a standard deviation not negative."""
    case = case_of(repeats(subjects=8), formula)
    engine = with_df("a-fifth-less", lambda _, fit: 0.8 * own_df(fit), fitter)
    assert engine.fit(case, "default").singular == at_a_bound
    outcome = check("referee.agreement", engine, case)
    assert not {"df-rounding", "df-steps", "df-residual-share"} & set(outcome.causes)
    if not at_a_bound:
        assert (outcome.status, outcome.causes) == ("unexplained", ())


def test_an_engine_is_told_its_faults_under_its_own_name(sleepstudy, singular):
    """No program but the one checked, and the referee, is named to it."""
    z_test = check("honesty.tests", z_for_t(), sleepstudy)
    df_off = check("referee.agreement", with_tests(3.0, 3.0, declares=False), singular)
    for outcome in (z_test, df_off):
        said = [outcome.sentence, *sentences(outcome.evidence), titled(outcome.causes[0])]
        assert outcome.engine in " ".join(said)
        assert not re.search("statsmodels|MixedLM|lme4|lmerTest", " ".join(said))
