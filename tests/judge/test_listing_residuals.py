"""Numbers of a residual covariance: under the labels of programs, right, planted and named."""

import math
import tomllib
from pathlib import Path

import pandas as pd
import pytest

import harness
from harness.base.errors import BadInput
from harness.data.datasets import Dataset, load_dataset
from harness.judge.listing import listing_of
from harness.judge.listing_match import template
from harness.judge.listing_source import ListingSource
from harness.judge.listing_verdict import judge_listing
from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.referee.best_point import find_optimum
from harness.referee.residual_likelihood import likelihood_of, residual_parameters

pytestmark = pytest.mark.slow

GROWTH = "distance ~ Sex * age"
TUMBLED = Path(__file__).parents[2] / "fixtures" / "nlme" / "printed.toml"


def orthodont():
    return load_dataset("Orthodont").frame


def audited(numbers, residual, formula=GROWTH, frame=None):
    frame = orthodont() if frame is None else frame
    source = ListingSource(Dataset("own", frame, "a test"), formula, residual=residual)
    return judge_listing(listing_of(numbers), source)


def optimum(residual, formula=GROWTH, criterion="REML"):
    """Residual variance and parameters by name, as the referee finds them."""
    model = parse_model(formula, criterion, residual)
    design = build_design(model, bind(model, orthodont()))
    best = find_optimum(likelihood_of(design, reml=criterion == "REML"))
    sigma = best.point.sigma * best.point.likelihood.products.basis.y_scale
    return sigma**2, dict(residual_parameters(best.point))


def bad(verdict):
    return [
        (f.quantity, f.item, f.mistake) for f in verdict.findings if f.truth in ("false", "mistake")
    ]


def test_sas_prints_compound_symmetry_as_a_covariance_and_what_is_left():
    """SAS/STAT User's Guide, The MIXED Procedure, Repeated Measures, TYPE=CS by ML."""
    table = {"CS  Subject": "3.0306", "Residual": "1.8746"}
    numbers = {"criterion": "ML", "covariance_parameter": table}
    verdict = audited(numbers | {"log_likelihood": {"minus_two": "428.6"}}, "cs(1 | Subject)")
    assert verdict.right
    assert {f.truth for f in verdict.findings} == {"true"}
    (residual,) = [f for f in verdict.findings if f.item == "Residual"]
    assert residual.definitions == ("diagonal-offset",)


@pytest.mark.parametrize("labels", [("CS covariance", "CS diagonal offset"), ("CS", "Residual")])
def test_the_whole_variance_beside_a_covariance_is_named(labels):
    variance, own = optimum("cs(1 | Subject)")
    table = {labels[0]: f"{own['rho'] * variance:.4f}", labels[1]: f"{variance:.4f}"}
    verdict = audited({"covariance_parameter": table}, "cs(1 | Subject)")
    assert bad(verdict) == [("variance", labels[1], "whole-variance")]


def test_a_covariance_for_the_correlation_and_the_other_way_round_are_named():
    variance, own = optimum("cs(1 | Subject)")
    rho = own["rho"]
    numbers = {"correlation": {"Rho": f"{rho:.4f}"}, "variance": {"residual": f"{variance:.4f}"}}
    assert audited(numbers, "cs(1 | Subject)").right
    numbers["correlation"]["Rho"] = f"{rho * variance:.4f}"
    assert bad(audited(numbers, "cs(1 | Subject)")) == [("correlation", "Rho", "covariance")]
    numbers = {"covariance": {"CS": f"{rho:.4f}"}}
    assert bad(audited(numbers, "cs(1 | Subject)")) == [("covariance", "CS", "correlation")]


AR1 = "ar1(1 | Subject)"


@pytest.mark.parametrize(
    "label",
    ["AR(1)", "AR(1) Subject", "Repeated Measures AR1 rho", "Phi", "Phi1", "rho", "residual rho"],
)
def test_an_autoregression_has_the_labels_of_programs(label):
    _, own = optimum(AR1)
    assert audited({"correlation": {label: f"{own['rho']:.5f}"}}, AR1).right
    verdict = audited({"correlation": {label: f"{own['rho'] + 0.1:.5f}"}}, AR1)
    assert bad(verdict) == [("correlation", label, "")]


