"""Faults planted in real fits: each is found, laid to the right engine, and named."""

import math

import numpy as np
import pytest
from msgspec.structs import replace

from tests.judge.planted import alter, both, coefficients, covariance, judge, term

pytestmark = pytest.mark.r

ENGINES = ("statsmodels", "lme4")
DIVISOR = ("wrong-divisor",)
OTHER = dict(zip(ENGINES, reversed(ENGINES), strict=True))


@pytest.fixture(params=ENGINES)
def engine(request):
    """The engine whose fits are altered; the verdict must not depend on which it is."""
    return request.param


@pytest.fixture
def planted(slope, engine):
    """Return a function from a change to the record with that change in one engine's fits."""
    rung, outcomes = slope
    return lambda change: judge(rung, alter(outcomes, engine, change))


def said(record):
    """Class, engines and causes in the default setting."""
    verdict = record.verdicts[0]
    return verdict.verdict, verdict.engines, verdict.causes


def outside(record, setting="default"):
    return {c.quantity for c in record.comparisons if c.setting == setting and not c.within}


def test_nothing_planted_nothing_found(slope):
    record = judge(*slope)
    assert [said(record), record.verdicts[1].verdict] == [("AGREE", (), ()), "AGREE"]
    assert outside(record) == set()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (covariance(lambda psi: psi[::-1, ::-1]), ("swapped-variances",)),
        (covariance(lambda psi: 1.3 * psi), ()),
        (covariance(lambda psi: psi * [[1.0, -1.0], [-1.0, 1.0]]), ("covariance-sign",)),
        (covariance(lambda psi: psi * [[1.0, -3.0], [-3.0, 1.0]]), ()),
        (lambda fit: replace(fit, residual_variance=1.1 * fit.residual_variance), ()),
        (lambda fit: replace(fit, residual_variance=178 / 180 * fit.residual_variance), DIVISOR),
    ],
    ids=[
        "swapped",
        "30 % larger",
        "correlation of the wrong sign",
        "correlation of the wrong sign and size",
        "residual 10 % larger",
        "residual by n",
    ],
)
def test_wrong_variances_are_a_wrong_optimum_with_the_gap(planted, engine, change, named):
    record = planted(change)
    assert said(record) == ("WRONG_OPTIMUM", (engine,), (*named, "stopped-short"))
    audit, other = record.audit(engine), record.audit(OTHER[engine])
    assert audit.certificate == "stopped short"
    # 2e-4 is twice the default tolerance of the log-likelihood.
    assert audit.gap > 2e-4 > other.gap
    assert f"{OTHER[engine]} is right" in record.verdicts[0].sentence
    assert f"deviance {audit.gap:.2g} above the best point" in record.verdicts[0].evidence[-1]


def test_a_residual_variance_by_the_wrong_divisor_is_a_wrong_optimum(planted, engine):
    """All variances 1.5 times too large leave theta, and so the profiled deviance, as it was."""
    larger = lambda fit: replace(fit, residual_variance=1.5 * fit.residual_variance)  # noqa: E731
    record = planted(both(covariance(lambda psi: 1.5 * psi), larger))
    assert said(record) == ("WRONG_OPTIMUM", (engine,), ("stopped-short",))
    # d(sigma^2 k) - d(sigma^2) = m (log k + 1/k - 1) with m = n - p = 178, k = 1.5; both fits
    # are within 1e-8 of the optimum.
    expected = 178 * (math.log(1.5) + 1 / 1.5 - 1)
    assert record.audit(engine).gap == pytest.approx(expected, abs=1e-6)


def test_a_variance_at_zero_is_a_false_boundary_where_the_likelihood_rises(planted, engine):
    record = planted(covariance(lambda psi: np.diag([psi[0, 0], 0.0])))
    assert said(record) == ("WRONG_OPTIMUM", (engine,), ("false-boundary",))
    audit = record.audit(engine)
    assert (audit.certificate, audit.ranks) == ("false boundary", (1,))
    assert audit.dual < -1e-3
    assert audit.gap > 1.0


def test_two_wrong_fits_are_both_named_with_their_gaps(slope):
    rung, outcomes = slope
    for engine in ENGINES:
        outcomes = alter(outcomes, engine, covariance(lambda psi: 1.3 * psi))
    verdict = judge(rung, outcomes).verdicts[0]
    assert (verdict.verdict, verdict.engines) == ("WRONG_OPTIMUM", ENGINES)
    assert verdict.sentence.startswith("Neither engine is at the optimum")
    assert all(f"{engine}: deviance" in verdict.evidence[0] for engine in ENGINES)


