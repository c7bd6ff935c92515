"""Printed numbers that contradict each other are named; right ones are never accused."""

import math

import pytest

import harness
from harness.data.datasets import load_dataset
from harness.judge.listing import listing_of, read_listing
from harness.judge.listing_consistency import contradictions
from harness.judge.listing_match import matched
from harness.page.audit_layout import audit_answer
from tests.judge.printed_listings import MODELS, listing, maker, numbers

FORMULA = "Reaction ~ Days + (Days | Subject)"
DAYS = {
    "estimate": "10.467",
    "se": "1.546",
    "df": "17.00",
    "statistic": "6.771",
    "p": "3.26e-06",
    "interval": {"level": 0.95, "lower": "7.206", "upper": "13.729"},
}
LISTING = {
    "criterion": "REML",
    "rows": 180,
    "log_likelihood": {"loglik": "-871.81", "minus_two": "1743.63", "aic": "1755.63"},
    "coefficient": {"Days": DAYS},
    "variance": {
        "Subject": {"variance": "612.10", "sd": "24.741"},
        "Subject Days": {"sd": "5.922"},
        "residual": "654.94",
    },
    "correlation": {"Subject": "0.066"},
    "covariance": {"Subject": "9.604"},
}


def planted(path, text):
    """The listing with one number changed; ``None`` leaves it out."""

    def changed(part, keys):
        key, *rest = keys
        left = {k: v for k, v in part.items() if k != key}
        if rest:
            return {**part, key: changed(part[key], rest)}
        return left if text is None else {**part, key: text}

    return changed(LISTING, path)


def audited(found):
    return harness.audit(load_dataset("sleepstudy").frame, FORMULA, found).verdict


def said(verdict):
    return [s for s in audit_answer(verdict) if "contradict" in s]


def test_a_right_listing_contradicts_nothing():
    verdict = audited(LISTING)
    assert verdict.right
    assert verdict.contradictions == ()


DAYS_OF = ("coefficient", "Days")


@pytest.mark.parametrize(
    ("path", "text", "sentence"),
    [
        (
            (*DAYS_OF, "statistic"),
            "4.771",
            "the t of Days is printed as 4.771, while its estimate by its standard error, "
            "10.467 / 1.546, is 6.77; the t is wrong",
        ),
        (
            (*DAYS_OF, "se"),
            "1.946",
            "the t of Days is printed as 6.771, while its estimate by its standard error, "
            "10.467 / 1.946, is 5.38; the standard error is wrong",
        ),
        (
            (*DAYS_OF, "p"),
            "0.0326",
            "the p of Days is printed as 0.0326, while t = 6.771 with 17.00 df gives 3.27e-06; "
            "the p is wrong",
        ),
        (
            (*DAYS_OF, "p"),
            "1.63e-06",
            "the p of Days is printed as 1.63e-06, the one-sided one, while t = 6.771 with 17.00 "
            "df gives 3.27e-06; the p is wrong",
        ),
        (
            (*DAYS_OF, "p"),
            "1.27e-11",
            "the p of Days is printed as 1.27e-11, by the normal distribution, while t = 6.771 "
            "with 17.00 df gives 3.27e-06; the p is wrong.",
        ),
        (
            (*DAYS_OF, "df"),
            "7.00",
            "the p of Days is printed as 3.26e-06, while t = 6.771 with 7.00 df gives 0.00026; the "
            "df is wrong",
        ),
        (
            (*DAYS_OF, "interval", "upper"),
            "14.729",
            "the limits of Days, 7.206 and 14.729, have 10.967 in their middle, while the estimate "
            "is 10.467; the upper limit is wrong",
        ),
        (
            (*DAYS_OF, "interval", "upper"),
            "9.729",
            "the limits of Days, 7.206 and 9.729, leave out the estimate 10.467; the upper limit "
            "is wrong",
        ),
        (
            (*DAYS_OF, "interval"),
            {"level": 0.95, "lower": "7.778", "upper": "13.157"},
            "the limits of Days, 7.778 and 13.157, are as far apart as those of 90 %, by the "
            "standard error 1.546 and 17.00 df; the lower limit and upper limit are wrong",
        ),
        (
            ("log_likelihood", "loglik"),
            "-881.81",
            "the -2 log-likelihood is printed as 1743.63, while -2 times the log-likelihood "
            "-881.81 is 1763.6; the log-likelihood is wrong",
        ),
        (
            ("log_likelihood", "aic"),
            "1753.13",
            "the AIC is printed as 1753.13, which no count of parameters makes of the -2 "
            "log-likelihood 1743.63: with 5 parameters it is 1753.63; the AIC is wrong",
        ),
        (
            ("variance", "Subject", "sd"),
            "27.741",
            "the standard deviation of Subject is printed as 27.741, while the square root of the "
            "variance 612.10 is 24.7407; the standard deviation is wrong",
        ),
        (
            ("covariance", "Subject"),
            "19.604",
            "the covariance of Subject is printed as 19.604, while the correlation times both "
            "standard deviations, 0.066 x √612.10 x 5.922, is 9.7; the covariance is wrong",
        ),
        (
            (*DAYS_OF, "df"),
            "1700",
            "the df of Days is printed as 1700, more than the 180 rows; the df is wrong",
        ),
    ],
)
def test_what_contradicts_itself_is_named_with_the_one_that_is_wrong(path, text, sentence):
    verdict = audited(planted(path, text))
    assert not verdict.right
    answers = list(audit_answer(verdict))
    # Behind the first sentence, and nothing is said twice of one number.
    assert answers[1].startswith("The listing contradicts itself: ")
    assert sentence in " ".join(answers)