def test_a_variance_for_a_deviation_and_the_correlation_of_ml_are_named():
    variance, own = optimum(AR1)
    numbers = {"variance": {"AR1 diagonal": {"sd": f"{variance:.4f}"}}}
    assert bad(audited(numbers, AR1)) == [("sd", "AR1 diagonal", "variance-for-sd")]
    _, other = optimum(AR1, criterion="ML")
    numbers = {
        "criterion": "REML",
        "variance": {"Residual": f"{variance:.4f}"},
        "covariance": {"residual": f"{own['rho'] * variance:.4f}"},
        "correlation": {"Phi": f"{other['rho']:.4f}"},
    }
    assert bad(audited(numbers, AR1)) == [("correlation", "Phi", "other-criterion")]
    numbers["variance"]["residual"] = "1"
    with pytest.raises(BadInput, match="are one variance"):
        audited(numbers, AR1)


def test_the_correlation_of_continuous_time_is_of_one_unit_of_it():
    residual = "car1(age | Subject)"
    _, own = optimum(residual)
    phi = own["rho"]
    for label, value in (("Phi", phi), ("SP(POW)(age)", phi), ("SP(EXP)", -1 / math.log(phi))):
        assert audited({"correlation": {label: f"{value:.4f}"}}, residual).right, label
    for value, mistake in ((phi**2, "distance 2"), (-1 / math.log(phi), "range")):
        verdict = audited({"correlation": {"Phi": f"{value:.4f}"}}, residual)
        assert bad(verdict) == [("correlation", "Phi", mistake)]


@pytest.mark.parametrize("name", ["fm1Orth.gls", "fm2Orth.gls"])
def test_what_nlme_prints_of_generalised_least_squares_is_right(name):
    """Pinheiro and Bates (2000), section 5.4: corSymm or corCompSymm with varIdent by age."""
    printed = tomllib.loads(TUMBLED.read_text())["printed"][name]["residual"]
    structure = "us(age | Subject)" if name == "fm1Orth.gls" else "cs(1 | Subject) + het(age)"
    names = [k for k in printed if k.startswith("rho")]
    numbers = {
        "correlation": {
            "Rho" if k == "rho" else k[4:-1].replace(",", " "): printed[k] for k in names
        },
        "sd_ratio": {"8": "1.000"} | {k[9:]: v for k, v in printed.items() if k not in names},
    }
    verdict = audited(numbers, structure, "distance ~ Sex * I(age - 11)")
    assert verdict.right


def test_an_unstructured_covariance_has_the_labels_of_sas_and_of_visits():
    variance, own = optimum("us(age | Subject)")
    second = variance * own["sd ratio 10"] ** 2
    both = own["rho(8,10)"] * math.sqrt(variance * second)
    for table in (
        {"UN(1,1)": variance, "UN(2,2) Subject": second, "UN(2,1)": both},
        {"UN (1,1)": variance, "UN (2,2)": second, "UN (2,1)": both},
    ):
        shown = {label: f"{value:.4f}" for label, value in table.items()}
        assert audited({"covariance_parameter": shown}, "us(age | Subject)").right
    numbers = {"variance": {"age10": f"{second:.4f}"}, "covariance": {"8 10": f"{both:.4f}"}}
    assert audited(numbers, "us(age | Subject)").right
    swapped = {"UN(1,1)": f"{second:.4f}"}
    (found,) = bad(audited({"covariance_parameter": swapped}, "us(age | Subject)"))
    assert found == ("variance", "UN(1,1)", "stratum 10")
    squared = {"8": "1", "10": f"{own['sd ratio 10'] ** 2:.4f}", "12": f"{own['sd ratio 12']:.4f}"}
    (found,) = bad(audited({"sd_ratio": squared}, "us(age | Subject)"))
    assert found == ("sd ratio", "10", "ratio-of-variances")


