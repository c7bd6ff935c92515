"""Properties: a correct engine has them all, and a failure says who, what and why."""

import math
from collections import OrderedDict

import numpy as np
import pytest
from msgspec.structs import replace

from harness.conformance import judged_pair, model_twins, transformations
from harness.conformance.fit_memory import Remembered
from harness.conformance.planted_engines import PLANTED
from harness.conformance.planted_mistake import PlantedEngine
from harness.conformance.properties import PROPERTIES
from harness.conformance.question import Question
from harness.data.recipes.shapes import build
from harness.data.recipes.strategies import collect
from harness.engines.engine import Failure
from harness.engines.lme4 import Lme4Engine
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.causes.entries import load_known
from harness.judge.evidence import found
from harness.judge.examination import point_of
from harness.referee.deviance import Likelihood
from harness.referee.joint_hessian import joint_inverse
from harness.referee.optimum import OptimumSearch


@pytest.fixture(scope="module")
def rungs():
    return [build(recipe) for recipe in collect(4, 11, max_groups=8, max_rows=40)]


@pytest.fixture(scope="module")
def lme4(r):
    return Remembered(Lme4Engine(r))


class Broken:
    """An engine that raises, or returns what is no fit."""

    name = "broken"

    def __init__(self, answer):
        self.answer = answer

    def versions(self):
        return {}

    def unsupported(self, case):
        return None

    def fit(self, case, setting):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def begin(self, case, setting):
        return lambda: self.fit(case, setting)


def test_every_property_has_a_name_and_says_what_holds():
    for name, known in PROPERTIES.items():
        assert known.name == name
        assert known.title
        assert known.ask.__doc__.startswith("Check that")


@pytest.mark.r
def test_the_referee_has_every_property_on_generated_cases(rungs, lme4):
    """What fails beside lme4 is laid to lme4."""
    engine = Remembered(RefereeEngine())
    for rung in rungs:
        for known in PROPERTIES.values():
            outcome = known.check(engine, rung.case, reference=lme4, group=rung.group)
            assert outcome.status != "unexplained", (outcome.property, outcome.sentence)
            assert engine.name not in outcome.engines, (outcome.property, outcome.sentence)
            assert set(outcome.causes) <= set(load_known())
            assert outcome.status == "not applicable" or not math.isnan(outcome.discrepancy)


@pytest.mark.r
def test_lme4_has_every_property_on_sleepstudy_but_that_of_a_predictor_in_other_units(ladder, lme4):
    """With Days in units of 1 / 1024 lme4 stops 17 short in log-likelihood."""
    case = ladder["sleepstudy/slope/REML"]
    failed = {}
    for known in PROPERTIES.values():
        outcome = known.check(lme4, case, reference=lme4)
        assert outcome.status != "unexplained", (known.name, outcome.sentence)
        if outcome.status == "fails":
            failed[known.name] = outcome.causes
    assert set(failed) <= {"metamorphic.x-affine"}
    assert all("unit-dependent-stop" in causes for causes in failed.values())


@pytest.mark.r
def test_statsmodels_fails_on_sleepstudy_what_it_defines_otherwise(ladder, lme4):
    case = ladder["sleepstudy/slope/REML"]
    engine = Remembered(StatsmodelsEngine())
    failed = {}
    for known in PROPERTIES.values():
        outcome = known.check(engine, case, reference=lme4)
        assert outcome.status != "unexplained", (known.name, outcome.sentence)
        if outcome.status == "fails":
            failed[known.name] = outcome.causes
    assert failed["honesty.tests"] == ("z-for-t",)
    # The data are balanced: the joint Hessian gives the same errors.
    assert "honesty.standard-errors" not in failed


@pytest.mark.parametrize("answer", [ValueError("no"), None], ids=["raises", "returns None"])
def test_an_engine_that_raises_fails_and_does_not_end_the_run(answer, ladder):
    case = ladder["dyestuff/REML"]
    outcome = PROPERTIES["referee.agreement"].check(Broken(answer), case)
    assert (outcome.status, outcome.verdict) == ("fails", "FAILED")
    assert outcome.engines == ("broken",)
    other = PROPERTIES["metamorphic.y-affine"].check(Broken(answer), case)
    assert other.status == "not applicable"


