"""Every cause that an engine can be made to show, reproduced on the smallest data that show it.

The faults are the engines' own: real fits, no planted numbers, but for how statsmodels is called
where the fault is the user's call.
"""

import msgspec
import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from harness.data.datasets import load_dataset
from harness.data.recipes.shapes import Recipe, build
from harness.engines.engine import Fit, RandomTerm
from harness.engines.lme4 import Lme4Engine
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.causes.predicates import effects_rounded
from harness.judge.causes.rounding import fixed_effects_rounded, normal_equations, rounded_loglik
from harness.judge.judge import judge
from harness.judge.sentence import sentence
from tests.judge.fact_cases import case_of, fixture_case, judged, seen_of, six_groups_of_five

pytestmark = pytest.mark.r


def test_statsmodels_stops_where_its_gradient_has_the_wrong_sign(r):
    case = case_of(six_groups_of_five(7), "y ~ x + (x | g)")
    left = StatsmodelsEngine().fit(case, "default")
    verdict, seen = judged(case, left, Lme4Engine(r).fit(case, "default"))
    assert verdict.verdict == "WRONG_OPTIMUM"
    assert verdict.blamed == ("statsmodels",)
    assert verdict.causes[:2] == ("sm-score-sign", "stopped-short")
    # It says converged=True at a point whose deviance is 0.1 above the best.
    assert left.converged is True
    assert seen.one.audit.converged_true is False
    assert seen.one.audit.gap > 0.05


def test_lme4_is_caught_in_the_column_trap(r):
    case = case_of(six_groups_of_five(44), "y ~ x + (x | g)")
    verdict, seen = judged(
        case, RefereeEngine().fit(case, "default"), Lme4Engine(r).fit(case, "default")
    )
    assert verdict.verdict == "WRONG_OPTIMUM"
    assert verdict.blamed == ("lme4",)
    assert "lme4-column-trap" in verdict.causes
    assert seen.reference.audit.dual < -0.01
    assert seen.reference.audit.gap > 1.0
    assert Lme4Engine(r).fit(case, "tight").loglik == pytest.approx(seen.one.fit.loglik, abs=1e-6)


def test_lme4_calls_a_singular_fit_not_singular(r):
    case = case_of(six_groups_of_five(12), "y ~ x + (x | g)")
    right = Lme4Engine(r).fit(case, "default")
    verdict, seen = judged(case, RefereeEngine().fit(case, "default"), right)
    assert right.singular is False
    assert seen.reference.audit.certificate == "boundary optimum"
    assert seen.reference.audit.singular_true is False
    assert "singular-not-flagged" in verdict.causes


def test_the_default_tolerances_of_lme4_cost_digits_that_tight_ones_bring_back(r):
    case = case_of(six_groups_of_five(37), "y ~ x + (x | g)")
    referee = RefereeEngine().fit(case, "default")
    verdict, seen = judged(case, referee, Lme4Engine(r).fit(case, "default"))
    assert verdict.verdict == "TOLERANCE"
    assert verdict.causes[0] == "flat-optimum"
    assert 1e-6 < seen.reference.audit.gap < 2e-4
    tight, _ = judged(case, RefereeEngine().fit(case, "tight"), Lme4Engine(r).fit(case, "tight"))
    assert tight.verdict == "AGREE"


@pytest.mark.parametrize("formula", ["y ~ x + g + (1 | g)", "y ~ w + (1 | h)"])
def test_a_variance_between_groups_that_have_fixed_effects_is_not_determined(r, formula):
    """As many fixed effects as groups leave nothing for a variance between them."""
    frame = six_groups_of_five(7)
    frame["h"] = np.where(frame.g < "g3", "a", "b")
    frame["w"] = np.where(frame.h == "a", 1.0, 2.0)
    case = case_of(frame, formula)
    left = StatsmodelsEngine().fit(case, "default")
    verdict, seen = judged(case, left, Lme4Engine(r).fit(case, "default"))
    assert verdict.verdict == "UNDETERMINED"
    assert verdict.causes == ("undetermined-variance",)
    apart = np.array(seen.one.audit.theta) - np.array(seen.reference.audit.theta)
    assert abs(apart).max() > 0.1


def test_statsmodels_ignores_free_with_powell(r):
    case = fixture_case("sleepstudy", "Reaction ~ Days + (Days || Subject)")
    left = StatsmodelsEngine("powell").fit(case, "default")
    verdict, _ = judged(case, left, Lme4Engine(r).fit(case, "default"))
    assert verdict.verdict == "DIFFERENT_MODEL"
    assert verdict.blamed == ("statsmodels",)
    assert verdict.causes == ("sm-free-ignored",)


