"""Faults planted in real fits: each is found, laid to the right engine, and named."""

import math

import numpy as np
import pytest
from msgspec.structs import replace

from harness.data.datasets import load_dataset
from harness.judge.sentence import said as words_of
from harness.judge.sentence import sentences
from harness.model.design import build_design
from harness.model.table import FactorColumn, Table
from tests.judge.planted import (
    ENGINES,
    OTHER,
    alter,
    both,
    coefficients,
    covariance,
    fits,
    judge,
    outside,
    rung_of,
    said,
    term,
)

pytestmark = pytest.mark.r

DIVISOR = ("wrong-divisor",)


def test_nothing_planted_nothing_found(slope):
    record = judge(*slope)
    assert [said(record), record.comparisons[1].verdict] == [("AGREE", (), ()), "AGREE"]
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
    assert f"{OTHER[engine]} is right" in record.comparisons[0].sentence
    assert (
        f"deviance {audit.gap:.2g} above the best point"
        in sentences(record.comparisons[0].evidence)[-1]
    )


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
    verdict = judge(rung, outcomes).comparisons[0]
    assert (verdict.verdict, verdict.blamed) == ("WRONG_OPTIMUM", ENGINES)
    assert verdict.sentence.startswith("Neither engine is at the optimum")
    assert all(f"{engine}: deviance" in " ".join(sentences(verdict.evidence)) for engine in ENGINES)


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
    assert "no valid covariance matrix" in record.comparisons[0].sentence


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
    record = planted(lambda fit: replace(fit, loglik=fit.loglik + error, aic=None, bic=None))
    if named:
        assert said(record) == ("DEFINITION", (engine,), ("criterion-constant",))
        assert sentences(record.comparisons[0].evidence)[0].endswith(named)
    else:
        assert said(record) == ("FALSE_STATEMENT", (engine,), ())
        assert record.comparisons[0].unexplained
    assert "log" in record.comparisons[0].sentence
    assert outside(record) == {"loglik"}


def test_a_constant_that_both_engines_leave_out_is_found_by_the_referee(slope):
    rung, outcomes = slope
    shifted = [replace(fit, loglik=fit.loglik + 1.0) for fit in outcomes]
    record = judge(rung, shifted)
    assert outside(record) == set()
    assert said(record)[:2] == ("FALSE_STATEMENT", ENGINES)


def test_an_estimate_a_hundredth_of_its_se_away_is_caught(planted, engine):
    record = planted(coefficients(estimate=lambda c: c.estimate + 0.01 * c.se))
    assert said(record) == ("UNEXPLAINED", (engine,), ())
    # statsmodels' own SE is the like-for-like one here to 1e-6: the data are balanced.
    assert record.audit(engine).gls_distance == pytest.approx(0.01, rel=1e-4)
    assert "estimate" in outside(record)
    assert "0.01 SE from the GLS" in record.comparisons[0].sentence


def test_an_estimate_half_a_thousandth_of_its_se_away_passes_default_and_not_tight(planted, engine):
    nothing = lambda c: None  # noqa: E731
    record = planted(
        coefficients(estimate=lambda c: c.estimate + 5e-4 * c.se, statistic=nothing, p=nothing)
    )
    assert "estimate" not in outside(record)
    assert "estimate" in outside(record, "tight")
    assert record.comparisons[1].verdict == "UNEXPLAINED"


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
    assert f"{engine} 179" in record.comparisons[0].sentence


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
    assert record.comparisons[0].differences == ()


def rename(fit):
    first, second = fit.coefficients
    return replace(fit, coefficients=(first, replace(second, name="Days, centred")))


def test_another_basis_of_the_same_space_is_coding(planted, engine):
    record = planted(rename)
    assert said(record) == ("CODING", (engine,), ("other-contrasts",))
    assert "Days, centred" in sentences(record.comparisons[0].evidence)[0]


def test_other_columns_are_coding_only_if_they_span_the_same_space(planted, engine):
    """As many columns are not enough: fitted values must be the same."""
    record = planted(both(rename, lambda f: replace(f, fitted=(f.fitted[0] + 5, *f.fitted[1:]))))
    assert said(record) == ("DIFFERENT_MODEL", (engine,), ())


def test_zeroed_fixed_effects_are_statsmodels_10239(fitted):
    """Dyestuff2's between-batch variance is zero; its mean set to 0 is what the issue shows."""
    rung, outcomes = fitted("dyestuff2/REML")
    zero = both(coefficients(estimate=lambda c: 0.0), covariance(lambda psi: 1e-12 * psi))
    record = judge(rung, alter(outcomes, "statsmodels", zero))
    verdict = record.comparisons[0]
    assert (verdict.verdict, verdict.blamed) == ("WRONG_OPTIMUM", ("statsmodels",))
    assert verdict.causes[0] == "sm-zero-fe"
    assert words_of(verdict.evidence[0]).startswith("Intercept exactly 0, ")


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
    assert sentences(honest.comparisons[0].evidence)[0].endswith("and says so")