def test_without_a_reference_parity_is_not_applicable(ladder):
    outcome = PROPERTIES["parity"].check(RefereeEngine(), ladder["dyestuff/REML"])
    assert outcome.status == "not applicable"
    assert outcome.reference == ""


def test_a_refusal_of_data_that_do_not_identify_the_model_is_no_failure(ladder):
    case = ladder["dyestuff/REML"]
    codes = np.arange(case.table.n_rows, dtype=np.int32)
    column = case.table["Batch"]
    alone = type(column)("Batch", codes, tuple(f"b{k}" for k in codes))
    case = transformations._twin(case, table=transformations._with(case.table, alone))
    refusing = Broken(Failure(engine="broken", setting="default", reason="refused", text="no"))
    outcome = PROPERTIES["referee.agreement"].check(refusing, case)
    assert (outcome.status, outcome.causes) == ("not applicable", ("one-row-per-group",))


def test_a_case_is_fitted_once_for_all_properties(ladder):
    calls = []

    class Counting(RefereeEngine):
        def fit(self, case, setting):
            calls.append(case)
            return super().fit(case, setting)

        def begin(self, case, setting):
            return lambda: self.fit(case, setting)

    engine = Remembered(Counting())
    case = ladder["dyestuff/REML"]
    for name in ("honesty.loglik", "honesty.converged", "honesty.singular", "rows.used"):
        PROPERTIES[name].check(engine, case)
    assert len(calls) == 1
    PROPERTIES["refit.own-data"].check(engine, case)
    # By the other criterion, and the case itself anew.
    assert len(calls) == 3


TRANSFORMED = {
    "y": transformations.outcome_rescaled,
    "x": transformations.predictor_rescaled,
    "centre": transformations.slope_recentred,
    "rows": transformations.rows_shuffled,
    "labels": transformations.groups_relabelled,
    "order": transformations.groups_reordered,
    "null": model_twins.null_factor_added,
}


@pytest.mark.parametrize("change", TRANSFORMED)
def test_a_twin_comes_back_as_the_case_was(change, ladder):
    """To rounding: both fits are the referee's, at the same optimum to 1e-8 in deviance."""
    case = ladder["sleepstudy/slope/REML"]
    twin = TRANSFORMED[change](case)
    engine = RefereeEngine()
    before, after = engine.fit(case, "default"), twin.back(engine.fit(twin.case, "default"))
    assert after.loglik == pytest.approx(before.loglik, abs=1e-8)
    assert after.residual_variance == pytest.approx(before.residual_variance, rel=1e-6)
    (mine,), (own,) = after.random, before.random
    assert mine.levels == own.levels
    assert np.allclose(mine.covariance, own.covariance, rtol=1e-5)
    assert np.allclose(mine.effects, own.effects, atol=1e-4)
    assert np.allclose(after.fitted, before.fitted, atol=1e-4)
    for a, b in zip(after.coefficients, before.coefficients, strict=True):
        assert a.estimate == pytest.approx(b.estimate, abs=1e-6 * b.se)


def test_a_twin_that_does_not_come_back_is_seen(ladder):
    """A relation that is planted wrong fails: the test of the relations can fail."""
    from harness.conformance.metamorphic import _relation
    from harness.conformance.question import Question

    def wrong(case):
        twin = transformations.outcome_rescaled(case)
        back = lambda fit: replace(twin.back(fit), loglik=twin.back(fit).loglik + 1.0)  # noqa: E731
        return transformations.Twin(twin.case, back, twin.words, twin.moved)

    case = ladder["dyestuff/REML"]
    outcome = _relation(Question("planted", RefereeEngine(), case), wrong)
    assert outcome.status == "unexplained"
    assert outcome.discrepancy == pytest.approx(1.0 / 1e-4, rel=1e-3)


@pytest.mark.parametrize("rung", ["pastes/REML", "penicillin/ML"])
def test_zero_variance_is_made_exactly(rung, ladder):
    if rung not in ladder:
        pytest.skip(f"no rung {rung}")
    flat = model_twins.without_variance(ladder[rung])
    n, p = flat.case.design.x.shape
    assert flat.df == (n - p if rung.endswith("REML") else n)
    x, y = flat.case.design.x, flat.case.design.y
    beta, rss, _, _ = np.linalg.lstsq(x, y, rcond=None)
    assert np.allclose(flat.beta, beta, rtol=1e-9)
    assert flat.sigma2 == pytest.approx(float(rss[0]) / flat.df, rel=1e-9)