def test_toeplitz_bands_are_covariances_in_sas():
    residual = "toep(1 | Subject)"
    variance, own = optimum(residual)
    table = {
        "TOEP(2)": f"{own['rho(1)'] * variance:.4f}",
        "TOEP(3)": f"{own['rho(2)'] * variance:.4f}",
        "Residual": f"{variance:.4f}",
    }
    assert audited({"covariance_parameter": table}, residual).right
    found = audited({"correlation": {"TOEPH(1)": f"{own['rho(2)']:.4f}"}}, residual)
    assert bad(found) == [("correlation", "TOEPH(1)", "parameter rho(2)")]


HET = "het(Sex)"
SLOPES = "distance ~ Sex * age + (1 | Subject)"


def test_ratios_may_be_to_another_level_and_that_is_said():
    """nlme's varIdent takes the first level in the data, here Male, and not the factor's first."""
    variance, own = optimum(HET, SLOPES)
    base, other = ("Female", "Male") if "sd ratio Male" in own else ("Male", "Female")
    ratio = own[f"sd ratio {other}"]
    usual = {"sd_ratio": {other: f"{ratio:.5f}", base: "1.00000"}}
    usual["variance"] = {"residual": {"sd": f"{math.sqrt(variance):.5f}"}}
    assert audited(usual, HET, SLOPES).strata == ()
    turned = {"sd_ratio": {base: f"{1 / ratio:.5f}", other: "1.000000"}}
    turned["variance"] = {"residual": {"sd": f"{ratio * math.sqrt(variance):.5f}"}}
    verdict = audited(turned, HET, SLOPES)
    assert verdict.right
    assert verdict.strata == (("Sex", other),)
    turned["sd_ratio"][base] = f"{1.2 / ratio:.5f}"
    assert bad(audited(turned, HET, SLOPES)) == [("sd ratio", base, "")]


def test_variances_by_group_are_those_that_sas_prints():
    variance, own = optimum(HET, SLOPES)
    (name,) = own
    other = name.removeprefix("sd ratio ")
    base = "Male" if other == "Female" else "Female"
    right = {
        f"Residual Sex {other}": variance * own[name] ** 2,
        f"Residual Group Sex {base}": variance,
    }
    shown = {label: f"{value:.4f}" for label, value in right.items()}
    assert audited({"covariance_parameter": shown}, HET, SLOPES).right
    for value, mistake in (
        (own[name] ** 2, "ratio-of-variances"),
        (math.log(own[name]), "log-ratio"),
        (1 / own[name], "inverse-ratio"),
    ):
        numbers = {"sd_ratio": {other: f"{value:.4f}", base: "1"}}
        assert bad(audited(numbers, HET, SLOPES)) == [("sd ratio", other, mistake)]


def test_intervals_of_residual_parameters_are_walds_or_profiles():
    for kind, definition in (("wald", "Fisher's z"), ("profile", "profile REML")):
        table = harness.intervals(GROWTH, orthodont(), kind=kind, residual=AR1).table
        row = table.loc["residual rho"]
        ends = {"lower": f"{row.low:.4f}", "upper": f"{row.high:.4f}"}
        numbers = {"correlation": {"Phi": {"value": f"{row.estimate:.4f}", "interval": ends}}}
        verdict = audited(numbers, AR1)
        assert verdict.right
        assert definition in verdict.findings[1].definitions


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"correlation": {"Phii": "0.5"}}, "no correlation is called 'Phii'"),
        ({"correlation": {"CS": "0.5"}}, "is 'residual rho' meant?"),
        ({"covariance_parameter": {"UN(2,1)": "0.5"}}, "no covariance is called 'UN(2,1)'"),
        ({"sd_ratio": {"Female": "0.5"}}, "no sd ratio is called 'Female'; the model has none"),
        ({"sd_ratio": {"Female": "much"}}, "sd_ratio 'Female' is no number: 'much'"),
        ({"correlation": {"Phi": "0.5", "AR(1)": "0.5"}}, "'Phi' and 'AR(1)' are one correlation"),
    ],
)
def test_a_label_that_is_of_nothing_is_one_line(numbers, said):
    with pytest.raises(BadInput) as error:
        audited(numbers, AR1)
    assert said in str(error.value) or "there are residual rho" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_label_of_two_things_asks_which():
    with pytest.raises(BadInput, match="write 'Subject Intercept' or 'residual 8'"):
        audited({"variance": {"UN(1,1)": "1"}}, "us(age | Subject)", SLOPES)