@pytest.mark.parametrize(
    "matrix",
    [[[600.0, 100.0], [100.0, 5.0]], [[-1.0, 0.0], [0.0, 5.0]], [[math.nan] * 2] * 2],
    ids=["correlation above 1", "negative variance", "nan"],
)
def test_what_is_no_covariance_matrix_is_outside_the_parameter_space(planted, engine, matrix):
    record = planted(covariance(lambda psi: matrix))
    assert said(record) == ("UNEXPLAINED", (engine,), ())
    audit = record.audit(engine)
    assert audit.certificate == "outside the parameter space"
    assert (audit.gap, audit.converged_true) == (math.inf, False)
    assert "no valid covariance matrix" in record.verdicts[0].sentence


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
def test_an_impossible_residual_variance_is_outside_the_parameter_space(planted, engine, value):
    record = planted(lambda fit: replace(fit, residual_variance=value))
    assert said(record)[:2] == ("UNEXPLAINED", (engine,))
    assert record.audit(engine).certificate == "outside the parameter space"


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (math.log(2 * math.pi), "plus p/2 log 2 pi"),
        (-89 * math.log(2 * math.pi), "minus m/2 log 2 pi"),
        (0.01, ""),
        (math.nan, ""),
        (math.inf, ""),
    ],
)
def test_a_log_likelihood_that_is_not_that_of_the_estimates_is_laid_to_its_engine(
    planted, engine, error, named
):
    """The first two are the constants that implementations leave out of REML."""
    record = planted(lambda fit: replace(fit, loglik=fit.loglik + error))
    if named:
        assert said(record) == ("DEFINITION", (engine,), ("criterion-constant",))
        assert record.verdicts[0].evidence[0].endswith(named)
    else:
        assert said(record) == ("UNEXPLAINED", (engine,), ())
    assert "log-likelihood" in record.verdicts[0].sentence
    assert outside(record) == {"loglik"}


def test_a_constant_that_both_engines_leave_out_is_found_by_the_referee(slope):
    rung, outcomes = slope
    shifted = [replace(fit, loglik=fit.loglik + 1.0) for fit in outcomes]
    record = judge(rung, shifted)
    assert outside(record) == set()
    assert said(record)[:2] == ("UNEXPLAINED", ENGINES)


def test_an_estimate_a_hundredth_of_its_se_away_is_caught(planted, engine):
    record = planted(coefficients(estimate=lambda c: c.estimate + 0.01 * c.se))
    assert said(record) == ("UNEXPLAINED", (engine,), ())
    # statsmodels' own SE is the like-for-like one here to 1e-6: the data are balanced.
    assert record.audit(engine).gls_distance == pytest.approx(0.01, rel=1e-4)
    assert "estimate" in outside(record)
    assert "0.01 SE from the GLS" in record.verdicts[0].sentence


def test_an_estimate_half_a_thousandth_of_its_se_away_passes_default_and_not_tight(planted, engine):
    record = planted(coefficients(estimate=lambda c: c.estimate + 5e-4 * c.se))
    assert "estimate" not in outside(record)
    assert "estimate" in outside(record, "tight")
    assert record.verdicts[1].verdict == "UNEXPLAINED"


def test_a_nan_estimate_is_nowhere_near_gls(planted, engine):
    record = planted(coefficients(estimate=lambda c: math.nan))
    assert said(record)[:2] == ("UNEXPLAINED", (engine,))
    assert math.isnan(record.audit(engine).gls_distance)
    assert "estimate" in outside(record)


def test_random_effects_of_the_wrong_groups_are_caught(planted):
    record = planted(term(effects=lambda t: t.effects[1:] + t.effects[:1]))
    assert said(record)[0] == "UNEXPLAINED"
    assert outside(record) == {"random_effect"}


def test_one_fitted_value_in_180_is_caught(planted):
    record = planted(lambda fit: replace(fit, fitted=(fit.fitted[0] + 5.0, *fit.fitted[1:])))
    assert said(record)[0] == "UNEXPLAINED"
    assert outside(record) == {"fitted"}


def test_another_number_of_rows_is_a_data_mismatch(planted, engine):
    record = planted(lambda fit: replace(fit, n_obs=179))
    assert said(record) == ("DATA_MISMATCH", (engine,), ("rows-left-out",))
    assert f"{engine} 179" in record.verdicts[0].sentence


def test_another_checksum_is_a_data_mismatch(planted, engine):
    record = planted(lambda fit: replace(fit, data_checksum="0" * 32))
    assert said(record) == ("DATA_MISMATCH", (engine,), ())


def test_a_missing_coefficient_is_another_model(planted, engine):
    record = planted(lambda fit: replace(fit, coefficients=fit.coefficients[:1]))
    assert said(record) == ("DIFFERENT_MODEL", (engine,), ())


@pytest.mark.parametrize(
    "change",
    [
        lambda fit: replace(fit, random=()),
        term(
            names=lambda t: t.names[:1],
            covariance=lambda t: ((t.covariance[0][0],),),
            effects=lambda t: tuple(row[:1] for row in t.effects),
        ),
        term(group=lambda t: "Days"),
    ],
    ids=["no random term", "no random slope", "another group"],
)
def test_other_random_effects_are_another_model(planted, engine, change):
    record = planted(change)
    assert said(record) == ("DIFFERENT_MODEL", (engine,), ())
    assert record.comparisons == ()