def test_a_second_fit_of_one_statsmodels_model_changes_the_first_log_likelihood(r):
    case = fixture_case("sleepstudy", "Reaction ~ Days + (1 | Subject)")
    model = smf.mixedlm("Reaction ~ Days", load_dataset("sleepstudy").frame, groups="Subject")
    reml = model.fit(reml=True)
    model.fit(reml=False)
    alone = StatsmodelsEngine().fit(case, "default")
    # llf is computed when it is first asked for, from a model that now says ML.
    assert abs(float(reml.llf) - alone.loglik) > 1.0
    left = msgspec.structs.replace(alone, loglik=float(reml.llf))
    verdict, _ = judged(case, left, Lme4Engine(r).fit(case, "default"))
    assert verdict.verdict == "FALSE_STATEMENT"
    assert verdict.blamed == ("statsmodels",)
    assert verdict.causes == ("sm-mutated-model",)
    assert not verdict.unexplained


def test_crossed_factors_written_as_nested_are_recognised(r):
    case = fixture_case("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)")
    result = smf.mixedlm(
        "diameter ~ 1",
        load_dataset("Penicillin").frame,
        groups="plate",
        re_formula="1",
        vc_formula={"sample": "0 + C(sample)"},
    ).fit()
    left = as_if_it_were(case, result, [float(result.cov_re.iloc[0, 0]), float(result.vcomp[0])])
    verdict, _ = judged(case, left, Lme4Engine(r).fit(case, "default"))
    assert verdict.verdict == "DIFFERENT_MODEL"
    assert verdict.causes == ("crossed-as-nested",)
    assert verdict.blamed == ("statsmodels",)


def test_a_random_intercept_dropped_for_want_of_re_formula_is_recognised(r):
    case = fixture_case("Pastes", "strength ~ 1 + (1 | batch/cask)")
    result = smf.mixedlm(
        "strength ~ 1",
        load_dataset("Pastes").frame,
        groups="batch",
        vc_formula={"cask": "0 + C(cask)"},
    ).fit()
    left = as_if_it_were(case, result, [float(result.vcomp[0])], terms=[1])
    verdict, _ = judged(case, left, Lme4Engine(r).fit(case, "default"))
    assert verdict.verdict == "DIFFERENT_MODEL"
    assert verdict.causes == ("dropped-term",)
    assert verdict.blamed == ("statsmodels",)


def as_if_it_were(case, result, variances, terms=None):
    """What a user would report of a MixedLM result as a fit of ``case``."""
    fit = StatsmodelsEngine().fit(case, "default")
    assert isinstance(fit, Fit)
    kept = [fit.random[i] for i in (terms or range(len(fit.random)))]
    random = tuple(
        RandomTerm(t.group, t.names, ((v,),), t.levels, None)
        for t, v in zip(kept, variances, strict=True)
    )
    return msgspec.structs.replace(
        fit,
        random=random,
        residual_variance=float(result.scale),
        loglik=float(result.llf),
        fitted=(),
        residuals=(),
        variance_se=(),
    )


def test_statsmodels_takes_a_nearly_zero_direction_of_its_covariance_for_infinite(r):
    case = case_of(six_groups_of_five(4), "y ~ x + (x | g)")
    best = RefereeEngine().fit(case, "default")
    psi = np.array(best.random[0].covariance) / best.residual_variance
    start = psi + 1e-13 * np.trace(psi) * np.eye(2)
    left = StatsmodelsEngine("bfgs", start=(start,)).fit(case, "default")
    verdict, seen = judged(case, left, Lme4Engine(r).fit(case, "default"))
    assert verdict.verdict == "WRONG_OPTIMUM"
    assert verdict.blamed == ("statsmodels",)
    assert verdict.causes[0] == "sm-zero-fe"
    # The variances are right, and the other one is far from zero.
    assert seen.one.audit.certificate == "boundary optimum"
    assert left.random[0].covariance[0][0] > 1e-3 * left.residual_variance
    assert seen.one.audit.gls_distance > 0.01
    # Where no direction is below the limit of 1e-10, the fixed effects are those of GLS.
    lifted = psi + 1e-6 * np.trace(psi) * np.eye(2)
    above = StatsmodelsEngine("bfgs", start=(lifted,)).fit(case, "default")
    assert seen_of(case, above, seen.reference.fit).one.audit.gls_distance < 1e-6