@pytest.mark.parametrize("flag", [True, False, None])
def test_a_singularity_flag_is_held_against_the_certificate(planted, engine, flag):
    record = planted(lambda fit: replace(fit, singular=flag))
    assert record.audit(engine).singular_true == (None if flag is None else not flag)


def test_without_a_log_likelihood_the_rest_is_compared(planted):
    record = planted(lambda fit: replace(fit, loglik=None))
    assert said(record) == ("AGREE", (), ())
    assert "loglik" not in {d.quantity for d in record.comparisons[0].differences}


@pytest.fixture(scope="module")
def parts(r):
    """Sleepstudy in three parts and two kinds of subject, with an interaction, by both engines."""
    frame = load_dataset("sleepstudy").frame
    days, subject = frame["Days"], frame["Subject"].astype("category").cat.codes
    part = np.select([days < 3, days < 7], ["early", "middle"], "never")
    frame = frame.assign(part=part, kind=np.where(subject % 2, "odd", "even"))
    rung = rung_of(frame, "Reaction ~ kind * part + (1 | Subject)")
    return rung, fits(rung, r)


def with_first(case, scale, **firsts):
    """Make a fit one with its variance times ``scale``, and with other first levels.

    Its fixed effects are the GLS estimates at that variance, of columns with these levels first,
    under the names of the case.
    """

    def changed(fit):
        columns = [
            replace_order(c, firsts[c.name]) if c.name in firsts else c for c in case.table.columns
        ]
        x = build_design(case.model, Table(tuple(columns))).x
        (own,) = fit.random
        relative = scale * own.covariance[0][0] / fit.residual_variance
        z = (own_codes(case)[:, None] == np.arange(len(own.levels))).astype(float)
        weight = np.linalg.inv(np.eye(len(z)) + relative * z @ z.T)
        beta = np.linalg.solve(x.T @ weight @ x, x.T @ weight @ case.design.y)
        rows = tuple(
            replace(row, estimate=float(b), statistic=None, p=None, se=None, df=None)
            for row, b in zip(fit.coefficients, beta, strict=True)
        )
        term = replace(own, covariance=((scale * own.covariance[0][0],),), factor=None)
        return replace(fit, coefficients=rows, random=(term,))

    return changed


def replace_order(column, first):
    levels = (first, *(level for level in column.levels if level != first))
    codes = np.array([levels.index(column.levels[k]) for k in column.codes], dtype=np.int32)
    return FactorColumn(column.name, codes, levels)


def own_codes(case):
    return case.design.random[0].codes


@pytest.mark.parametrize(
    "firsts",
    [{"kind": "odd"}, {"part": "never"}, {"kind": "odd", "part": "middle"}],
    ids=["the first factor", "the second", "both"],
)
@pytest.mark.parametrize("scale", [1.0, 0.6], ids=["at the optimum", "short of it"])
def test_another_first_level_is_found_beside_a_variance_that_is_short(parts, engine, firsts, scale):
    rung, outcomes = parts
    record = judge(rung, alter(outcomes, engine, with_first(rung.case, scale, **firsts)))
    evidence = {e.cause: e for e in record.judgement(engine).evidence}
    found = evidence["other-reference-level"]
    assert dict(zip(found.lists["factors"], found.lists["levels"], strict=True)) == firsts
    assert ("stopped-short" in evidence) == (scale < 1.0)
    assert record.judgement(OTHER[engine]).verdict == "RIGHT"
    if scale < 1.0:
        # -2 log L of the altered variances by the multivariate normal density itself.
        (term,) = next(o for o in outcomes if o.engine == engine).random
        sigma2 = next(o for o in outcomes if o.engine == engine).residual_variance
        at = [reml_deviance(rung.case, s * term.covariance[0][0], sigma2) for s in (scale, 1.0)]
        # The engine's optimum is the best point to its tolerance, 1e-6 in deviance.
        assert evidence["stopped-short"].numbers["gap"] == pytest.approx(at[0] - at[1], abs=1e-5)


def reml_deviance(case, variance, sigma2):
    x, y = case.design.x, case.design.y
    z = (own_codes(case)[:, None] == np.arange(len(case.design.random[0].levels))).astype(float)
    v = sigma2 * np.eye(len(y)) + variance * z @ z.T
    inner = np.linalg.solve(v, x)
    beta = np.linalg.solve(x.T @ inner, inner.T @ y)
    left = y - x @ beta
    return (
        np.linalg.slogdet(v)[1]
        + np.linalg.slogdet(x.T @ inner)[1]
        + left @ np.linalg.solve(v, left)
        + (len(y) - x.shape[1]) * np.log(2.0 * np.pi)
    )
