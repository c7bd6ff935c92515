"""Verdicts are fair: one failure for one fault, and none for what an engine does not state."""

import dataclasses
import math
import re
from multiprocessing import forkserver

import numpy as np
import pytest
from msgspec.structs import replace

from harness.campaign.record_file import read_records
from harness.conformance import model_twins, transformations
from harness.conformance import suite as suite_module
from harness.conformance.fit_memory import Remembered
from harness.conformance.planted_engines import PLANTED as PLANTED_MISTAKES
from harness.conformance.planted_engines import PlantedEngine, residual_df, z_for_t
from harness.conformance.properties import PROPERTIES
from harness.conformance.suite import all_kept, run_suite, suite_of
from harness.conformance.suite_result import titled
from harness.data.ladder import full_ladder
from harness.data.recipes.shapes import build
from harness.engines.engine import Message
from harness.engines.referee_engine import RefereeEngine, fit_at
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.sentence import sentences
from harness.referee.lmertest_recipe import difference_df
from harness.referee.optimality import optimality
from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import likelihood_of
from harness.referee.satterthwaite import two_sided_p
from tests.conformance import unwilling

HERE = "tests.conformance.unwilling"


@pytest.fixture(scope="module")
def ladder():
    return {rung.case.id: rung.case for rung in full_ladder()}


@pytest.fixture(scope="module")
def sleepstudy(ladder):
    return ladder["sleepstudy/slope/REML"]


@pytest.fixture(scope="module")
def dyestuff(ladder):
    return ladder["dyestuff/REML"]


@pytest.fixture(scope="module")
def singular(dyestuff):
    """A case whose optimum has a variance of zero."""
    return model_twins.without_variance(dyestuff).case


def check(name, engine, case, **options):
    return PROPERTIES[name].check(engine, case, **options)


def checked(engine, case, names=tuple(PROPERTIES)):
    """Return what comes of properties of one case, by name, as the suite checks them."""
    engine, reference = Remembered(engine), Remembered(RefereeEngine())
    return {name: check(name, engine, case, reference=reference) for name in names}


def failed(outcomes):
    return [name for name, o in outcomes.items() if o.status in ("fails", "unexplained")]


# ---- one failure for a case --------------------------------------------------------------------


@pytest.mark.slow
def test_a_hang_or_a_panic_is_one_attempt_and_one_failed_check(tmp_path, monkeypatch):
    """A case, two engines and every property that needs no lme4, as the suite runs them."""
    attempts = tmp_path / "attempts"
    monkeypatch.setenv("ATTEMPTS", str(attempts))
    # Workers have the variables with which the server that they are forked from was started.
    forkserver._forkserver._stop()
    suite = suite_of((f"{HERE}:Hanging", f"{HERE}:Panicking"), "referee", examples=1, seed=4)
    suite = dataclasses.replace(suite, jobs=1, timeout=3.0)
    monkeypatch.setattr(suite_module, "all_kept", lambda _: ())
    run_suite(suite, tmp_path / "run.jsonl", told=lambda _: None)
    run = read_records(tmp_path / "run.jsonl")
    assert len(run.properties) == 2 * len(PROPERTIES)
    for engine in ("hanging", "panicking"):
        found = {o.property: o for o in run.properties if o.engine == engine}
        assert failed(found) == ["parity"]
        assert found["parity"].verdict == "FAILED"
        assert found["referee.agreement"].sentence == "there is no fit: see parity"
        # The worker of one that hangs is killed, and its case begun anew: the other is asked again.
        most = {"hanging": 1, "panicking": 2}[engine]
        assert attempts.read_text().count(engine) <= most


def test_a_refusal_of_everything_is_one_failed_check_and_no_property_holds(dyestuff):
    found = checked(unwilling.Refusing(), dyestuff)
    # Without the record of a suite parity and agreement do not know of each other.
    assert failed(found) == ["parity", "referee.agreement"]
    others = [o for name, o in found.items() if name not in ("parity", "referee.agreement")]
    assert {o.status for o in others} == {"not applicable"}
    assert all("refusing has no fit" in o.sentence for o in others if o.property != "f-tests.type3")


def test_an_engine_that_says_from_fit_that_it_cannot_express_a_model_fails_nothing(dyestuff):
    found = checked(unwilling.Unable(), dyestuff)
    assert {o.status for o in found.values()} == {"not applicable"}


