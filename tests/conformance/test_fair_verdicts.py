"""Verdicts are fair: one failure for one fault, and none for what an engine does not state."""

import dataclasses
import math
import re
from multiprocessing import forkserver

import numpy as np
import pytest
from msgspec.structs import replace

from harness.campaign.record_file import read_records
from harness.conformance import model_twins
from harness.conformance import suite as suite_module
from harness.conformance.planted_engines import PLANTED as PLANTED_MISTAKES
from harness.conformance.planted_engines import PlantedEngine
from harness.conformance.properties import PROPERTIES
from harness.conformance.suite import all_kept, run_suite, suite_of
from harness.engines.engine import Message
from harness.engines.referee_engine import RefereeEngine, fit_at
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.sentence import sentences
from harness.referee.optimality import optimality
from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import likelihood_of
from tests.conformance import unwilling
from tests.conformance.property_checks import check, checked, failed

HERE = "tests.conformance.unwilling"


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


# ---- causes that are, and are not --------------------------------------------------------------


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
