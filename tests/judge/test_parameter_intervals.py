"""Intervals of every parameter: ML profiles are lme4's, all others those of dense algebra."""

import math
from functools import partial

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import optimize, stats
from statsmodels.tools.sm_exceptions import ConvergenceWarning

import harness
from harness.base.errors import BadInput
from harness.data.datasets import Dataset, load_dataset
from harness.data.own_table import own_rung
from harness.engines.lme4 import r_columns
from harness.spelling.lme4_spelling import lme4_formula
from tests.referee.joined_cases import visited

pytestmark = pytest.mark.slow

SLEEP = "Reaction ~ Days + (Days | Subject)"
QUANTILE = stats.chi2.ppf(0.95, 1)


@pytest.fixture(scope="module")
def sleep():
    return load_dataset("sleepstudy").frame


def unbalanced(seed):
    """A factor, a predictor and 12 groups of 3 to 9 rows in two kinds of places."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(12), rng.integers(3, 10, 12))
    frame = pd.DataFrame({"g": [f"g{i:02d}" for i in g], "x": rng.normal(size=len(g)).round(2)})
    frame["f"] = rng.choice(["a", "b", "c"], len(g))
    frame["h"] = rng.choice(list("pqrst"), len(g))
    frame["y"] = (frame["x"] + rng.normal(0, 1.2, 12)[g] + rng.normal(size=len(g))).round(
        3
    ) + frame["h"].map(dict(zip("pqrst", rng.normal(size=5).round(2), strict=True)))
    return frame


@pytest.mark.r
@pytest.mark.parametrize(
    ("frame", "formula"),
    [
        (load_dataset("sleepstudy").frame, SLEEP),
        (load_dataset("Dyestuff2").frame, "Yield ~ 1 + (1 | Batch)"),
        (load_dataset("Pastes").frame, "strength ~ 1 + (1 | batch/cask)"),
        (load_dataset("Penicillin").frame, "diameter ~ 1 + (1 | plate) + (1 | sample)"),
        (load_dataset("cake").frame, "angle ~ recipe + temp + (1 | recipe:replicate)"),
        (load_dataset("Machines").frame, "score ~ Machine + (1 | Worker/Machine)"),
        (load_dataset("Oats").frame, "yield ~ nitro + Variety + (1 | Block/Variety)"),
        # lme4's profile of a slope that may vanish has its splines bend: 1e-3 of the widths.
        (load_dataset("Orthodont").frame, "distance ~ age * Sex + (age | Subject)"),
        (unbalanced(1), "y ~ x + f + (1 | g)"),
        (unbalanced(2), "y ~ x + (1 | g) + (1 | h)"),
        (unbalanced(3), "y ~ 0 + f + (x || g)"),
    ],
)
def test_by_ml_all_are_those_of_confint(r, frame, formula):
    rung = own_rung("case", Dataset("data", frame, ""), formula, "REML")
    table = rung.case.table
    reply = r.call(
        "oracle_confint",
        {"columns": r_columns(table), "formula": lme4_formula(rung.case.model, table.alias)},
    )
    theirs = np.column_stack([reply.numbers("low"), reply.numbers("high")])
    many = len(theirs) - int(reply.numbers("fixed")[0])
    ours = harness.intervals(formula, frame, ml=True).table
    widths = np.ptp(theirs, axis=1)
    fixed = ours[ours.quantity == "fixed effect"][["low", "high"]].to_numpy()
    # lme4 interpolates its profile by splines: four digits of an interval's width.
    assert (np.abs(fixed - theirs[many:]).max(axis=1) <= 5e-4 * widths[many:]).all()
    rest = ours[ours.quantity.isin(["sd", "correlation"])][["low", "high"]].to_numpy()
    order, mine = (np.lexsort(both.T[::-1]) for both in (theirs[:many], rest))
    gap = np.abs(rest[mine] - theirs[:many][order]).max(axis=1)
    assert (gap <= 1e-3 * widths[:many][order]).all()


def dense_deviance(frame, log_sds, *, held=None, reml=True):
    """Deviance of y ~ x + (1 | g) + (1 | h), written out; the adjusted one with an effect held."""
    n = len(frame)
    x = np.column_stack([np.ones(n), frame["x"]])
    y = frame["y"].to_numpy()
    v = math.exp(2 * log_sds[-1]) * np.eye(n)
    for column, log_sd in zip(("g", "h"), log_sds[:-1], strict=True):
        labels = frame[column].to_numpy()
        v += math.exp(2 * log_sd) * (labels[:, None] == labels)
    inverse = np.linalg.inv(v)
    information = x.T @ inverse @ x
    beta = np.linalg.solve(information, x.T @ inverse @ y)
    if held is not None:
        j, value = held
        own = np.linalg.inv(information)
        beta = beta + own[:, j] / own[j, j] * (value - beta[j])
    left = y - x @ beta
    deviance = np.linalg.slogdet(v)[1] + left @ inverse @ left
    deviance += (n - 2 * reml) * math.log(2 * math.pi)
    return deviance + (np.linalg.slogdet(information)[1] if reml else 0.0)


def lowest(function, start):
    options = {"xatol": 1e-7, "fatol": 1e-10, "maxiter": 4000}
    return optimize.minimize(function, start, method="Nelder-Mead", options=options)


def with_one_held(frame, k, value, reml, others):
    return dense_deviance(frame, np.insert(others, k, value), reml=reml)


@pytest.mark.parametrize("reml", [True, False])
def test_at_an_end_the_deviance_written_out_has_risen_by_the_quantile(reml):
    frame = unbalanced(2)
    table = harness.intervals("y ~ x + (1 | g) + (1 | h)", frame, ml=not reml).table
    sds = table[table.quantity == "sd"]
    start = np.log(sds.estimate.to_numpy())
    best = lowest(lambda p: dense_deviance(frame, p, reml=reml), start)
    np.testing.assert_allclose(np.exp(best.x), sds.estimate, rtol=1e-5)
    ends = []
    for j, name in enumerate(("Intercept", "x")):
        for end in table.loc[name, ["low", "high"]]:
            held = partial(dense_deviance, frame, held=(j, end), reml=reml)
            ends.append(lowest(held, best.x).fun)
    for k, row in enumerate(sds.itertuples()):
        for end in (row.low, row.high):
            held = partial(with_one_held, frame, k, math.log(end), reml)
            ends.append(lowest(held, np.delete(best.x, k)).fun)
    np.testing.assert_allclose(np.array(ends) - best.fun, QUANTILE, rtol=0, atol=1e-4)


def test_the_lower_end_of_a_variance_that_is_zero_is_the_boundary():
    found = harness.intervals("Yield ~ 1 + (1 | Batch)", load_dataset("Dyestuff2").frame)
    for name in ("SD of Intercept by Batch", "variance of Intercept by Batch"):
        assert (found.table.loc[name, "estimate"], found.table.loc[name, "low"]) == (0.0, 0.0)
        assert found.table.loc[name, "high"] > 1.0
    assert found.notes == (
        "the interval of the SD of Intercept by Batch starts on the boundary, 0",
    )


def test_a_correlation_may_go_to_the_boundary_and_has_none_beside_no_variance(sleep):
    few = sleep[sleep.Subject.isin(sorted(sleep.Subject.unique())[:6])]
    found = harness.intervals(SLEEP, few)
    row = found.table.loc["correlation of Intercept and Days by Subject"]
    assert row.high == 1.0 or row.low == -1.0
    assert any("boundary" in note for note in found.notes)
    rng = np.random.default_rng(5)
    flat = few.assign(Reaction=few.Reaction - few.groupby("Subject").Reaction.transform("mean"))
    flat = flat.assign(Reaction=flat.Reaction + rng.normal(size=len(flat)))
    none = harness.intervals(SLEEP, flat)
    correlation = none.table.loc["correlation of Intercept and Days by Subject"]
    if math.isnan(correlation.estimate):
        assert math.isnan(correlation.low)


def test_wald_is_symmetric_where_nlme_has_it_so_with_the_curvature_of_the_deviance():
    frame = unbalanced(2)
    found = harness.intervals("y ~ x + (1 | g) + (1 | h)", frame, kind="wald").table
    sds = found[found.quantity == "sd"]
    at = np.log(sds.estimate.to_numpy())
    step = 1e-3 * np.eye(3)

    def d(*moves):
        return dense_deviance(frame, at + sum(moves))

    curvature = [[(d(a, b) - d(a, -b) - d(-a, b) + d(-a, -b)) / 4e-6 for b in step] for a in step]
    errors = np.sqrt(np.diag(np.linalg.inv(0.5 * np.array(curvature))))
    half = stats.norm.isf(0.025) * errors
    np.testing.assert_allclose(np.log(sds.low), at - half, rtol=0, atol=1e-4 * half.max())
    np.testing.assert_allclose(np.log(sds.high), at + half, rtol=0, atol=1e-4 * half.max())
    fixed = harness.inference("y ~ x + (1 | g) + (1 | h)", frame).table
    assert found.loc["x", "low"] == fixed.loc["x", "ci_low"]


# intervals(lme(...)) of nlme 3.1-162: ends of fixed effects, of standard deviations, of sigma.
NLME = {
    ("Machines", "score ~ Machine + (1 | Worker/Machine)"): {
        "Intercept": (47.3140619254, 57.3970491857),
        "Machine[T.B]": (3.11607119475, 12.8172621386),
        "SD of Intercept by Worker": (2.24985472394, 10.1599616384),
        "SD of Intercept by Worker:Machine": (2.38281483723, 5.83738542383),
        "residual SD": (0.762773814965, 1.21219499401),
    },
    ("Oats", "yield ~ nitro + Variety + (1 | Block/Variety)"): {
        "nitro": (60.0647275673, 87.2686057660),
        "Variety[T.Victory]": (-22.6477905555, 8.89779055547),
        "SD of Intercept by Block": (6.77103623563, 31.6747702252),
        "residual SD": (10.6365272350, 15.5651184089),
    },
    ("Orthodont", "distance ~ age * Sex + (age | Subject)"): {
        "age": (0.273097311672, 0.685993597419),
        "SD of Intercept by Subject": (1.00975492375, 5.73053384031),
        "SD of age by Subject": (0.0586738539990, 0.554326775172),
        "correlation of Intercept and age by Subject": (-0.960274638477, 0.324397771130),
        "residual SD": (1.08499031123, 1.58176865268),
    },
}


@pytest.mark.parametrize(("model", "printed"), NLME.items())
def test_wald_is_what_nlme_prints_to_the_digits_of_its_differences(model, printed):
    name, formula = model
    found = harness.intervals(
        formula, load_dataset(name).frame, kind="wald", df="containment-levels"
    ).table
    for label, ends in printed.items():
        row = found.loc[label]
        # nlme differences its Hessian, which leaves two digits or three of an SD's interval.
        share = 1e-5 if row.quantity == "fixed effect" else 5e-3
        np.testing.assert_allclose((row.low, row.high), ends, rtol=0, atol=share * np.ptp(ends))


def test_wald_takes_any_rule_of_df(sleep):
    for rule in ("none", "containment", "kenward-roger"):
        wald = harness.intervals(SLEEP, sleep, kind="wald", df=rule, level=0.9).table
        tests = harness.inference(SLEEP, sleep, df=rule, alpha=0.1).table
        assert wald.loc["Days", "high"] == pytest.approx(tests.loc["Days", "ci_high"], rel=1e-12)


def test_a_result_has_the_intervals_of_its_model_and_those_of_ml_as_confint_does(sleep):
    result = smf.mixedlm("Reaction ~ Days", sleep, groups="Subject", re_formula="~Days").fit()
    for ml in (False, True):
        of_result = harness.intervals(result, ml=ml)
        of_formula = harness.intervals(SLEEP, sleep, ml=ml)
        assert of_result.criterion == of_formula.criterion == ("ML" if ml else "REML")
        mine, theirs = (t.table[["low", "high"]].to_numpy() for t in (of_result, of_formula))
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def test_a_result_that_is_not_at_the_optimum_is_said_to_be_so(sleep):
    model = smf.mixedlm("Reaction ~ Days", sleep, groups="Subject", re_formula="~Days")
    with pytest.warns(ConvergenceWarning):
        result = model.fit(method="nm", maxiter=3)
    with pytest.warns(harness.NotAtOptimumWarning):
        harness.intervals(result)


@pytest.mark.parametrize("seed", range(4))
def test_wider_levels_hold_narrower_ones_and_units_do_not_matter(seed):
    frame = unbalanced(10 + seed)
    formula = "y ~ x + f + (x | g)"
    wide, narrow = (harness.intervals(formula, frame, level=level).table for level in (0.99, 0.9))
    known = narrow.low.notna()
    assert (wide.low <= narrow.low + 1e-9)[known].all()
    assert (wide.high >= narrow.high - 1e-9)[known].all()
    inside = (narrow.low <= narrow.estimate) & (narrow.estimate <= narrow.high)
    assert inside[known].all()
    scaled = harness.intervals(formula, frame.assign(y=100.0 * frame["y"]), level=0.9).table
    factor = narrow.quantity.map({"correlation": 1.0, "variance": 1e4}).fillna(100.0)
    ends = ["low", "high"]
    np.testing.assert_allclose(
        scaled[ends].to_numpy(),
        narrow[ends].mul(factor, axis=0).to_numpy(),
        rtol=1e-4,
        atol=1e-4,
    )


def test_what_cannot_be_done_is_said_in_one_line(sleep):
    with pytest.raises(ValueError, match="kind is profile or wald, not 'boot'"):
        harness.intervals(SLEEP, sleep, kind="boot")
    with pytest.raises(ValueError, match="level must lie between 0 and 1, not 95"):
        harness.intervals(SLEEP, sleep, level=95)
    with pytest.raises(BadInput, match="a formula needs its data"):
        harness.intervals(SLEEP)


def test_it_shows_itself(sleep):
    found = harness.intervals("Reaction ~ Days + (1 | Subject)", sleep)
    assert repr(found).startswith("95 % intervals, profile, REML\n")
    assert "residual variance" in repr(found)
    assert "<table" in found._repr_html_()


def test_residual_parameters_have_the_wald_intervals_of_nlme():
    frame = load_dataset("Orthodont").frame
    found = harness.intervals(
        "distance ~ age", frame, kind="wald", df="residual", residual="cs(1 | Subject) + het(Sex)"
    ).table
    # nlme 3.1-162: intervals(gls(distance ~ age, corCompSymm, varIdent(~1 | Sex)))
    printed = {
        "residual rho": (0.61904343, 0.87106053),
        "residual sd ratio Male": (1.3092037, 2.5113457),
        "residual SD": (1.4594457, 2.4727391),
    }
    for label, ends in printed.items():
        row = found.loc[label]
        np.testing.assert_allclose((row.low, row.high), ends, rtol=0, atol=1e-3 * np.ptp(ends))


@pytest.mark.parametrize("structure", ["ar1(1 | Subject)", "car1(age | Subject)"])
def test_a_fixed_effect_beside_correlated_residuals_is_profiled_with_them(structure):
    frame = load_dataset("Orthodont").frame
    made = {"ml": True, "residual": structure}
    low = harness.intervals("distance ~ age", frame, **made).table.loc["age", "low"]
    # With the effect held there, the deviance is that of what is left of the outcome.
    held = frame.assign(left=frame.distance - low * frame.age)
    found = harness.compare("left ~ 1", "left ~ age", held, **made)
    assert found.statistic == pytest.approx(stats.chi2.isf(0.05, 1), abs=1e-4)


@pytest.mark.slow
def test_a_structured_term_has_the_parameters_of_its_structure():
    frame = visited(0, subjects=12)
    found = harness.intervals("y ~ x + homcs(0 + f | s) + (1 + x | g)", frame, residual="het(sex)")
    wald = harness.intervals(
        "y ~ x + homcs(0 + f | s) + (1 + x | g)", frame, residual="het(sex)", kind="wald"
    )
    names = ["SD of each effect by s", "correlation of any two effects by s"]
    for name in names:
        low, value, high = found.table.loc[name, ["low", "estimate", "high"]]
        assert low < value < high
        assert wald.table.loc[name, "estimate"] == pytest.approx(value)
    beside = "SD of x by g"
    assert np.isnan(found.table.loc[beside, "low"])
    assert any(note.startswith(f"no profile of the {beside}: ") for note in found.notes)


def test_a_profile_whose_steps_have_no_value_goes_on_without_them():
    """Five rows: at some values of rho the deviance of the others falls for ever."""
    frame = pd.DataFrame(
        {
            "y": [-3.3, 3.6, -2.3, 2.3, 2.9],
            "x": [7.3, 12.8, 6.1, 12.6, 13.6],
            "g": list("aBaBB"),
            "b": list("aBaBa"),
        }
    )
    found = harness.intervals("y ~ x", frame, residual="cs(1 | g) + het(b)")
    low, high = found.table.loc["residual rho", ["low", "high"]]
    assert low == pytest.approx(-0.5)
    assert 0.97864 < high < 1.0