def test_a_variance_of_zero_at_the_optimum_is_a_true_boundary(r):
    case = fixture_case("Dyestuff2", "Yield ~ 1 + (1 | Batch)")
    verdict, _ = judged(
        case, StatsmodelsEngine().fit(case, "default"), Lme4Engine(r).fit(case, "default")
    )
    assert verdict.verdict == "AGREE"
    assert verdict.causes == ("true-boundary",)


def far_from_zero():
    """Four groups of 37; x is 0.1, give or take a ten-millionth."""
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(4), 37)
    k = np.tile(np.repeat(np.arange(3), [13, 12, 12]), 4)
    x = 0.1 + 1e-7 * np.repeat(rng.normal(size=4).round(2), 37)
    y = 0.5 * rng.normal(size=4)[g] + rng.normal(size=148)
    return pd.DataFrame({"y": y, "x": x, "g": g.astype(str), "k": k.astype(str)})


def test_lme4_loses_digits_of_the_log_likelihood_with_a_predictor_far_from_zero(r):
    frame = far_from_zero()
    case = case_of(frame, "y ~ x + (1 | g/k)")
    left, right = RefereeEngine().fit(case, "default"), Lme4Engine(r).fit(case, "default")
    seen = seen_of(case, left, right)
    evidence = normal_equations(seen.reference)
    assert evidence is not None, seen.reference.audit
    assert seen.one.audit.loglik_error == pytest.approx(0.0, abs=1e-8)
    centred = case_of(frame.assign(x=1e7 * (frame.x - 0.1)), "y ~ x + (1 | g/k)")
    again = seen_of(
        centred, RefereeEngine().fit(centred, "default"), Lme4Engine(r).fit(centred, "default")
    )
    assert normal_equations(again.reference) is None
    assert abs(again.reference.audit.loglik_error) < 1e-8


def test_statsmodels_raises_where_its_optimizer_steps_onto_a_zero_variance(r):
    sizes = (8, 1, 2, 4, 9, 20, 4, 8, 16, 5)
    recipe = Recipe(
        shape="slope-only",
        criterion="ML",
        sizes=sizes,
        ratios=(0.0,),
        effect=0.5,
        digits=6,
        y_offset=10,
        seed=791729696,
    )
    case = build(recipe).case
    verdict = failed(case, r)
    assert (verdict.verdict, verdict.blamed) == ("FAILED", ("statsmodels",))
    assert verdict.causes == ("sm-singular-covariance",)
    assert "eigenvalue of cov_re is 0" in sentence(verdict.evidence[0])


def test_lme4_fails_at_its_start_with_a_predictor_in_the_millions(r):
    recipe = Recipe(
        shape="independent",
        sizes=(14, 14, 14, 14),
        ratios=(1.0, 100.0),
        effect=0.5,
        digits=6,
        x_offset=10,
        x_power=6,
        seed=2847062264,
    )
    verdict = failed(build(recipe).case, r)
    assert verdict.verdict == "FAILED"
    assert "lme4" in verdict.blamed
    assert verdict.causes == ("beyond-precision",)
    scaled = build(msgspec.structs.replace(recipe, x_power=0)).case
    assert isinstance(Lme4Engine(r).fit(scaled, "default"), Fit)


def test_random_effects_that_an_inverse_of_the_covariance_has_rounded_are_named(r):
    """Planted: with a covariance of condition 1e16, an error of 1e-4 is what rounding may do."""
    recipe = Recipe(
        shape="interaction-slope",
        criterion="ML",
        sizes=(5, 5, 5, 5),
        ratios=(100.0, 0.1),
        correlation=-1.0,
        levels=3,
        between_factor=True,
        effect=-3.0,
        digits=0,
        x_offset=2000,
        unused=3,
        order="interleaved",
        seed=2988387051,
    )
    case = build(recipe).case
    left, right = StatsmodelsEngine().fit(case, "tight"), Lme4Engine(r).fit(case, "tight")
    # What statsmodels predicts here is right at its own variances, however close to singular.
    assert effects_rounded(seen_of(case, left, right)) is None
    (term,) = left.random
    assert np.linalg.cond(np.array(term.covariance)) > 1e13
    rounded = np.array(term.effects)
    rounded[0] *= 1.0 + 1e-4
    term = msgspec.structs.replace(term, effects=tuple(map(tuple, rounded.tolist())))
    off = msgspec.structs.replace(left, random=(term,))
    evidence = effects_rounded(seen_of(case, off, right))
    assert evidence is not None
    assert sentence(evidence).startswith("statsmodels: random effects are off by")