@pytest.mark.parametrize(
    ("residual", "rows"),
    [
        (AR1, ["residual rho", "AR(1) of SAS"]),
        ("us(age | Subject)", ["residual 14", "residual 8 10", "age 14"]),
        ("cs(1 | Subject) + het(Sex)", ["residual Male", "residual rho", "Sex Male"]),
    ],
)
def test_the_template_has_a_row_for_each_and_reads_back(residual, rows):
    source = ListingSource(Dataset("own", orthodont(), "a test"), GROWTH, residual=residual)
    form = template(source.rung())
    assert all(row in form for row in rows)
    filled = [
        line.removeprefix("# ").replace('= ""', '= "0.5"')
        if line.startswith(('# "', "# residual ="))
        else line
        for line in form.partition("[variance]")[2].splitlines()
    ]
    numbers = tomllib.loads("[variance]" + "\n".join(filled))
    assert len(judge_listing(listing_of(numbers), source).findings) == sum(
        "0.5" in x for x in filled
    )


def test_the_same_in_a_table():
    frame: pd.DataFrame = orthodont()
    lines = ["quantity,item,value", "covariance parameter,CS,3.0306", "criterion,,ML"]
    text = "\n".join([*lines, "variance,Residual,1.8746"])
    assert harness.audit(frame, GROWTH, text, residual="cs(1 | Subject)").right
    rows = ["sd ratio,Male,1", "sd ratio,Female,9.9", "sd ratio lower,Female,9"]
    text = "\n".join(["quantity,item,value", *rows, "sd ratio upper,Female,10"])
    found = harness.audit(frame, SLOPES, text, residual=HET).verdict.findings
    assert [f.quantity for f in found] == ["sd ratio"] * 2 + ["sd ratio lower", "sd ratio upper"]
    assert [f.truth for f in found][1:3] == ["false", "not judged"]


def printed_tests(rule, residual, digits=4, criterion="REML"):
    """Fixed effects as a program with this rule of df prints them."""
    table = harness.inference(
        GROWTH, orthodont(), df=rule, residual=residual, ml=criterion == "ML"
    ).table
    columns = {"estimate": "estimate", "se": "se", "df": "df", "statistic": "t", "p": "p"}
    return {
        name: {key: f"{row[column]:.{digits}g}" for key, column in columns.items()}
        | {"interval": {"lower": f"{row.ci_low:.{digits}g}", "upper": f"{row.ci_high:.{digits}g}"}}
        for name, row in table.iterrows()
    }


@pytest.mark.parametrize(
    ("rule", "residual"),
    [
        ("between-within", "cs(1 | Subject)"),
        ("between-within", "us(age | Subject)"),
        ("between-within-classic", "us(age | Subject)"),
        ("satterthwaite", "us(age | Subject)"),
        ("satterthwaite", "ar1(1 | Subject) + het(Sex)"),
        ("kenward-roger", "us(age | Subject)"),
        ("kenward-roger", "cs(1 | Subject)"),
        ("kenward-roger", AR1),
        ("kenward-roger-linear", AR1),
        ("containment", "toep(1 | Subject)"),
        ("none", "cs(1 | Subject) + het(age)"),
    ],
)
def test_the_rule_of_df_beside_a_residual_covariance_is_found(rule, residual):
    numbers = {"criterion": "REML", "coefficient": printed_tests(rule, residual)}
    if rule == "none":
        for tests in numbers["coefficient"].values():
            del tests["df"]
    verdict = audited(numbers, residual)
    assert verdict.right
    for label in numbers["coefficient"]:
        assert rule in {r for item, r, _, fits in verdict.rules if item == label and fits}


@pytest.mark.parametrize("quantity", ["estimate", "se", "df", "statistic", "p"])
def test_a_wrong_number_of_a_marginal_model_is_found_and_no_other_accused(quantity):
    tests = printed_tests("between-within", "us(age | Subject)")
    tests["age"][quantity] = f"{1.3 * float(tests['age'][quantity]):.4g}"
    verdict = audited({"criterion": "REML", "coefficient": tests}, "us(age | Subject)")
    assert [(q, item) for q, item, _ in bad(verdict)] == [(quantity, "age")]