F = {"df": "17.00", "f": "45.85", "p": "3.26e-06"}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"statistic": "6.771", "f": "65.85"},
            "the F of Days is printed as 65.85, while the square of t = 6.771 is 45.85; the F is "
            "wrong",
        ),
        (
            {"estimate": "10.467", "se": "1.546", "f": "65.85"},
            "the F of Days is printed as 65.85, while the square of its estimate by its standard "
            "error, 10.467 / 1.546 is 45.8; the F is wrong",
        ),
        (
            {**F, "p": "0.0326"},
            "the p of Days is printed as 0.0326, while F = 45.85 with 17.00 df gives 3.27e-06; the "
            "p is wrong",
        ),
        ({"f": "3.1", "p": "0.03"}, "the p of Days is printed as 0.03, less than F = 3.1 has"),
    ],
)
def test_f_of_one_df_is_the_square_of_t(given, sentence):
    assert sentence in " ".join(audit_answer(audited({"coefficient": {"Days": given}})))


def test_a_right_f_is_right_and_t_in_its_place_is_named():
    verdict = audited({"coefficient": {"Days": {**DAYS, "f": "45.85"}}})
    assert verdict.right
    verdict = audited({"coefficient": {"Days": {**F, "f": "6.77"}}})
    assert [(f.quantity, f.mistake) for f in verdict.findings if f.mistake] == [("f", "t-for-f")]


def test_limits_in_the_wrong_order_are_named_and_interchanged_ones_said_once():
    verdict = audited(planted((*DAYS_OF, "interval", "upper"), "3.729"))
    assert (
        "the lower limit of Days is printed as 7.206, above the upper limit 3.729; the upper limit "
        "is wrong"
    ) in " ".join(audit_answer(verdict))
    ends = {"level": 0.95, "lower": "13.729", "upper": "7.206"}
    verdict = audited(planted((*DAYS_OF, "interval"), ends))
    assert verdict.contradictions == ()
    assert "the limits are interchanged" in " ".join(audit_answer(verdict))


def test_a_p_that_no_df_give_is_too_small():
    found = {"coefficient": {"Days": {"statistic": "2.15", "p": "0.011"}}}
    (sentence,) = said(audited(found))
    assert "printed as 0.011, less than t = 2.15 has by any df: 0.0312 at least" in sentence


def test_the_p_of_a_likelihood_ratio_is_that_of_its_chi_square():
    small = "Reaction ~ Days + (1 | Subject)"
    right = {"statistic": "42.8", "df": "2", "p": "<.0001"}
    assert audited({"comparison": {small: right}}).contradictions == ()
    verdict = audited({"comparison": {small: {**right, "p": "0.04"}}})
    (sentence,) = said(verdict)
    assert "while chi-square 42.8 on 2 df gives" in sentence
    assert sentence.endswith("the p of the likelihood ratio is wrong.")


