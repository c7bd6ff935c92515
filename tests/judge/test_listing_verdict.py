"""Right listings are not accused, at any number of digits; planted errors are found and named."""

import math

import numpy as np
import pytest
from scipy import stats

import harness
from harness.base.errors import BadInput
from harness.data.datasets import load_dataset
from harness.judge.listing import read_listing
from harness.referee.definitions import definition
from harness.referee.deviance import Likelihood
from harness.referee.optimum import find_optimum
from harness.referee.standpoint import Standpoint
from tests.judge.printed_listings import (
    MODELS,
    another_digit,
    judged,
    listing,
    maker,
    numbers,
    shown,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found():
    """The numbers of a model, computed once."""
    kept = {}

    def of(name, **named):
        key = (name, *sorted(named.items()))
        if key not in kept:
            kept[key] = numbers(maker(name), **named)
        return kept[key]

    return of


def wrong(verdict):
    return [
        (f.quantity, f.item, f.mistake) for f in verdict.findings if f.truth in ("false", "mistake")
    ]


def cases(number, digits=(2, 3, 4, 5, 6)):
    every = [(m, d, c) for d in digits for m in MODELS for c in ("REML", "ML")]
    return every[:: len(every) // number]


@pytest.mark.parametrize(("name", "digits", "criterion"), cases(12))
def test_a_right_listing_is_not_accused(name, digits, criterion, found):
    verdict = judged(listing(found(name, criterion=criterion), digits), maker(name))
    assert wrong(verdict) == []
    assert verdict.right
    assert verdict.at_optimum
    assert verdict.criterion == criterion


SLOPES = ("sleepstudy", "dietox", "Oxboys")


@pytest.mark.parametrize("name", SLOPES)
@pytest.mark.parametrize("digits", [2, 4, 6])
def test_a_right_listing_with_covariances_is_not_accused(name, digits, found):
    verdict = judged(listing(found(name), digits, pairs="covariance"), maker(name))
    assert [f.truth for f in verdict.findings if f.quantity == "covariance"] == ["true"]
    assert wrong(verdict) == []
    assert verdict.at_optimum
    assert verdict.gap < 1e-4


@pytest.mark.parametrize("name", SLOPES)
def test_a_wrong_covariance_is_found_and_what_it_is_instead_is_named(name, found):
    own = found(name)
    (item,), (c,), (r,) = own["covariance"], own["covariance"].values(), own["correlation"].values()
    for value, mistake in ((-c, "sign"), (r, "correlation"), (3.1 * c + own["residual"], "")):
        text = listing(own, 4, pairs="covariance", texts={(item, "covariance"): shown(value, 4)})
        verdict = judged(text, maker(name))
        assert ("covariance", item, mistake) in wrong(verdict)
        assert not verdict.at_optimum


def test_a_covariance_and_a_correlation_of_one_pair_are_both_judged(found):
    own = found("sleepstudy")
    text = listing(own, 4) + f'\n[covariance]\nSubject = "{shown(own["covariance"]["Subject"], 4)}"'
    verdict = judged(text, maker("sleepstudy"))
    assert {"covariance", "correlation"} <= {f.quantity for f in verdict.findings}
    assert verdict.right


@pytest.mark.study
def test_none_of_sixty_right_listings_is_accused(found):
    for name, digits, criterion in cases(60):
        verdict = judged(listing(found(name, criterion=criterion), digits), maker(name))
        assert verdict.right, (name, digits, criterion, wrong(verdict), verdict.mistakes)


QUANTITIES = ("estimate", "se", "df", "statistic", "p", "lower", "variance")


def planted(name, digits, quantity, found, rng):
    """A listing with one digit changed, and what of."""
    numbers_ = found(name)
    spreads = {**numbers_["spread"], "residual": numbers_["residual"]}
    labels = list(spreads if quantity == "variance" else numbers_["coefficient"])
    label = labels[int(rng.integers(len(labels)))]
    value = spreads[label] if quantity == "variance" else numbers_["coefficient"][label][quantity]
    # The second digit of a tiny p is within what optimizers leave of it.
    text = another_digit(shown(value, digits), rng, first=quantity == "p")
    return listing(numbers_, digits, texts={(label, quantity): text}), label


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_wrong_digit_is_found_and_nothing_else_is_accused(quantity, found):
    rng = np.random.default_rng(3)
    for name in ("RatPupWeight", "sleepstudy"):
        text, label = planted(name, 4, quantity, found, rng)
        assert wrong(judged(text, maker(name))) == [(quantity, label, "")]


@pytest.mark.study
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_wrong_digit_is_found_in_every_model(quantity, found):
    rng = np.random.default_rng(4)
    for name in MODELS:
        for digits in (3, 5):
            text, label = planted(name, digits, quantity, found, rng)
            # A wrong number may be a right one of another kind: t 6.97 is that of ML.
            accused = [(q, item) for q, item, _ in wrong(judged(text, maker(name)))]
            assert accused == [(quantity, label)], (name, digits)


@pytest.mark.parametrize("name", ["dietox", "RatPupWeight"])
def test_ml_said_to_be_reml_is_named(name, found):
    text = listing(found(name, criterion="ML"), 5, said="REML")
    verdict = judged(text, maker(name))
    assert verdict.mistakes == ("other-criterion",)
    assert verdict.criterion == "ML"
    assert wrong(verdict) == []


def test_a_criterion_that_is_not_said_is_found(found):
    for criterion in ("REML", "ML"):
        verdict = judged(listing(found("dietox", criterion=criterion), 5, said=""), maker("dietox"))
        assert (verdict.criterion, verdict.right) == (criterion, True)


def test_a_standard_deviation_in_place_of_a_variance_is_named(found):
    numbers_ = found("RatPupWeight")
    text = shown(math.sqrt(numbers_["residual"]), 4)
    verdict = judged(
        listing(numbers_, 4, texts={("residual", "variance"): text}), maker("RatPupWeight")
    )
    assert wrong(verdict) == [("variance", "residual", "sd-for-variance")]


def test_a_one_sided_p_and_another_level_and_another_sign_are_named(found):
    numbers_, make = found("RatPupWeight"), maker("RatPupWeight")
    low = numbers_["coefficient"]["Treatment Low"]
    text = listing(numbers_, 4, texts={("Treatment Low", "p"): shown(low["p"] / 2, 4)})
    assert wrong(judged(text, make)) == [("p", "Treatment Low", "one-sided")]
    text = listing(numbers_, 4, texts={("Treatment Low", "estimate"): shown(-low["estimate"], 4)})
    assert wrong(judged(text, make)) == [("estimate", "Treatment Low", "sign")]
    narrow = found("RatPupWeight", level=0.9)
    verdict = judged(listing(narrow, 4, level=0.95), make)
    assert {mistake for _, _, mistake in wrong(verdict)} == {"level 0.9"}
    assert {quantity for quantity, _, _ in wrong(verdict)} == {"lower", "upper"}


def test_z_tests_are_right_and_their_rule_is_named(found):
    verdict = judged(listing(found("Pastes", rule="none"), 4), maker("Pastes"))
    assert verdict.right
    assert [rule for _, rule, _, fits in verdict.rules if fits] == ["none"]


def test_another_optimum_is_said_to_be_none_and_its_numbers_are_judged_there(found):
    numbers_ = dict(found("dietox"))
    numbers_["spread"] = {label: 3.0 * v for label, v in numbers_["spread"].items()}
    verdict = judged(listing(numbers_, 4), maker("dietox"))
    assert verdict.at_optimum is False
    assert verdict.gap > 1.0
    assert ("variance", "Pig Time", "") in wrong(verdict)


def test_rows_that_are_not_those_of_the_model_are_said(found):
    rows = np.arange(0, 322, 1)[5:]
    part = numbers(maker("RatPupWeight", rows=rows))
    text = "rows = 317\n" + listing(part, 4)
    verdict = judged(text, maker("RatPupWeight"))
    assert "rows" in verdict.mistakes
    assert not verdict.right


@pytest.mark.parametrize("references", [{"Treatment": "Low"}, {"Treatment": "Low", "sex": "Male"}])
def test_another_reference_level_is_found_and_said(references, found):
    levels = {"Treatment": ("Control", "High", "Low"), "sex": ("Female", "Male")}
    orders = {
        factor: (first, *(level for level in levels[factor] if level != first))
        for factor, first in references.items()
    }
    text = listing(numbers(maker("RatPupWeight"), levels=orders), 5)
    verdict = judged(text, maker("RatPupWeight"))
    assert dict(verdict.references) == references
    assert verdict.right


def test_of_several_references_that_labels_leave_open_the_one_that_fits_is_taken(found):
    levels = {"Treatment": ("High", "Control", "Low")}
    text = listing(numbers(maker("RatPupWeight"), levels=levels), 5, only=("estimate", "se"))
    text = text.replace('[coefficient."Treatment Control"]', "[dropped]")
    kept = text.split("[dropped]")
    text = kept[0] + kept[1][kept[1].index("[coefficient") :]
    verdict = judged(text, maker("RatPupWeight"))
    assert dict(verdict.references) == {"Treatment": "High"}
    assert verdict.right


def test_t_is_of_the_standard_error_that_is_printed_and_else_of_any(found):
    numbers_ = found("sleepstudy")
    days = numbers_["coefficient"]["Days"]
    robust = definition("se", "sandwich")
    model = maker("sleepstudy").rung().case
    best = find_optimum(Likelihood(model.design, reml=True))
    at = Standpoint(model.design, "REML", best.point, best.sigma)
    t = shown(days["estimate"] / robust.value(at, (), 0.0)[1], 4)
    text = f'[coefficient.Days]\nestimate = "{shown(days["estimate"], 4)}"\nstatistic = "{t}"\n'
    verdict = judged(text, maker("sleepstudy"))
    assert verdict.right
    assert [f.definitions for f in verdict.findings if f.quantity == "statistic"] == [("sandwich",)]
    verdict = judged(f'{text}se = "{shown(days["se"], 4)}"', maker("sleepstudy"))
    assert [quantity for quantity, *_ in wrong(verdict)] == ["statistic"]


def test_a_df_that_is_of_no_rule_leaves_the_rest_judged(found):
    adjusted = harness.inference(MODELS["dietox"], load_dataset("dietox").frame, df="kenward-roger")
    row = adjusted.table.loc["Time"]
    text = (
        f'[coefficient.Time]\nse = "{row.se:.10f}"\ndf = "999"\np = "{row.p:.3e}"\n'
        f'interval = {{ lower = "{row.ci_low:.6f}", upper = "{row.ci_high:.6f}" }}'
    )
    assert ("df", "Time", "") in wrong(judged(text, maker("dietox")))


def test_estimates_and_standard_errors_alone_are_enough(found):
    text = "\n".join(
        line
        for line in listing(found("sleepstudy"), 4, only=("estimate", "se")).splitlines()
        if "log_likelihood" not in line
    ).partition("[variance]")[0]
    verdict = judged(text, maker("sleepstudy"))
    assert verdict.right
    assert verdict.at_optimum is None
    assert len(verdict.findings) == 4


def test_labels_are_read_as_programs_write_them(found):
    text = listing(found("sleepstudy"), 4).replace('"Intercept"', '"(Intercept)"')
    text = text.replace('"Subject Days"', '"Days (Subject)"').replace(
        '"Subject Intercept"', '"Subject"'
    )
    assert judged(text, maker("sleepstudy")).right


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[coefficient.Dayz]\nestimate = "1"', "no coefficient is called 'Dayz'; is 'Days' meant?"),
        ('[coefficient.Days]\nestimate = "abc"', "estimate of coefficient 'Days' is no number"),
        ('[coefficient.Days]\nestimat = "1"', "has no 'estimat'; is estimate meant?"),
        ('[coefficient.Days]\nse = "1"\n[coefficient.days]\nse = "1"', "are one coefficient"),
        ('[coefficient.Days]\nse = "1"\nse = "2"', "neither TOML (Cannot overwrite a value"),
        ('[variance]\nSubjct = "1"', "no variance is called 'Subjct'"),
        ('criterion = "REMLL"\n[variance]\nresidual = "1"', "criterion is REML or ML"),
        ('[coefficient.Days]\nestimate = "nan"', "is no number"),
        ('program = "SAS"', "has no number"),
        ('[coefficient.Days]\ninterval = { lower = "1" }', "has no upper"),
        ('[variance]\n"Subject Days" = "1e300"', "is larger than 1e+100: '1e300'"),
        ('[coefficient.Days]\nse = "-1"', "se of coefficient 'Days' cannot be negative: -1"),
        ('[coefficient.Days]\np = "1.4"', "p of coefficient 'Days' lies between 0 and 1, not 1.4"),
        ('[coefficient.Days]\nestimate = "10,467"', "may be 10467 or 10.467: write one"),
        ("rows = true\n[variance]\nresidual = 1", "rows is a whole number"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(text, said):
    with pytest.raises(BadInput) as error:
        judged(text, maker("sleepstudy"))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("planted", "right"), [("53", "10"), ("10", "10")])
def test_df_that_contradict_their_p_are_the_wrong_ones_where_the_listing_follows_a_rule(
    planted, right
):
    """nlme's Oats: 53 df are a rule's, too, but p and the other variety have their level's 10."""
    source = maker("Oats", "yield ~ nitro + Variety + (1 | Block/Variety)")
    tests = numbers(source)["coefficient"]
    lines = []
    for label, df, shown_df in (
        ("nitro", 53, "53"),
        ("Variety Marvellous", 10, planted),
        ("Variety Victory", 10, "10"),
    ):
        p = 2 * stats.t.sf(abs(tests[label]["statistic"]), df)
        lines.append(f'[coefficient."{label}"]\ndf = "{shown_df}"\np = "{p:.4g}"')
    found = judged("\n".join(lines), source).findings
    wrong = [(f.quantity, f.item) for f in found if f.truth in ("false", "mistake")]
    assert wrong == ([] if planted == right else [("df", "Variety Marvellous")])
    (df,) = (f for f in found if f.quantity == "df" and f.item == "Variety Marvellous")
    assert df.right == pytest.approx(10.0)


def test_a_printed_number_is_an_interval():
    text = '[coefficient.x]\np = "<.0001"\nestimate = "1,234.50"\nse = 0.25\nstatistic = "−3e2"'
    numbers_ = read_listing(text).coefficients["x"]
    assert (numbers_["p"].low, numbers_["p"].high) == (0.0, 1e-4)
    assert (numbers_["estimate"].low, numbers_["estimate"].high) == (1234.495, 1234.505)
    assert (numbers_["se"].low, numbers_["se"].high) == pytest.approx((0.245, 0.255), rel=1e-15)
    assert numbers_["statistic"].value == -300.0


@pytest.mark.parametrize("mark", [" ***", "***", " .", " *"])
def test_marks_of_significance_are_no_part_of_a_p(mark):
    text = f'[coefficient.x]\np = "0.031{mark}"\n[coefficient.z]\np = "< 2e-16{mark}"'
    found = read_listing(text).coefficients
    assert (found["x"]["p"].low, found["x"]["p"].high) == pytest.approx((0.0305, 0.0315))
    assert (found["z"]["p"].low, found["z"]["p"].high) == (0.0, 2e-16)


@pytest.mark.parametrize("row", ['estimate = "0"', 'estimate = "0b"\nse = "."\ndf = "."\np = ""'])
def test_the_row_of_a_reference_level_is_no_coefficient(row):
    text = f'[coefficient."f c"]\n{row}\n[coefficient."f a"]\nestimate = "0"\nse = "1"'
    assert list(read_listing(text).coefficients) == ["f a"]


def test_one_number_that_fits_by_the_other_criterion_is_no_reason_to_name_it():
    """ML's intercept variance is 565.5; all else that is printed belongs to no criterion."""
    numbers = {
        "criterion": "REML",
        "coefficient": {"Days": {"estimate": "11.9", "se": "1.82", "statistic": "5.10"}},
        "variance": {"Subject Intercept": "565.5", "residual": "702"},
    }
    frame = load_dataset("sleepstudy").frame
    verdict = harness.audit(frame, "Reaction ~ Days + (Days | Subject)", numbers).verdict
    assert verdict.criterion == "REML"
    assert "other-criterion" not in verdict.mistakes
    assert len(wrong(verdict)) == 5
