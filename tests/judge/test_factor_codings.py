"""Codings of factors that a listing has and nobody stated are found, said, and judged by."""

import pytest

import harness
from harness.base.errors import BadInput
from harness.data.datasets import load_dataset
from harness.judge.factor_codings import open_factors, recoded
from harness.judge.listing_source import ListingSource
from harness.page.audit_layout import audit_answer

FORMULA = "weight ~ sex * Treatment + Lsize + (1 | Litter)"
COLUMNS = {"estimate": "estimate", "se": "se", "df": "df", "statistic": "t", "p": "p"}


def printed(formula, digits=5):
    frame = load_dataset("RatPupWeight").frame
    table = harness.inference(formula, frame).table
    return frame, {
        name: {key: f"{row[column]:.{digits}g}" for key, column in COLUMNS.items()}
        for name, row in table.iterrows()
    }


def labelled(numbers, made):
    out = {}
    for name, tests in numbers.items():
        label = name
        for factor in ("sex", "Treatment"):
            for kind in ("sum", "helmert", "poly"):
                label = label.replace(f"C({factor}, contr.{kind})", factor)
        out[made(label)] = tests
    return out


def bad(verdict):
    return [(f.quantity, f.item) for f in verdict.findings if f.truth in ("false", "mistake")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kinds", "make"),
    [
        (("sum", "sum"), str),
        (("helmert", "helmert"), str),
        (("sum", "poly"), str),
        (("sum", "sum"), lambda label: label.replace("sex1", "sex[S.Female]")),
    ],
)
def test_a_coding_that_nobody_stated_is_found_and_said(kinds, make):
    coded = recoded(FORMULA, dict(zip(("sex", "Treatment"), kinds, strict=True)))
    frame, numbers = printed(coded)
    own = labelled(numbers, make)
    verdict = harness.audit(frame, FORMULA, {"coefficient": own}).verdict
    assert verdict.right
    assert dict(verdict.codings) == dict(zip(("sex", "Treatment"), kinds, strict=True))
    said = " ".join(audit_answer(verdict))
    assert all(f"(contr.{kind})" in said for kind in kinds)
    assert verdict.formula == FORMULA
    label = next(name for name in own if name.startswith("Treatment"))
    own[label]["estimate"] = f"{1.4 * float(own[label]['estimate']):.5g}"
    verdict = harness.audit(frame, FORMULA, {"coefficient": own}).verdict
    assert bad(verdict) == [("estimate", label)]
    assert dict(verdict.codings) == dict(zip(("sex", "Treatment"), kinds, strict=True))


@pytest.mark.slow
def test_values_that_do_not_fit_the_own_coding_are_tried_in_others():
    frame, numbers = printed(recoded(FORMULA, {"sex": "sum", "Treatment": "sum"}))
    some = {name: numbers[name] for name in ("Intercept", "Lsize")}
    verdict = harness.audit(frame, FORMULA, {"coefficient": some}).verdict
    assert verdict.right
    assert dict(verdict.codings) == {"sex": "sum", "Treatment": "sum"}
    # Contrasts of two codings that sum to zero leave the mean of the levels where it is.
    assert any(dict(other)["Treatment"] == "helmert" for other in verdict.other_codings)
    assert "the labels leave that open" in " ".join(audit_answer(verdict))


@pytest.mark.slow
def test_a_listing_in_the_own_coding_is_read_as_one():
    frame, numbers = printed(FORMULA)
    labels = {
        name.replace("sex", "C(sex)").replace(
            "Treatment", 'C(Treatment, Treatment(reference="Control"))'
        ): tests
        for name, tests in numbers.items()
    }
    verdict = harness.audit(frame, FORMULA, {"coefficient": labels}).verdict
    assert verdict.right
    assert verdict.codings == ()


@pytest.mark.slow
def test_columns_of_no_coding_are_refused_in_one_line():
    frame = load_dataset("RatPupWeight").frame
    with pytest.raises(BadInput) as error:
        harness.audit(frame, FORMULA, {"coefficient": {"Treatment9": {"estimate": "1"}}})
    assert "no coefficient is called 'Treatment9'" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("formula", "coded"),
    [
        ("y ~ f*x + (f | g)", "y ~ C(f, sum)*x + (f | g)"),
        ("y ~ (f + x)^2 + (1 | f:g)", "y ~ (C(f, sum) + x)^2 + (1 | f:g)"),
        ("y ~ factor(f) + ff + f.f", "y ~ C(f, sum) + ff + f.f"),
        ("f ~ x + log(f)", "f ~ x + log(f)"),
    ],
)
def test_a_formula_is_coded_in_its_fixed_effects(formula, coded):
    assert recoded(formula, {"f": "sum"}) == coded


def test_a_coding_that_the_formula_states_stays():
    source = ListingSource(
        load_dataset("Oats"), "yield ~ C(factor(nitro), poly) + Variety + (1 | Block)"
    )
    assert open_factors(source.rung()) == ["Variety"]
