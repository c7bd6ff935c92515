"""Faults planted in real fits: each is found, laid to the right engine, and named."""

import math

import numpy as np
import pytest
from msgspec.structs import replace

from harness.data.datasets import load_dataset
from harness.judge.definition_notes import definition_notes
from harness.judge.sentence import said as words_of
from harness.judge.sentence import sentences
from harness.model.design import build_design
from harness.model.table import FactorColumn, Table
from tests.judge.planted import (
    alter,
    both,
    coefficients,
    covariance,
    fits,
    judge,
    rung_of,
    term,
)

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
    found = record.comparison("statsmodels")
    return found.verdict, found.blamed, found.causes


def outside(record, setting="default"):
    rows = record.comparison("statsmodels", setting).differences
    return {d.quantity for d in rows if not d.within}


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


def test_a_standard_error_under_another_definition_than_the_references_is_no_difference(r):
    """Litters of 2 to 18 pups: the joint Hessian's standard errors are others."""
    rung = rung_of(load_dataset("RatPupWeight").frame, "weight ~ Lsize + (1 | Litter)")
    record = judge(rung, fits(rung, r))
    assert said(record)[:2] == ("AGREE", ())
    assert outside(record) == set()
    stated = record.judgement("statsmodels").statement("se", "Lsize")
    assert (stated.definition, stated.truth) == ("joint-hessian", "true")
    notes = {n.item: n for n in definition_notes(record, "statsmodels") if n.quantity == "se"}
    # 1e-3 is the default tolerance of standard errors.
    assert notes["Lsize"].like_for_like == pytest.approx(notes["Lsize"].reference, rel=1e-3)
    assert notes["Lsize"].value == stated.value


def test_a_standard_error_is_held_to_the_definition_that_its_engine_declares(planted, engine):
    record = planted(coefficients(se=lambda c: 1.1 * c.se))
    assert said(record)[:2] == ("FALSE_STATEMENT", (engine,))
    stated = record.judgement(engine).statement("se", "Days")
    assert (stated.truth, stated.declared) == ("false", stated.definition)
    assert stated.value == pytest.approx(1.1 * stated.right, rel=1e-3)
    assert record.judgement(OTHER[engine]).verdict == "RIGHT"
    # What the referee has at statsmodels' point is compared, not what statsmodels prints.
    assert ("se" in outside(record)) == (engine == "lme4")


def test_a_false_number_is_not_explained_by_the_cause_of_another(r):
    """lmerTest's df in small units are false for a named reason; a planted SE is not."""
    frame = load_dataset("sleepstudy").frame.assign(y=lambda d: d["Reaction"] * 1e-7)
    rung = rung_of(frame, "y ~ Days + (Days | Subject)")
    outcomes = fits(rung, r)
    known = judge(rung, outcomes).comparison("statsmodels")
    assert (known.verdict, known.unexplained) == ("FALSE_STATEMENT", False)
    wrong = coefficients(se=lambda c: 1.1 * c.se, statistic=lambda c: None, p=lambda c: None)
    both_false = judge(rung, alter(outcomes, "lme4", wrong)).comparison("statsmodels")
    assert "lmertest-units" in both_false.causes
    assert both_false.unexplained
    assert "standard error" in both_false.sentence
    assert both_false.sentence.endswith("for no known reason.")


def test_an_engine_at_the_optimum_with_a_false_number_is_not_called_short_of_it(slope):
    rung, outcomes = slope
    outcomes = alter(outcomes, "statsmodels", covariance(lambda psi: 1.3 * psi))
    outcomes = alter(outcomes, "lme4", coefficients(df=lambda c: 0.5 * c.df))
    found = judge(rung, outcomes).comparison("statsmodels")
    assert (found.verdict, found.blamed) == ("WRONG_OPTIMUM", ("statsmodels",))
    assert found.sentence.startswith("lme4 is at the optimum, though not every number")