def test_an_engine_that_cannot_express_a_twin_fails_nothing(sleepstudy):
    found = checked(unwilling.UnableOfTwins(), sleepstudy)
    assert failed(found) == []


def test_after_a_crash_of_one_twin_no_other_is_tried(sleepstudy, tmp_path, monkeypatch):
    monkeypatch.setenv("ATTEMPTS", str(tmp_path / "attempts"))
    names = [n for n in PROPERTIES if n.startswith(("metamorphic", "limits", "refusal"))]
    found = checked(unwilling.CrashingOfTwins(), sleepstudy, names)
    assert failed(found) == ["metamorphic.y-affine"]
    # The case, and the first twin.
    assert len((tmp_path / "attempts").read_text().splitlines()) == 2


# ---- columns left out --------------------------------------------------------------------------


def leaving_out(which, *, says=True, name="leaving-out"):
    """Return an engine that leaves the column of a place out where columns are dependent."""

    class LeavingOut(RefereeEngine):
        def begin(self, case, setting):
            return lambda: self.fit(case, setting)

        def fit(self, case, setting):
            from harness.conformance.planted_mistake import _Reduced

            width = case.design.x.shape[1]
            if np.linalg.matrix_rank(case.design.x) == width:
                return replace(super().fit(case, setting), engine=self.name)
            kept = [j for j in range(width) if j != which % width]
            fit = RefereeEngine().fit(_Reduced(case, kept), setting)
            notes = (Message("note", "rank deficient: 1 column dropped"),) if says else ()
            return replace(fit, engine=self.name, messages=notes)

    engine = LeavingOut()
    engine.name = name
    return engine


def test_a_second_constant_may_be_left_out_with_a_word(sleepstudy):
    name = "refusal.duplicated-constant"
    assert check(name, leaving_out(-1), sleepstudy).status == "holds"
    assert check(name, leaving_out(0), sleepstudy).status == "holds"


def test_a_second_constant_is_not_left_out_silently_nor_another_column_for_it(sleepstudy):
    name = "refusal.duplicated-constant"
    silent = check(name, leaving_out(-1, says=False), sleepstudy)
    assert (silent.status, silent.causes) == ("fails", ("aliased-columns",))


@pytest.mark.parametrize("says", [True, False])
def test_both_of_two_constants_may_be_fitted_with_a_word(says, sleepstudy):
    """pymixef gives a generalized inverse's solution, and warns of the rank."""

    class Both(RefereeEngine):
        name = "both"

        def begin(self, case, setting):
            return lambda: self.fit(case, setting)

        def fit(self, case, setting):
            width = case.design.x.shape[1]
            if np.linalg.matrix_rank(case.design.x) == width:
                return replace(super().fit(case, setting), engine=self.name)
            fit = leaving_out(-1).fit(case, setting)
            both = (*fit.coefficients, replace(fit.coefficients[0], name=case.design.x_names[-1]))
            notes = (Message("warning", "design is rank deficient"),) if says else ()
            return replace(fit, engine=self.name, coefficients=both, messages=notes)

    outcome = check("refusal.duplicated-constant", Both(), sleepstudy)
    assert outcome.status == ("holds" if says else "fails")


def test_a_crash_at_a_second_constant_is_no_refusal(sleepstudy):
    outcome = check("refusal.duplicated-constant", unwilling.CrashingOfTwins(), sleepstudy)
    # The first of its fits is the case's own.
    assert (outcome.status, outcome.verdict) == ("unexplained", "FAILED")


def test_an_engine_that_leaves_dependent_columns_of_a_case_out_is_right(sleepstudy):
    doubled = model_twins.with_constant_twice(sleepstudy)
    assert check("referee.agreement", leaving_out(-1), doubled).status == "not applicable"
    silent = leaving_out(-1, says=False)
    beside = check("parity", silent, doubled, reference=leaving_out(-1, name="other"))
    assert (beside.status, beside.verdict) == ("fails", "DIFFERENT_MODEL")


# ---- what is not stated is not judged ----------------------------------------------------------


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


@pytest.mark.parametrize(("df", "causes"), [(2.0, ("singular-df",)), (1e6, ())])
def test_at_a_singular_point_no_df_are_more_than_those_of_the_residuals(df, causes, singular):
    """How variances are written moves them there, but never beyond n - p, which is 29."""
    outcome = check("honesty.tests", with_tests(df, df, declares=False), singular)
    agreement = check("referee.agreement", with_tests(df, df, declares=False), singular)
    assert ("singular-df" in agreement.causes) == bool(causes)
    assert outcome.status in ("fails", "unexplained")
    assert (agreement.status == "holds") == bool(causes)


