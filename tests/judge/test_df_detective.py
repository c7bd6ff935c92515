"""The rule of df is told from listings as programs print them, whatever their arithmetic leaves."""

import pytest

from harness.judge.fixed_effect_tests import inference
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