@pytest.mark.parametrize("seed", [1326002153, 4, 7])
def test_random_effects_that_mixedlms_equations_round_far_from_zero_are_named(r, seed):
    """A predictor around 2,000 that varies by 5; intercepts vary 100 times as much as residuals."""
    recipe = Recipe(
        shape="independent",
        sizes=(19, 6, 18, 6, 9, 15),
        ratios=(10000.0, 0.1),
        effect=0.5,
        digits=6,
        x_offset=2000,
        seed=seed,
    )
    case = build(recipe).case
    left, right = StatsmodelsEngine().fit(case, "tight"), Lme4Engine(r).fit(case, "tight")
    verdict, seen = judged(case, left, right)
    assert verdict.verdict != "UNEXPLAINED"
    # Effects that are off by more than its formula loses are not laid to rounding.
    blocks = [np.array(term.effects) for term in left.random]
    blocks[0][0] += 10.0 * np.sqrt(left.residual_variance)
    terms = tuple(
        msgspec.structs.replace(term, effects=tuple(map(tuple, block)))
        for term, block in zip(left.random, blocks, strict=True)
    )
    off = msgspec.structs.replace(left, random=terms)
    assert effects_rounded(seen_of(case, off, right)) is None
    if seed == 1326002153:
        assert seen.one.audit.certificate == "interior optimum"
        assert verdict.causes == ("sm-llf-conditioning",)
        (evidence,) = verdict.evidence
        assert sentence(evidence).startswith("statsmodels: random effects or fitted values are")


FAR_FROM_ZERO = Recipe(
    shape="interaction",
    sizes=(3, 1, 3),
    ratios=(10.0,),
    x="between",
    effect=-3.0,
    x_offset=100000,
    seed=3056148274,
)
"""Seven rows: estimates thousandths of a standard error off."""

NO_DIGIT_OF_THE_INVERSE = Recipe(
    shape="interaction-slope",
    criterion="ML",
    sizes=(4, 6),
    ratios=(10000.0, 0.3),
    correlation=0.9,
    levels=3,
    x="mixed",
    effect=-3.0,
    y_offset=10,
    labels="integers",
    order="shuffled",
    seed=305988258,
)
"""MixedLM stops at a cov_re of condition 7e16: its last bits decide on estimates."""

THOUSAND_WITHIN_A_HUNDREDTH = Recipe(
    shape="cluster",
    sizes=(3,) * 195,
    ratios=(0.1,),
    x="within",
    digits=3,
    x_offset=100000,
    x_power=-2,
    order="interleaved",
    seed=3290392669,
)
"""A predictor of 1,000 that varies by 0.01: what X'V^-1 X rounds depends on the order of a sum."""


@pytest.mark.parametrize(
    "recipe", [FAR_FROM_ZERO, NO_DIGIT_OF_THE_INVERSE, THOUSAND_WITHIN_A_HUNDREDTH]
)
def test_fixed_effects_that_mixedlms_equations_round_are_named(recipe):
    case = build(recipe).case
    left = StatsmodelsEngine().fit(case, "tight")
    verdict, seen = judged(case, left, RefereeEngine().fit(case, "tight"))
    assert verdict.verdict != "UNEXPLAINED"
    if seen.one.audit.gls_distance > 1e-3:
        assert (verdict.verdict, verdict.causes[0]) == ("WRONG_OPTIMUM", "sm-llf-conditioning")
        assert "fixed effects are off by" in sentence(verdict.evidence[0])
    # What is off by more than the formula loses is not laid to it.
    far = tuple(msgspec.structs.replace(c, estimate=c.estimate + 1e7) for c in left.coefficients)
    off = msgspec.structs.replace(left, coefficients=far)
    beyond = seen_of(case, off, RefereeEngine().fit(case, "tight")).one
    assert beyond.audit.gls_distance > 1.0
    assert fixed_effects_rounded(beyond) is None


