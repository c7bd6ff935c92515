"""An audit's page says of every number what it is, and of a wrong one what it is instead."""

import msgspec
import pytest

from harness.judge.listing_consistency import Contradiction, Number
from harness.judge.listing_verdict import ListingVerdict
from harness.judge.number_verdict import Finding
from harness.page.audit_layout import audit_answer, audit_page, printed_numbers, words_used
from harness.page.terminal_page import print_page
from harness.referee.definitions import of_quantity

MISTAKES = {
    "sd-for-variance": "it is the standard deviation",
    "variance-for-sd": "it is the square",
    "other-criterion": "it is that of ML",
    "one-sided": "it is the one-sided p",
    "sign": "it has the other sign",
    "level 0.9": "it is that of the 90 % interval",
    "ratio-of-variances": "it is the ratio of the variances",
    "stratum 10": "it is that of the residuals at 10",
    "distance 2": "it is that at a distance of 2",
    "": "",
}


def verdict(*findings, **named):
    rest = {
        "program": "SAS",
        "formula": "y ~ x + (1 | g)",
        "criterion": "REML",
        "stated_criterion": "REML",
        "rows": 20,
        "stated_rows": None,
        "at_optimum": None,
        "judged_at": "the optimum",
        "gap": 0.0,
        "best_loglik": -10.0,
        "references": (),
        "rules": (),
    }
    return ListingVerdict(findings=findings, **{**rest, **named})


def finding(mistake, truth="mistake"):
    return Finding(
        quantity="se",
        item="x",
        text="0.250",
        right=0.1234567,
        definitions=(),
        truth=truth if mistake else "false",
        mistake=mistake,
    )


@pytest.mark.parametrize(("mistake", "said"), MISTAKES.items())
def test_a_wrong_number_is_said_with_what_it_is(mistake, said, capsys):
    found = verdict(finding(mistake))
    (sentence,) = [s for s in audit_answer(found) if s.startswith("The standard error")]
    because = f": {said}" if said else ""
    assert sentence == f"The standard error of x is printed as 0.250{because}; right is 0.123."
    print_page(audit_page(found))
    out = capsys.readouterr().out
    assert "0.250" in out
    assert said in " ".join(out.split())


def test_what_is_wrong_of_the_whole_is_said():
    found = verdict(
        finding("", truth="false"),
        criterion="ML",
        at_optimum=False,
        gap=1.5,
        stated_rows=22,
        references=(("f", "b"),),
        mistakes=("other-criterion", "rows"),
    )
    text = " ".join(audit_answer(found))
    assert "The numbers are those of ML, not of REML as said." in text
    assert "the variances are 1.5 in log-likelihood below the best point" in text
    assert "The listing says 22 rows; the model has 20 complete rows in these data" in text
    assert "The listing has b as the reference level of f." in text


def said(found):
    return next(iter(audit_answer(found)))


def test_one_number_is_no_plural():
    assert said(verdict(finding(""))) == "No: it is wrong."
    right = msgspec.structs.replace(finding(""), truth="true")
    assert said(verdict(right)) == "Yes: it is right."
    rows = verdict(right, mistakes=("rows",), stated_rows=19)
    assert said(rows) == "Not quite: the printed number is right for this model and these rows."
    assert said(verdict(right, finding(""))) == "No: 1 of 2 printed numbers is wrong."


def every_word():
    """Return each definition of a standard error, of df and of intervals, as findings have it."""
    for quantity in ("se", "df"):
        for one in of_quantity(quantity):
            yield quantity, one.key
    yield from (("lower", made) for made in ("profile ML", "symmetric", "chi-square"))
    yield from (("lower", f"containment, SE {made}") for made in ("sandwich", "joint-hessian"))


@pytest.mark.parametrize(("quantity", "made"), list(every_word()))
def test_each_word_that_is_named_is_explained(quantity, made):
    one = msgspec.structs.replace(finding(""), quantity=quantity, definitions=(made,), truth="true")
    (facts,) = words_used(verdict(one))
    explained = {name.removeprefix("SE ").removeprefix("df "): line for name, line in facts.rows}
    for word in made.split(", SE "):
        assert explained[word]


def test_what_goes_without_saying_is_not_explained():
    assert list(words_used(verdict(finding("")))) == []


def test_the_reference_of_residual_ratios_and_an_interval_of_no_parameter_are_said():
    of = {"item": "b", "text": "1.0", "right": float("nan"), "definitions": ()}
    ends = Finding(quantity="variance lower", truth="not judged", **of)
    said = list(audit_answer(verdict(ends, finding(""), strata=(("sex", "m"),))))
    assert "Its residual standard deviation, and its ratios of them, are by sex m." in said
    (why,) = [line for line in said if "not judged" in line]
    assert why.startswith("The interval of the variance of b is not judged: intervals are")


def wrong_numbers(count):
    one = finding("", truth="false")
    return [msgspec.structs.replace(one, item=f"x{k}") for k in range(count)]


@pytest.mark.parametrize(("count", "named", "more"), [(5, 5, 0), (6, 4, 2), (20, 4, 16)])
def test_many_wrong_numbers_are_counted_and_not_all_said(count, named, more):
    sentences = list(audit_answer(verdict(*wrong_numbers(count))))
    assert sum(s.startswith("The standard error of x") for s in sentences) == named
    rest = [s for s in sentences if s.startswith("And ")]
    assert rest == ([f"And {more} more numbers are wrong, which the table has."] if more else [])
    # None is left out of the table.
    (table,) = printed_numbers(verdict(*wrong_numbers(count)))
    assert sum(len(group.rows) for group in table.groups) == count


@pytest.mark.parametrize(("count", "named", "more"), [(5, 5, 0), (6, 4, 2)])
def test_many_contradictions_are_counted_and_not_all_said(count, named, more):
    t, p = (Number(quantity=q, item="", text=x) for q, x in (("statistic", "2.1"), ("p", "0.5")))
    found = [
        Contradiction(
            relation="p",
            number=msgspec.structs.replace(p, item=f"x{k}"),
            beside=(t, Number(quantity="df", item=f"x{k}", text="20")),
            low=0.047,
            high=0.05,
        )
        for k in range(count)
    ]
    sentences = list(audit_answer(verdict(finding(""), contradictions=tuple(found))))
    assert sum("while t = 2.1 with 20 df gives" in s for s in sentences) == named
    rest = [s for s in sentences if "more contradictions" in s]
    assert rest == ([f"And {more} more contradictions like these."] if more else [])


def test_the_rules_of_df_say_where_they_are_from():
    one = msgspec.structs.replace(
        finding(""), quantity="df", definitions=("group-equations",), truth="true"
    )
    (facts,) = words_used(verdict(one))
    ((_, said_of_it),) = facts.rows
    assert said_of_it.endswith(
        "(HLM 5 and 6): Raudenbush and Bryk 2002, Hierarchical Linear Models, chapter 3; n - p: "
        "HLM 5 and 6"
    )