@pytest.fixture(scope="module")
def drawn():
    """Return a generated case by its id: those of a board of 30."""
    recipes = {r.id: r for r in suite_of((), "referee", "pr", examples=30).checks().recipes}
    return lambda name: build(recipes[name]).case


def with_df(name, df):
    """Return an engine that states other df, and p values by them."""

    def change(case, fit):
        rows = zip(fit.coefficients, df(case, fit), strict=True)
        return replace(
            fit,
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


def test_standard_errors_of_a_pseudo_inverse_have_that_cause(drawn):
    """pymixef 0.1.1 states 7e-15 for 0.47: numpy's pinv with rcond = 1e-10 of X'V^-1 X."""

    def planted(case, fit):
        x = case.design.x
        v = np.eye(len(x)) * fit.residual_variance
        for term, own in zip(case.design.random, fit.random, strict=True):
            z = np.eye(len(term.levels))[term.codes]
            v += own.covariance[0][0] * z @ z.T
        covariance = np.linalg.pinv(x.T @ np.linalg.solve(v, x), rcond=1e-10)
        errors = np.sqrt(np.diag(covariance))
        return replace(
            fit,
            coefficients=tuple(
                replace(c, se=float(s), df=None, statistic=None, p=None)
                for c, s in zip(fit.coefficients, errors, strict=True)
            ),
        )

    case = drawn("gen/cluster/ca1b9699a8/REML")
    engine = PlantedEngine("pinv", planted)
    for name in ("referee.agreement", "honesty.standard-errors"):
        outcome = check(name, engine, case)
        assert (outcome.status, outcome.causes) == ("fails", ("se-pseudo-inverse",)), name
    assert "largest 1 of the 3 eigenvalues" in " ".join(sentences(outcome.evidence))
    moved = check("metamorphic.x-affine", engine, drawn("gen/predictors/4a2baa698c/ML"))
    assert (moved.status, moved.causes) == ("fails", ("se-pseudo-inverse",))


@pytest.mark.parametrize(("share", "cause"), [(1e-3, "kept-off-boundary"), (0.5, "stopped-short")])
def test_a_fit_far_from_a_boundary_is_not_said_to_be_kept_off_it(share, cause, singular):
    """Where the best point has no variance, every fit is right with all of its own at zero."""

    def change(case, fit):
        likelihood = likelihood_of(case.design, reml=True)
        point = likelihood.at([math.sqrt(share)])
        best = Optimum(point, point.deviance(), optimality(point), 1)
        return fit_at(case, fit.setting, best, 0.0)

    outcome = check("referee.agreement", PlantedEngine("above", change), singular)
    assert (outcome.status, outcome.causes[0]) == ("fails", cause)


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


# ---- what only accompanies ---------------------------------------------------------------------


def off(**changes):
    """Return an engine that adds to numbers of a fit; ``se`` is a factor."""

    def change(_, fit):
        if "loglik" in changes:
            fit = replace(fit, loglik=fit.loglik + changes["loglik"])
        if "se" in changes:
            rows = tuple(
                replace(c, se=changes["se"] * c.se, statistic=None, p=None)
                for c in fit.coefficients
            )
            fit = replace(fit, coefficients=rows)
        return fit

    return PlantedEngine("off", change)


PLANTED = {
    "loglik": (off(loglik=0.05), ("honesty.loglik", "referee.agreement", "parity")),
    "se": (off(se=1.3), ("honesty.standard-errors", "referee.agreement", "parity")),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_false_number_at_a_singular_optimum_is_unexplained(what, singular):
    """That the optimum is on the boundary is true, and is no reason."""
    engine, names = PLANTED[what]
    for name in names:
        outcome = check(name, engine, singular, reference=RefereeEngine())
        assert outcome.status == "unexplained", (name, outcome.causes, outcome.sentence)


def test_moved_numbers_between_twins_at_a_singular_optimum_are_unexplained(singular):
    twin_only = []

    def change(case, fit):
        twin_only.append(case)
        return replace(fit, loglik=fit.loglik + (0.05 if len(twin_only) > 1 else 0.0))

    outcome = check("metamorphic.row-order", PlantedEngine("off", change), singular)
    assert (outcome.status, outcome.causes) == ("unexplained", ())


def test_a_twin_whose_variances_the_data_leave_open_may_be_refused():
    """A null factor beside groups of one kind makes one covariance twice; statsmodels raises."""
    (kept,) = [k for k in all_kept(None) if k.name.startswith("metamorphic-null-factor-engine")]
    name = "metamorphic.null-factor"
    outcome = check(name, StatsmodelsEngine(), kept.rung().case)
    assert (outcome.status, outcome.causes[0]) == ("not applicable", "undetermined-variance")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Model failed to converge with 1 negative eigenvalue: -7.8e+00", "not applicable"),
        ("Maximum Likelihood optimization failed to converge. Check mle_retvals", "fails"),
    ],
)
def test_who_warns_of_a_failure_to_converge_does_not_say_that_it_converged(
    text, status, sleepstudy
):
    """lmerTest's warning moves no flag of lme4's; MixedLM's is of an optimizer before the last."""
    kept = PLANTED_MISTAKES["false-convergence"].make()

    def change(case, fit):
        wrong = kept.fit(case, "default")
        return replace(wrong, messages=(Message("warning", text, "simpleWarning"),))

    outcome = check("honesty.converged", PlantedEngine("warning", change), sleepstudy)
    assert outcome.status == status
    agreement = check("referee.agreement", PlantedEngine("warning", change), sleepstudy)
    said = " ".join(sentences(agreement.evidence))
    assert ("and says it converged" in said) == (status == "fails")