LOGLIK_WITHOUT_DIGITS = Recipe(
    shape="two-slopes",
    sizes=(14, 10, 1),
    ratios=(0.01, 0.0, 1.0),
    x="within",
    effect=0.5,
    digits=2,
    y_offset=1000000,
    x_offset=100000,
    x_power=3,
    labels="awkward",
    order="interleaved",
    seed=3217543920,
)
"""Predictors in the hundred millions: MixedLM's log-likelihood is 1.6 off."""


def test_a_log_likelihood_that_mixedlms_formulas_round_is_named():
    case = build(LOGLIK_WITHOUT_DIGITS).case
    left, right = StatsmodelsEngine().fit(case, "default"), RefereeEngine().fit(case, "default")
    seen = seen_of(case, left, right).one
    # The condition of cov_re alone does not explain it: what is lost is lost in the equations.
    condition = np.linalg.cond(np.array(left.random[0].covariance))
    assert abs(seen.audit.loglik_error) > 1.0 > 100.0 * np.finfo(float).eps * condition
    evidence = rounded_loglik(seen)
    assert evidence is not None
    assert sentence(evidence).startswith("statsmodels: log-likelihood off by 1.6, its formulas,")
    off = msgspec.structs.replace(left, loglik=left.loglik + 1e3)
    assert rounded_loglik(seen_of(case, off, right).one) is None


def failed(case, r):
    left = StatsmodelsEngine().fit(case, "default")
    right = Lme4Engine(r).fit(case, "default")
    return judged(case, left, right)[0]


def test_the_boundary_warning_of_statsmodels_is_absolute(r):
    case = fixture_case("Sitka", "size ~ Time + (Time | tree)")
    found = judge(case, [StatsmodelsEngine(), Lme4Engine(r)], ("default",))
    (evidence,) = [
        e for e in found.judgement("statsmodels").evidence if e.cause == "absolute-boundary-warning"
    ]
    assert evidence.numbers["smallest"] < 0.01


def test_distances_from_the_best_point_are_in_its_standard_errors(r):
    case = fixture_case("Sitka", "size ~ Time + (Time | tree)")
    _, seen = judged(
        case, StatsmodelsEngine().fit(case, "default"), Lme4Engine(r).fit(case, "default")
    )
    near, far = dict(seen.one.audit.distances), dict(seen.reference.audit.distances)
    assert set(near) == {"Intercept", "Time", "tree: Intercept", "tree: Time"}
    assert max(near.values()) < 1e-4
    # lme4 stops 14 units of log-likelihood short; balanced data, so the fixed effects are right.
    assert far["tree: Intercept"] > 2.0
    assert far["Time"] < 1e-9


def twelve_groups_of_six() -> pd.DataFrame:
    """A factor of three levels within groups that have another name too."""
    rng = np.random.default_rng(7)
    group, level = np.repeat(np.arange(12), 6), np.tile([0, 1, 2], 24)
    y = 10 + level + rng.normal(0, 1.5, 12)[group] + rng.normal(0, 1, (12, 3))[group, level]
    return pd.DataFrame(
        {
            "y": (y + rng.normal(0, 1, 72)).round(2),
            "f": np.array(["a", "b", "c"])[level],
            "g": [f"g{i}" for i in group],
            "other": [f"B{i}" for i in group],
        }
    )


@pytest.mark.parametrize("formula", ["y ~ f + (f || g)", "y ~ f + (1 | g) + (0 + f | g)"])
def test_a_factor_beside_the_intercept_leaves_a_variance_open(r, formula):
    """Raising the intercept's variance and lowering all others' is no change of V."""
    frame = twelve_groups_of_six()
    case = case_of(frame, formula)
    for setting in ("default", "tight"):
        left = StatsmodelsEngine().fit(case, setting)
        verdict, _ = judged(case, left, Lme4Engine(r).fit(case, setting))
        assert verdict.verdict == "UNDETERMINED"
        assert verdict.causes[0] == "undetermined-variance"
        (direction,) = verdict.evidence[0].lists["directions"]
        assert direction.startswith("g: Intercept +1, g: f[a] -1, g: f[a] x f[b] -1")


def test_statsmodels_error_on_one_grouping_under_two_names_has_its_cause():
    case = case_of(twelve_groups_of_six(), "y ~ f + (1 | g) + (1 | other)")
    failure = StatsmodelsEngine().fit(case, "default")
    assert failure.reason == "error"
    verdict, _ = judged(case, failure, RefereeEngine().fit(case, "default"))
    assert verdict.causes == ("undetermined-variance",)
    assert verdict.evidence[0].lists["directions"] == ("g: Intercept +1, other: Intercept -1",)