def rename(fit):
    first, second = fit.coefficients
    return replace(fit, coefficients=(first, replace(second, name="Days, centred")))


def test_another_basis_of_the_same_space_is_coding(planted, engine):
    record = planted(rename)
    assert said(record) == ("CODING", (engine,), ("reml-coding",))
    assert "Days, centred" in record.verdicts[0].evidence[0]


def test_other_columns_are_coding_only_if_they_span_the_same_space(planted, engine):
    """As many columns are not enough: fitted values must be the same."""
    record = planted(both(rename, lambda f: replace(f, fitted=(f.fitted[0] + 5, *f.fitted[1:]))))
    assert said(record) == ("DIFFERENT_MODEL", (engine,), ())


def test_statsmodels_own_se_is_a_definition_and_no_difference(slope):
    rung, outcomes = slope
    record = judge(rung, alter(outcomes, "statsmodels", coefficients(se=lambda c: 1.1 * c.se)))
    assert said(record) == ("AGREE", (), ())
    assert outside(record) == set()
    joint = [d for d in record.definitions if d.cause == "se-joint-hessian"]
    assert [d.item for d in joint] == ["Intercept", "Days"]
    # 1e-3 is the default tolerance of standard errors.
    assert all(d.like_for_like == pytest.approx(d.right, rel=1e-3) for d in joint)
    assert all(d.left == pytest.approx(1.1 * d.right, rel=1e-3) for d in joint)


def test_lme4s_own_se_is_compared(slope):
    rung, outcomes = slope
    record = judge(rung, alter(outcomes, "lme4", coefficients(se=lambda c: 1.1 * c.se)))
    assert said(record)[0] == "UNEXPLAINED"
    assert outside(record) == {"se"}


@pytest.mark.parametrize("column", ["df", "p"])
def test_lmertests_numbers_are_checked_and_no_cause_is_assumed(slope, column):
    """Halved df at a residual SD of 26 are not a matter of units."""
    rung, outcomes = slope
    change = coefficients(**{column: lambda c: 0.5 * getattr(c, column)})
    record = judge(rung, alter(outcomes, "lme4", change))
    assert said(record) == ("UNEXPLAINED", (), ())
    assert outside(record) == {column}


def test_zeroed_fixed_effects_are_statsmodels_10239(fitted):
    """Dyestuff2's between-batch variance is zero; its mean set to 0 is what the issue shows."""
    rung, outcomes = fitted("dyestuff2/REML")
    zero = both(coefficients(estimate=lambda c: 0.0), covariance(lambda psi: 1e-12 * psi))
    record = judge(rung, alter(outcomes, "statsmodels", zero))
    verdict = record.verdicts[0]
    assert (verdict.verdict, verdict.engines) == ("WRONG_OPTIMUM", ("statsmodels",))
    assert verdict.causes[0] == "sm-zero-fe"
    assert verdict.evidence[0].startswith("Intercept exactly 0, ")


def test_zeroed_fixed_effects_at_a_variance_that_is_not_zero_have_no_known_cause(slope):
    rung, outcomes = slope
    change = coefficients(estimate=lambda c: 0.0)
    record = judge(rung, alter(outcomes, "statsmodels", change))
    assert said(record) == ("UNEXPLAINED", ("statsmodels",), ())


def test_a_convergence_flag_is_held_against_the_certificate(planted, engine):
    stated = planted(lambda fit: replace(fit, converged=False))
    assert stated.audit(engine).converged_true is False
    assert said(stated) == ("AGREE", (), ())
    short = planted(covariance(lambda psi: 1.3 * psi))
    assert short.audit(engine).converged_true is False
    honest = planted(
        both(covariance(lambda psi: 1.3 * psi), lambda fit: replace(fit, converged=False))
    )
    assert honest.audit(engine).converged_true is True
    assert honest.verdicts[0].evidence[0].endswith("and says so")


@pytest.mark.parametrize("flag", [True, False, None])
def test_a_singularity_flag_is_held_against_the_certificate(planted, engine, flag):
    record = planted(lambda fit: replace(fit, singular=flag))
    assert record.audit(engine).singular_true == (None if flag is None else not flag)


def test_a_boundary_warning_at_a_clear_variance_is_a_definition(slope):
    rung, outcomes = slope
    record = judge(rung, alter(outcomes, "lme4", lambda fit: replace(fit, singular=True)))
    assert "absolute-boundary-warning" in {d.cause for d in record.definitions}


def test_without_a_log_likelihood_the_rest_is_compared(planted):
    record = planted(lambda fit: replace(fit, loglik=None))
    assert said(record) == ("AGREE", (), ())
    assert "loglik" not in {c.quantity for c in record.comparisons}