def test_a_constant_left_out_without_a_declaration_is_a_definition(planted, engine):
    constant = math.log(2 * math.pi)  # p / 2 log 2 pi, p = 2
    record = planted(
        lambda fit: replace(fit, loglik=fit.loglik - constant, aic=None, bic=None, definitions={})
    )
    assert said(record) == ("DEFINITION", (engine,), ("criterion-constant",))
    stated = record.judgement(engine).statement("loglik")
    assert (stated.declared, stated.definition) == ("", "minus p/2 log 2 pi")
    assert stated.truth == "true"


def test_variances_in_params_stand_beside_those_of_the_reference(slope):
    record = judge(*slope)
    notes = {n.item: n for n in definition_notes(record, "statsmodels") if n.quantity == "variance"}
    own, other = record.fit("statsmodels"), record.fit("lme4")
    note = notes["Subject: Days"]
    assert note.reference == other.random[0].covariance[1][1]
    assert note.like_for_like == own.random[0].covariance[1][1]
    assert note.value == pytest.approx(note.like_for_like / own.residual_variance, rel=1e-14)


def test_a_number_that_is_true_under_another_definition_than_the_declared_is_named(slope):
    rung, outcomes = slope
    n_minus_p = 178
    record = judge(rung, alter(outcomes, "lme4", coefficients(df=lambda c: float(n_minus_p))))
    stated = record.judgement("lme4").statement("df", "Days")
    assert (stated.declared, stated.definition) == ("satterthwaite", "residual")
    assert stated.truth == "other definition"
    assert "residual-df" in record.judgement("lme4").causes


@pytest.mark.parametrize(
    ("rung", "share", "cause"),
    [
        ("sleepstudy/slope/ML", 180 / 178, "se-adjusted-sigma"),
        ("sleepstudy/slope/REML", 178 / 180, "se-divided-by-n"),
    ],
)
def test_standard_errors_times_a_function_of_n_and_p_are_named(fitted, rung, share, cause):
    """nlme's standard errors under ML, and those of a residual variance divided by n."""
    chosen, outcomes = fitted(rung)
    others = coefficients(
        se=lambda c: math.sqrt(share) * c.se, statistic=lambda c: None, p=lambda c: None
    )
    judgement = judge(chosen, alter(outcomes, "lme4", others)).judgement("lme4")
    assert judgement.statement("se", "Days").truth == "other definition"
    assert cause in judgement.causes
    assert judgement.verdict == "RIGHT"


def test_where_no_definition_is_declared_all_are_tried_and_the_one_that_fits_is_named(slope):
    rung, outcomes = slope
    silent = [replace(fit, definitions={}) for fit in outcomes]
    record = judge(rung, silent)
    found = {
        engine: {s.quantity: s.definition for s in record.judgement(engine).statements}
        for engine in ENGINES
    }
    assert {s.truth for j in record.judgements for s in j.statements} == {"true"}
    # The data are balanced: the joint Hessian gives the same standard errors as GLS, to 1e-6.
    assert found["lme4"]["se"] == "gls"
    assert (found["statsmodels"]["df"], found["lme4"]["df"]) == ("none", "satterthwaite")
    assert found["statsmodels"]["variance_se"] == "packed-hessian"
    assert found["statsmodels"]["variance"] == "scaled"
    assert found["statsmodels"]["aic"] == "nan-under-reml"


@pytest.mark.parametrize("column", ["df", "p"])
def test_lmertests_numbers_are_checked_and_no_cause_is_assumed(slope, column):
    """Halved df at a residual SD of 26 are not a matter of units."""
    rung, outcomes = slope
    change = coefficients(**{column: lambda c: 0.5 * getattr(c, column)})
    record = judge(rung, alter(outcomes, "lme4", change))
    assert said(record) == ("FALSE_STATEMENT", ("lme4",), ())
    assert record.comparisons[0].unexplained
    assert outside(record) == {column}


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
