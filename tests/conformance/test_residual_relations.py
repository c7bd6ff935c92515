"""Relations of models with weights or a residual covariance: they hold, and are told broken."""

import msgspec
import pytest

from harness.conformance.fit_memory import Remembered
from harness.conformance.planted_engines import (
    ignores_residual,
    ignores_weights,
    unshrunk_effects,
)
from harness.conformance.planted_mistake import PlantedEngine
from harness.conformance.properties import PROPERTIES
from harness.data.recipes.forms import VISIT_SHAPES
from harness.data.recipes.recipe_draw import collect
from harness.data.recipes.shapes import Recipe, build
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine

RELATIONS = {
    "metamorphic.equal-weights": "weighted",
    "metamorphic.offset": "ar1",
    "metamorphic.symmetry-as-intercept": "symmetric",
    "metamorphic.two-visits": "ar1",
    "metamorphic.one-stratum": "strata",
    "metamorphic.row-order": "ar1",
}
"""Each relation and a form that can show it."""


def case_of(shape, **named):
    ratios = (1.0,) * VISIT_SHAPES[shape].effects
    known = {"sizes": (6,) * 8, "ratios": ratios, "x": "within", "rho": 0.6, "spread": 3}
    return build(Recipe(shape=shape, **{**known, "digits": 3, "seed": 4, **named})).case


def check(name, engine, case):
    return PROPERTIES[name].check(engine, case)


@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("name", RELATIONS)
def test_a_right_engine_has_the_relation(name, criterion):
    outcome = check(name, RefereeEngine(), case_of(RELATIONS[name], criterion=criterion))
    assert outcome.status == "holds", outcome.sentence


@pytest.mark.parametrize("name", list(RELATIONS)[:5])
def test_it_asks_nothing_of_plain_residuals_and_of_engines_without_others(name):
    plain = build(Recipe(shape="intercept", sizes=(4, 4, 4))).case
    assert check(name, RefereeEngine(), plain).status == "not applicable"
    outcome = check(name, StatsmodelsEngine(), case_of(RELATIONS[name]))
    # Compound symmetry MixedLM has, by the very random intercept.
    has = name == "metamorphic.symmetry-as-intercept"
    assert outcome.status == ("holds" if has else "not applicable"), outcome.sentence


def test_a_negative_correlation_is_no_random_intercept():
    case = case_of("symmetric", rho=-0.15, sizes=(6,) * 30)
    outcome = check("metamorphic.symmetry-as-intercept", RefereeEngine(), case)
    assert outcome.status == "not applicable"
    assert "not positive" in outcome.sentence


def mistaken(change, applies):
    """An engine whose answer to some cases is altered."""
    return PlantedEngine("mistaken", lambda case, fit: change(fit) if applies(case) else fit)


def doubled(fit):
    return msgspec.structs.replace(fit, residual_variance=2.0 * fit.residual_variance)


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        # Weights taken for counts, or scaled to a mean of one, change the residual variance.
        (
            "metamorphic.equal-weights",
            mistaken(doubled, lambda case: case.model.formula.weights is not None),
        ),
        (
            "metamorphic.offset",
            mistaken(doubled, lambda case: bool(case.model.formula.offsets)),
        ),
        (
            "metamorphic.symmetry-as-intercept",
            mistaken(doubled, lambda case: case.model.residual is not None),
        ),
        (
            "metamorphic.two-visits",
            mistaken(
                doubled,
                lambda case: (
                    case.model.residual is not None and case.model.residual.structure == "ar1"
                ),
            ),
        ),
        (
            "metamorphic.one-stratum",
            mistaken(
                doubled,
                lambda case: case.model.residual is not None and bool(case.model.residual.strata),
            ),
        ),
        ("metamorphic.symmetry-as-intercept", ignores_residual()),
        ("metamorphic.equal-weights", mistaken(doubled, lambda case: "weight" in case.table.names)),
    ],
)
def test_an_engine_that_breaks_it_is_found(name, engine):
    outcome = check(name, engine, case_of(RELATIONS[name]))
    assert outcome.status in ("fails", "unexplained")
    assert outcome.engines == (engine.name,)
    assert outcome.discrepancy > 1.0


def test_an_engine_that_ignores_weights_is_beside_the_referee():
    outcome = check("referee.agreement", ignores_weights(), case_of("weighted"))
    assert outcome.status == "fails"
    assert outcome.verdict == "WRONG_OPTIMUM"


@pytest.mark.slow
def test_the_referee_has_every_property_on_generated_cases():
    engine = Remembered(RefereeEngine())
    for recipe in collect(8, 31, shapes=tuple(VISIT_SHAPES), max_groups=10, max_rows=50):
        case = build(recipe).case
        for name, known in PROPERTIES.items():
            if known.needs_reference:
                continue
            outcome = known.check(engine, case)
            assert outcome.status in ("holds", "not applicable"), (name, case.id, outcome.sentence)


def test_weighted_residuals_shrink_though_residuals_may_not():
    """A row of weight 0.001 counts for little: its residual may grow with the random effects."""
    case = case_of("weighted", sizes=(6,) * 8, ratios=(1.0,), spread=6, seed=0)
    fit = RefereeEngine().fit(case, "default")
    marginal = case.design.y - case.design.x @ [c.estimate for c in fit.coefficients]
    assert sum(r**2 for r in fit.residuals) > float(marginal @ marginal)
    assert check("random-effects.sum-and-shrinkage", RefereeEngine(), case).status == "holds"
    outcome = check("random-effects.sum-and-shrinkage", unshrunk_effects(), case)
    assert outcome.status in ("fails", "unexplained")
