"""The rule of df is told from listings as programs print them, whatever their arithmetic leaves."""

import math

import pandas as pd
import pytest

from harness.data.datasets import Dataset
from harness.judge.fixed_effect_tests import inference
from harness.judge.listing_source import ListingSource
from harness.page.audit_layout import audit_answer
from harness.referee.satterthwaite import two_sided_p
from tests.judge.printed_listings import judged, maker

pytestmark = pytest.mark.slow


def rules(found):
    """By label, the rules that are marked."""
    marked = {}
    for label, rule, _, fits in found.rules:
        marked.setdefault(label, set())
        if fits:
            marked[label].add(rule)
    return marked


def test_df_that_a_program_differences_numerically_have_their_rule():
    source = maker("RatPupWeight")
    table = inference(source.formula, source.dataset.frame, df="satterthwaite").table
    # As lmerTest prints them, four decimals of which the last ones are left by its differences.
    rows = [
        f'[coefficient."{label}"]\ndf = "{row.df * (1 + 2e-5):.4f}"\np = "{row.p:.4g}"'
        for label, row in table.iterrows()
    ]
    found = judged("\n".join(rows), source)
    assert found.right
    assert all("satterthwaite" in fitting for fitting in rules(found).values())
    assert all("residual" not in fitting for fitting in rules(found).values())


def test_a_rule_goes_with_nlmes_standard_errors_under_ml():
    source = maker("RatPupWeight")
    frame = source.dataset.frame
    table = inference(source.formula, frame, ml=True, df="containment-levels").table
    n, lines = len(frame), ['criterion = "ML"']
    for label, row in table.iterrows():
        se = row.se * (n / (n - len(table))) ** 0.5
        p = two_sided_p(row.estimate / se, row.df)
        lines.append(
            f'[coefficient."{label}"]\nse = "{se:.8f}"\ndf = "{row.df:.0f}"\np = "{p:.4g}"'
        )
    found = judged("\n".join(lines), source)
    assert found.right
    assert all("containment-levels" in fitting for fitting in rules(found).values())


def rows(table, **printed):
    """A listing of tests; ``printed`` is by quantity and label in place of what is right."""
    lines = []
    for label, row in table.iterrows():
        shown = {
            "estimate": f"{row.estimate:.5g}",
            "se": f"{row.se:.5g}",
            "df": f"{row.df:.2f}",
            "statistic": f"{row.t:.5g}",
            "p": f"{row.p:.4g}",
        }
        shown |= {quantity: of[label] for quantity, of in printed.items() if label in of}
        lines.append(f'[coefficient."{label}"]')
        lines += [f'{quantity} = "{text}"' for quantity, text in shown.items()]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def rats():
    source = maker("RatPupWeight")
    return source, inference(source.formula, source.dataset.frame).table


def wrong(found):
    return [
        (f.quantity, f.item, f.mistake) for f in found.findings if f.mistake or f.truth == "false"
    ]


@pytest.mark.parametrize("rule", ["satterthwaite", "kenward-roger"])
def test_a_p_by_z_beside_df_is_named(rule):
    source = maker("RatPupWeight")
    table = inference(source.formula, source.dataset.frame, df=rule).table
    z = two_sided_p(table.t["Lsize"], math.inf)
    found = judged(rows(table, p={"Lsize": f"{z:.4g}"}), source)
    assert wrong(found) == [("p", "Lsize", "z-for-t")]
    assert "it is by the normal distribution, not by t with the printed df" in " ".join(
        audit_answer(found)
    )


def test_a_wrong_digit_of_df_is_corrected_by_the_rule_of_the_rest(rats):
    source, table = rats
    label, right = "sex[T.Male]", table.df["sex[T.Male]"]
    # The rule of residuals is nearer to what is printed.
    found = judged(rows(table, df={label: "318.5"}), source)
    assert wrong(found) == [("df", label, "")]
    (one,) = (f for f in found.findings if f.mistake or f.truth == "false")
    assert one.right == pytest.approx(right, rel=1e-6)


@pytest.mark.parametrize("interval", ["", "none"])
def test_df_of_another_rule_in_one_row_are_named(rats, interval):
    source, table = rats
    text = rows(table, df={"Lsize": "316"})
    if interval:  # confint's Wald intervals are by z, beside t tests
        row = table.loc["Lsize"]
        ends = [row.estimate + sign * 1.959964 * row.se for sign in (-1, 1)]
        text += f'\ninterval = {{ lower = "{ends[0]:.5f}", upper = "{ends[1]:.5f}" }}'
    found = judged(text, source)
    assert wrong(found) == [("df", "Lsize", "rule residual")]
    assert "right is 31.67." in " ".join(audit_answer(found))


def test_rows_of_two_rules_are_told(rats):
    source, table = rats
    # p of the intercept is below what its digits show by either rule.
    text = rows(table, df={"Intercept": "316"}, p=dict.fromkeys(table.index, "<.9"))
    found = judged(text, source)
    assert found.right
    assert (
        "No one rule of df fits all coefficients: satterthwaite fits all but Intercept."
        in " ".join(audit_answer(found))
    )


def test_a_standard_error_by_n_is_a_mistake_and_its_t_too(rats):
    source, table = rats
    n, share = len(source.dataset.frame), math.sqrt(1 - len(table) / len(source.dataset.frame))
    assert n > len(table)
    errors = {label: f"{row.se * share:.5g}" for label, row in table.iterrows()}
    ratios = {label: f"{row.t / share:.5g}" for label, row in table.iterrows()}
    found = judged(rows(table, se=errors, statistic=ratios), source)
    of_n = [(q, item) for q, item, mistake in wrong(found) if mistake == "by-n"]
    assert of_n == [(q, item) for item in table.index for q in ("se", "statistic")]
    assert wrong(found) == [(q, item, "by-n") for q, item in of_n]


def test_no_test_is_made_of_a_robust_error_of_zero():
    """Of a contrast that is the same in every group the sandwich is zero."""
    groups, kinds = 4, ("a", "b", "c")
    noise = (0.0, 1.0, -2.0, 0.5)
    frame = pd.DataFrame(
        {
            "y": [2.0 * g + 0.5 * k + (k == 2) * noise[g] for g in range(groups) for k in range(3)],
            "f": [kind for _ in range(groups) for kind in kinds],
            "g": [f"g{g}" for g in range(groups) for _ in kinds],
        }
    )
    source = ListingSource(Dataset("equal", frame, "made"), "y ~ f + (1 | g)")
    found = judged('[coefficient."f b"]\nse = "0.123"\nstatistic = "9.9"\np = "0.77"', source)
    assert [q for q, *_ in wrong(found)] == ["se", "statistic", "p"]