# ---- whose name is said ------------------------------------------------------------------------


def test_an_engine_is_told_its_faults_under_its_own_name(sleepstudy, singular):
    """No program but the one checked, and the referee, is named to it."""
    z_test = check("honesty.tests", z_for_t(), sleepstudy)
    df_off = check("referee.agreement", with_tests(3.0, 3.0, declares=False), singular)
    for outcome in (z_test, df_off):
        said = [outcome.sentence, *sentences(outcome.evidence), titled(outcome.causes[0])]
        assert outcome.engine in " ".join(said)
        assert not re.search("statsmodels|MixedLM|lme4|lmerTest", " ".join(said))


# ---- no number ---------------------------------------------------------------------------------


def test_an_engine_that_states_nan_in_both_of_two_fits_has_not_moved(sleepstudy):
    outcome = check("metamorphic.row-order", off(se=math.nan), sleepstudy)
    assert outcome.status == "holds"


def test_nan_is_no_number_in_a_sentence(sleepstudy):
    calls = []

    def change(_, fit):
        calls.append(fit)
        row = replace(fit.coefficients[0], se=math.nan, statistic=None, p=None)
        rows = (row, *fit.coefficients[1:])
        return replace(fit, coefficients=rows if len(calls) > 1 else fit.coefficients)

    moved = check("metamorphic.row-order", PlantedEngine("off", change), sleepstudy)
    false = check("referee.agreement", off(se=math.nan), sleepstudy)
    errors = check("honesty.standard-errors", off(se=math.nan), sleepstudy)
    for outcome in (moved, false, errors):
        assert outcome.status == "unexplained"
        assert "nan" not in outcome.sentence.lower().replace("(nan)", "")
        assert "no number (NaN)" in outcome.sentence


NOT_A_NUMBER = {
    "fitted.predict-training": lambda fit: replace(fit, fitted=(math.nan, *fit.fitted[1:])),
    "random-effects.sum-and-shrinkage": lambda fit: replace(
        fit,
        random=tuple(
            replace(t, effects=((math.nan,) * len(t.names), *t.effects[1:])) for t in fit.random
        ),
    ),
    "honesty.loglik": lambda fit: replace(fit, loglik=math.nan),
    "honesty.tests": lambda fit: replace(
        fit, coefficients=tuple(replace(c, df=math.nan, p=None) for c in fit.coefficients)
    ),
    "referee.agreement": lambda fit: replace(
        fit, coefficients=tuple(replace(c, estimate=math.nan) for c in fit.coefficients)
    ),
}


@pytest.mark.parametrize("name", NOT_A_NUMBER)
def test_what_is_no_number_is_said_to_be_none_whatever_it_is_of(name, sleepstudy):
    change = NOT_A_NUMBER[name]
    outcome = check(name, PlantedEngine("off", lambda _, fit: change(fit)), sleepstudy)
    assert outcome.status == "unexplained"
    assert re.search(r"no numbers? \(NaN\)", outcome.sentence), outcome.sentence
    assert "nan" not in outcome.sentence.replace("(NaN)", "").lower()