def test_bic_is_held_against_aic_where_there_is_no_likelihood():
    verdict = audited({"log_likelihood": {"aic": "1755.63", "bic": "1774.79"}})
    assert verdict.contradictions == ()
    verdict = audited({"log_likelihood": {"aic": "1755.63", "bic": "1784.79"}})
    assert [one.relation for one in verdict.contradictions] == ["bic-aic"]


def test_a_profile_is_not_symmetric_and_contradicts_nothing():
    # confint(lmer(...)): 7.358653 to 13.575919, and 0.01438 wide of the estimate's middle or not.
    days = {**DAYS, "interval": {"level": 0.95, "lower": "7.359", "upper": "13.576"}}
    days |= {"se": "1.746", "statistic": "5.995", "p": "1.45e-05"}
    verdict = audited({"coefficient": {"Days": days}})
    assert verdict.contradictions == ()


def test_numbers_that_are_next_to_right_may_not_go_together():
    # t is 6.7715: within what optimizers leave, and not the quotient of the numbers beside it.
    verdict = audited(planted((*DAYS_OF, "statistic"), "6.774"))
    assert not verdict.right
    first, sentence, *_ = audit_answer(verdict)
    assert first == "Not quite: the 16 printed numbers are right one by one, and not together."
    assert sentence.endswith("is between 6.768 and 6.773; the t is off in the last digits.")


def test_a_number_is_told_of_once():
    verdict = audited(planted((*DAYS_OF, "statistic"), "4.771"))
    # t is neither the quotient nor that of p.
    assert [one.relation for one in verdict.contradictions] == ["t", "p"]
    assert len(said(verdict)) == 1


def relations(text, source):
    """What a listing contradicts by its labels alone, whatever is right."""
    found = read_listing(text) if isinstance(text, str) else listing_of(text)
    (own, *_) = matched(found, source.rung, source.levels)
    return [one.relation for one in contradictions(found, own, [(6, 180), (4, 18)])]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rule", ["satterthwaite", "none"])
def test_right_listings_of_two_to_six_digits_are_never_accused(name, rule):
    source = maker(name)
    for level in (0.9, 0.95):
        found = numbers(source, rule=rule, level=level)
        for digits in range(2, 7):
            for pairs in ("correlation", "covariance"):
                text = listing(found, digits, level=level, pairs=pairs)
                # Residual df are those of no row of these models.
                assert set(relations(text, source)) <= {"residual df", "df"}, (digits, text)


@pytest.mark.parametrize("p", ["<0.001", "< .0001", "0.000", "<.05", "3e-06", "0.00000326"])
def test_a_p_that_is_cut_short_is_not_accused(p):
    assert audited(planted((*DAYS_OF, "p"), p)).contradictions == ()


@pytest.mark.parametrize("path", [("rows",), (*DAYS_OF, "df"), (*DAYS_OF, "se")])
def test_a_listing_with_less_in_it_is_not_accused(path):
    assert audited(planted(path, None)).contradictions == ()


def test_an_interval_by_the_normal_distribution_beside_df_is_not_accused():
    half = 1.959964 * 1.545790
    ends = {"lower": f"{10.46729 - half:.3f}", "upper": f"{10.46729 + half:.3f}"}
    verdict = audited(planted((*DAYS_OF, "interval"), {"level": 0.95, **ends}))
    assert verdict.right
    assert verdict.contradictions == ()


def test_limits_that_are_back_transformed_are_held_against_the_estimate():
    ends = {"lower": f"{100 * math.exp(7.206):.1f}", "upper": f"{100 * math.exp(13.729):.0f}"}
    interval = {"level": 0.95, "scale": "100 * exp", **ends}
    days = {"estimate": "10.467", "se": "1.546", "interval": interval}
    assert relations({"coefficient": {"Days": days}}, maker("sleepstudy")) == []
    days["interval"] = {**interval, "upper": f"{100 * math.exp(12.729):.0f}"}
    assert relations({"coefficient": {"Days": days}}, maker("sleepstudy")) == ["middle"]
