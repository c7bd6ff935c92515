"""A listing's intervals, likelihood ratios and criteria: what made each is named."""

import math

import pytest
from scipy import stats

import harness
from harness.base.errors import BadInput
from harness.data.datasets import load_dataset
from harness.referee.information_criteria import CONVENTIONS
from tests.judge.printed_listings import MODELS, judged, maker, shown

pytestmark = pytest.mark.slow

FRAMES = {name: load_dataset(name).frame for name in MODELS}


def found_by(verdict, quantity):
    return {f.item: f.definitions for f in verdict.findings if f.quantity == quantity}


def wrong(verdict):
    return [(f.quantity, f.item, f.mistake) for f in verdict.findings if f.truth not in
            ("true", "stopping")]  # fmt: skip


def coefficients(table, digits, criterion, **replaced):
    lines = [f'criterion = "{criterion}"']
    for name, row in table[table.quantity == "fixed effect"].iterrows():
        low, high = (shown(row[end], digits) for end in ("low", "high"))
        low = replaced.get(name, low)
        lines += [f'[coefficient."{name}"]', f'estimate = "{shown(row.estimate, digits)}"']
        lines.append(f'interval = {{ level = 0.95, lower = "{low}", upper = "{high}" }}')
    return "\n".join(lines)


@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("name", ["sleepstudy", "Oxboys", "Pastes"])
def test_a_profile_is_named_with_its_criterion(name, criterion):
    # As lme4's confint of a REML fit: the estimates are those of REML, the profile that of ML.
    ends = harness.intervals(MODELS[name], FRAMES[name], ml=criterion == "ML").table
    verdict = judged(coefficients(ends, 6, "REML"), maker(name))
    assert verdict.right, wrong(verdict)
    for quantity in ("lower", "upper"):
        assert all(d == (f"profile {criterion}",) for d in found_by(verdict, quantity).values())
    # No rule of df made these.
    assert verdict.rules == ()


def test_a_wrong_end_of_a_profile_is_found():
    ends = harness.intervals(MODELS["sleepstudy"], FRAMES["sleepstudy"], ml=True).table
    text = coefficients(ends, 5, "REML", Days="7.9587")
    verdict = judged(text, maker("sleepstudy"))
    assert wrong(verdict) == [("lower", "Days", "")]


@pytest.mark.parametrize("rule", ["satterthwaite", "kenward-roger", "containment", "none"])
def test_wald_by_a_rule_of_df_is_still_that(rule):
    ends = harness.intervals(MODELS["dietox"], FRAMES["dietox"], kind="wald", df=rule).table
    verdict = judged(coefficients(ends, 7, "REML"), maker("dietox"))
    assert verdict.right, wrong(verdict)
    for definitions in found_by(verdict, "lower").values():
        assert any(d.split(",")[0] == rule for d in definitions)
        assert not any(d.startswith("profile") for d in definitions)


def spreads(table, kind, digits=6):
    unit = "variance" if kind == "variance" else "sd"
    lines = ['criterion = "REML"', "[variance]"]
    rows = table[table.quantity == unit]
    for name, row in rows.iterrows():
        words = name.replace("SD of ", "").replace("variance of ", "").split(" by ")
        label = f"{words[1]} {words[0]}" if len(words) == 2 else "residual"
        ends = f'lower = "{shown(row.low, digits)}", upper = "{shown(row.high, digits)}"'
        lines.append(
            f'"{label}" = {{ {unit} = "{shown(row.estimate, digits)}", '
            f"interval = {{ level = 0.95, {ends} }} }}"
        )
    for _, row in table[table.quantity == "correlation"].iterrows():
        ends = f'lower = "{shown(row.low, digits)}", upper = "{shown(row.high, digits)}"'
        value = shown(row.estimate, digits)
        lines += ["[correlation]", f'Subject = {{ value = "{value}", interval = {{ {ends} }} }}']
    return "\n".join(lines)


@pytest.mark.parametrize("unit", ["sd", "variance"])
@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, {"profile REML"}),
        ({"kind": "wald"}, {"symmetric in the logarithm", "Fisher's z"}),
    ],
)
def test_intervals_of_variances_and_correlations_are_named(unit, given, named):
    table = harness.intervals(MODELS["sleepstudy"], FRAMES["sleepstudy"], **given).table
    verdict = judged(spreads(table, unit), maker("sleepstudy"))
    assert verdict.right, wrong(verdict)
    # The residual's profiles by ML and by REML are one here, the groups being balanced.
    kinds = (f"{unit} lower", "correlation lower")
    found = [d for kind in kinds for k, d in found_by(verdict, kind).items() if k != "residual"]
    assert {d for definitions in found for d in definitions} == named