@pytest.mark.slow
def test_joint_errors_are_those_of_statsmodels():
    """Unbalanced data, where they differ from sqrt diag (X'V^-1 X)^-1; 1e-5 is its optimizer's."""
    compared = 0
    for recipe in collect(6, 3, shapes=["intercept", "cluster"], max_groups=12, max_rows=60):
        case = build(recipe).case
        fit = StatsmodelsEngine().fit(case, "tight")
        engine = PROPERTIES["referee.agreement"].check(StatsmodelsEngine(), case, setting="tight")
        if (
            isinstance(fit, Failure)
            or engine.verdict != "AGREE"
            or "true-boundary" in engine.causes
        ):
            continue
        point = point_of(Likelihood(case.design, reml=case.model.criterion == "REML"), fit)
        errors = joint_inverse(point, math.sqrt(fit.residual_variance)).errors
        own = np.array([c.se for c in fit.coefficients])
        assert np.allclose(own, errors, rtol=1e-4)
        compared += 1
    assert compared >= 2


def test_what_only_accompanies_a_fit_explains_no_failure(ladder):
    question = Question("parity", RefereeEngine(), ladder["dyestuff/REML"])
    context = found("true-boundary", "referee", ranks=("0",), gap=0.0)
    fault = found("stopped-short", "referee")
    assert question.fails("", (context,), discrepancy=2.0).status == "unexplained"
    assert question.fails("", (context, fault), discrepancy=2.0).status == "fails"
    claimed = found("singular-not-flagged", "referee", smallest=0.0)
    assert question.fails("", (claimed,), discrepancy=2.0, claim=True).status == "fails"


def test_a_false_number_is_a_failure_laid_to_the_engine_and_explained_by_no_definition(ladder):
    """Standard errors that nothing gives, of an engine that also tests by the normal."""

    def wrong_errors(_, fit):
        rows = (replace(c, se=1.5 * c.se, statistic=None, p=None) for c in fit.coefficients)
        return replace(fit, coefficients=tuple(replace(row, df=math.inf) for row in rows))

    engine = PlantedEngine("wrong-errors", wrong_errors)
    case = ladder["dyestuff/REML"]
    agreement = PROPERTIES["referee.agreement"].check(engine, case)
    assert (agreement.status, agreement.verdict) == ("unexplained", "FALSE_STATEMENT")
    assert agreement.engines == ("wrong-errors",)
    errors = PROPERTIES["honesty.standard-errors"].check(engine, case)
    assert (errors.status, errors.verdict) == ("unexplained", "FALSE_STATEMENT")


def test_an_engine_may_be_held_against_itself(ladder):
    outcome = PROPERTIES["parity"].check(
        RefereeEngine(), ladder["dyestuff/REML"], reference=RefereeEngine()
    )
    assert (outcome.status, outcome.verdict) == ("holds", "AGREE")


def test_a_fault_comes_before_its_context(ladder):
    """The optimum is singular: what the engine did wrong is the main cause all the same."""
    engine = PLANTED["clipped-at-boundary"].make()
    case = model_twins.without_variance(ladder["dyestuff/REML"]).case
    outcome = PROPERTIES["referee.agreement"].check(engine, case)
    assert (outcome.status, outcome.verdict) == ("fails", "WRONG_OPTIMUM")
    assert outcome.causes[0] == "kept-off-boundary"


class Again(RefereeEngine):
    """The referee under another name."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def fit(self, case, setting):
        return replace(super().fit(case, setting), engine=self.name)


def test_a_twin_is_one_case_to_all_engines_with_one_search_for_its_optimum(rungs, monkeypatch):
    case, begun, begin = rungs[0].case, [], OptimumSearch._begun
    monkeypatch.setattr(judged_pair, "_searches", OrderedDict())
    monkeypatch.setattr(
        OptimumSearch, "_begun", lambda self, starts: begun.append(self) or begin(self, starts)
    )
    engines = [Again(name) for name in ("one", "two", "three")]
    twin = transformations.rows_shuffled(case)
    for engine in engines:
        outcome = PROPERTIES["metamorphic.row-order"].check(engine, case)
        assert outcome.status == "holds"
    assert transformations.rows_shuffled(case) is twin
    # Each engine makes its own of the case and of the twin; the judge makes one of both for all.
    assert len(begun) == 2 * len(engines) + 2
