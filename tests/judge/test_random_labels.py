"""Labels of random effects are read as programs write them; hints are in the user's names."""

import pytest

import harness
from harness.base.errors import BadInput
from harness.data.datasets import load_dataset
from harness.judge.listing_source import ListingSource
from harness.judge.random_labels import key_of, pair_places

SLOPES = "Reaction ~ Days + (Days | Subject)"
NESTED = "yield ~ nitro + (1 | Block/Variety)"

VARIANCES = {
    "UN(1,1)": "612.1",
    "UN(2,2)": "35.07",
    "UN (1,1)": "612.1",
    "Intercept + Days [subject = Subject] UN (2,2)": "35.07",
    "Intercept [subject = Subject]": "612.1",
    "var(_cons)": "612.1",
    "Subject: var(Days)": "35.07",
    "Group Var": "612.1",
    "Days Var": "35.07",
    "Subject (Intercept)": "612.1",
    "(Intercept)": "612.1",
    "Residual": "654.9",
    "var(Residual)": "654.9",
    "var(e.Reaction)": "654.9",
    "Scale": "654.9",
}
PAIRS = {
    "covariance": ["UN(2,1)", "UN (2,1)", "cov(Days,_cons)", "Group x Days Cov", "Subject"],
    "correlation": ["corr(Days,_cons)", "(Intr)", "Days", "Subject Days Intercept"],
}


def audited(formula, name, numbers):
    return harness.audit(load_dataset(name).frame, formula, numbers)


@pytest.mark.parametrize(("label", "value"), VARIANCES.items())
def test_a_variance_has_the_label_of_a_program(label, value):
    assert audited(SLOPES, "sleepstudy", {"variance": {label: value}}).right


@pytest.mark.parametrize(
    ("kind", "label"), [(kind, label) for kind, labels in PAIRS.items() for label in labels]
)
def test_a_pair_has_the_label_of_a_program(kind, label):
    value = {"covariance": "9.604", "correlation": "0.066"}[kind]
    assert audited(SLOPES, "sleepstudy", {kind: {label: value}}).right


@pytest.mark.parametrize(
    "label",
    [
        "Variety %in% Block (Intercept)",
        "Block*Variety",
        "Variety(Block)",
        "Intercept [subject = Block * Variety]",
        "Variety:Block",
        "Block:Variety Intercept",
    ],
)
def test_a_nested_term_has_the_label_of_a_program(label):
    found = audited(NESTED, "Oats", {"variance": {label: "1", "Block": "1"}}).verdict
    right = {f.item: f.right for f in found.findings}
    assert right[label] < right["Block"]
    exact = {"variance": {label: f"{right[label]:.6g}", "Block": f"{right['Block']:.6g}"}}
    assert audited(NESTED, "Oats", exact).right


@pytest.mark.parametrize("label", ["bogus", "UN(3,3)", "UN(2,1)", "var(Dose)"])
def test_what_is_of_nothing_is_refused_in_the_users_names(label):
    with pytest.raises(BadInput) as error:
        audited(SLOPES, "sleepstudy", {"variance": {label: "1"}})
    said = str(error.value)
    assert f"no variance is called '{label}'" in said
    assert "'Subject" in said or "residual, Subject Intercept and Subject Days" in said


def test_a_label_that_two_terms_have_is_refused():
    with pytest.raises(BadInput, match="no variance is called"):
        audited(NESTED, "Oats", {"variance": {"var(_cons)": "1"}})


def test_two_labels_of_one_variance_are_refused():
    with pytest.raises(BadInput, match="are one variance"):
        audited(SLOPES, "sleepstudy", {"variance": {"UN(1,1)": "1", "var(_cons)": "1"}})


@pytest.mark.parametrize(
    ("coding", "labels"),
    [
        ("sum", ("Treatment1", "Treatment2")),
        ("helmert", ("Treatment1", "Treatment2")),
        ("poly", ("Treatment.L", "Treatment.Q")),
    ],
)
def test_a_coded_factor_has_the_labels_of_r(coding, labels):
    frame = load_dataset("RatPupWeight").frame
    formula = f"weight ~ sex + C(Treatment, {coding}) + (1 | Litter)"
    right = harness.inference(formula, frame).table.estimate[-2:]
    numbers = {
        label: {"estimate": f"{value:.5f}"} for label, value in zip(labels, right, strict=True)
    }
    assert harness.audit(frame, formula, {"coefficient": numbers}).right
    with pytest.raises(BadInput) as error:
        harness.audit(frame, formula, {"coefficient": {"Treatment9": {"estimate": "1"}}})
    assert labels[0] in str(error.value)
    assert "contr" not in str(error.value)


@pytest.mark.parametrize("label", ["Litter sexMale", "Litter sex Male", "sexMale", "sex[T.Male]"])
def test_a_level_of_a_random_factor_has_the_label_of_a_program(label):
    formula = "weight ~ sex + (sex | Litter)"
    right = harness.audit(
        load_dataset("RatPupWeight").frame, formula, {"variance": {"Litter sex[T.Male]": "9"}}
    ).verdict
    exact = f"{right.findings[0].right:.6g}"
    assert audited(formula, "RatPupWeight", {"variance": {label: exact}}).right


def test_whole_plots_may_have_another_reference():
    """A factor that is in the fixed part and in a grouping is coded as SAS does it, too."""
    formula = "yield ~ Variety + nitro + (1 | Block) + (1 | Block:Variety)"
    frame = load_dataset("Oats").frame
    last = harness.inference(
        formula, frame, levels={"Variety": ("Victory", "Golden Rain", "Marvellous")}
    ).table
    rows = {
        f"Variety {level}": {"estimate": f"{last.estimate[f'Variety[T.{level}]']:.4f}"}
        for level in ("Golden Rain", "Marvellous")
    }
    found = harness.audit(frame, formula, {"coefficient": rows})
    assert found.right
    assert dict(found.verdict.references) == {"Variety": "Victory"}


@pytest.mark.parametrize(
    ("structure", "labels"), [("ar1", ("AR(1)", "AR(1) Subject", "rho")), ("cs", ("CSH", "CS"))]
)
def test_the_one_correlation_of_a_structured_term_has_the_labels_of_programs(structure, labels):
    formula = f"distance ~ Sex + {structure}(0 + factor(age) | Subject)"
    terms = ListingSource(load_dataset("Orthodont"), formula).rung().case.design.random
    for label in labels:
        assert pair_places(terms)[key_of(label, pair_places(terms))][1] == (0, 0, 1)