def test_the_chi_square_limits_of_proc_mixed_are_named():
    # v nu / chi-square(nu), nu = 2 (v / se)^2; se is that of the Wald interval.
    formula = MODELS["ergoStool"]
    row = harness.intervals(formula, FRAMES["ergoStool"], kind="wald").table.loc["residual SD"]
    error = math.log(row.high / row.low) / (2 * stats.norm.isf(0.025))
    nu = 0.5 / error**2
    low, high = (row.estimate**2 * nu / stats.chi2.ppf(q, nu) for q in (0.975, 0.025))
    ends = f'lower = "{shown(low, 6)}", upper = "{shown(high, 6)}"'
    value = shown(row.estimate**2, 6)
    text = f'[variance]\nresidual = {{ variance = "{value}", interval = {{ {ends} }} }}'
    verdict = judged(text, maker("ergoStool"))
    assert verdict.right
    assert found_by(verdict, "variance lower")["residual"] == ("chi-square",)


SMALL = "Reaction ~ Days + (1 | Subject)"


def compared(statistic, p, df="2", criterion="REML", formula=SMALL):
    return (
        f'criterion = "{criterion}"\n[comparison."{formula}"]\nstatistic = "{statistic}"\n'
        f'df = "{df}"\np = "{p}"'
    )


def test_a_likelihood_ratio_is_named_by_its_criterion_and_its_distribution():
    # R's anova(m1, m2, refit = FALSE), and anova(m1, m2), of the two models of sleepstudy.
    verdict = judged(compared("42.837", "4.990e-10"), maker("sleepstudy"))
    assert verdict.right, wrong(verdict)
    (made,) = found_by(verdict, "ratio p")[SMALL]
    assert (
        made == "chi-square(2) by REML, though a variance is tested: p is 2.79e-10 by the mixture"
    )
    verdict = judged(compared("42.139", "7.072e-10"), maker("sleepstudy"))
    assert verdict.right, wrong(verdict)
    assert found_by(verdict, "ratio statistic")[SMALL] == ("ML",)
    exact = harness.compare(SMALL, MODELS["sleepstudy"], FRAMES["sleepstudy"])
    verdict = judged(compared("42.837", f"{exact.p:.3e}"), maker("sleepstudy"))
    assert found_by(verdict, "ratio p")[SMALL] == (f"{exact.null} by REML",)


def test_a_ratio_that_is_not_doubled_and_a_wrong_df_are_found():
    verdict = judged(compared("21.418", "4.990e-10"), maker("sleepstudy"))
    assert wrong(verdict) == [("ratio statistic", SMALL, "not-doubled")]
    verdict = judged(compared("42.837", "4.990e-10", df="1"), maker("sleepstudy"))
    assert wrong(verdict) == [("ratio df", SMALL, "")]


def test_fixed_effects_are_compared_by_ml_whatever_the_listing_is_fitted_by():
    small = "Reaction ~ 1 + (Days | Subject)"
    ml = harness.compare(small, MODELS["sleepstudy"], FRAMES["sleepstudy"], ml=True)
    text = compared(f"{ml.statistic:.3f}", f"{ml.p:.3e}", df="1", formula=small)
    assert judged(text, maker("sleepstudy")).right


def test_a_comparison_with_a_model_that_is_not_nested_is_refused_in_one_line():
    other = "Reaction ~ 1 + (Days | Subject) + (1 | Days)"
    text = compared("1.0", "0.5", formula=other)
    with pytest.raises(BadInput, match=r"comparison with .*neither model holds the other") as error:
        judged(text, maker("sleepstudy"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("key", [c.key for c in CONVENTIONS if c.programs != ("OLS",)])
def test_criteria_are_right_by_each_programs_convention(key, criterion):
    (one,) = [c for c in CONVENTIONS if c.key == key]
    name = "dietox"
    table = harness.compare(
        "Weight ~ Time + (1 | Pig)", MODELS[name], FRAMES[name], ml=criterion == "ML"
    ).criteria.loc[", ".join(one.programs)]
    if table.isna().any():
        assert (key, criterion) == ("nan-under-reml", "REML")
        return
    text = (
        f'criterion = "{criterion}"\n[log_likelihood]\naic = "{table["AIC", "large"]:.3f}"\n'
        f'bic = "{table["BIC", "large"]:.3f}"'
    )
    verdict = judged(text, maker(name))
    assert verdict.right, wrong(verdict)
    for quantity in ("aic", "bic"):
        assert key in found_by(verdict, quantity)[""]
