"""Ends of printed intervals: at bounds, interchanged, both by one definition; interchanged rows."""

import numpy as np
import pandas as pd
import pytest

import harness
from harness.data.datasets import load_dataset
from harness.judge.listing import PrintedInterval, printed
from harness.judge.printed_intervals import both_ends
from tests.judge.printed_listings import judged, listing, maker, numbers, shown

BATCH = "Yield ~ 1 + (1 | Batch)"


def ends(lower, upper, chosen, others=()):
    interval = PrintedInterval(0.95, printed(lower, "x"), printed(upper, "x"))
    return list(both_ends("", "x", interval, chosen, others, 1e-3))


def test_interchanged_ends_are_named_with_what_is_right():
    low, high = ends("2.50", "1.25", {"z": (1.251, 2.499)})
    assert (low.text, low.mistake, low.right) == ("2.50", "ends", 1.251)
    assert (high.text, high.mistake, high.right) == ("1.25", "ends", 2.499)


def test_of_ends_in_the_wrong_order_only_the_wrong_one_is_accused():
    low, high = ends("8.25", "2.50", {"z": (1.251, 2.499)})
    assert (low.truth, high.truth) == ("false", "true")


def test_both_ends_are_by_one_definition():
    chosen = {"z": (1.25, 2.50), "t": (1.21, 2.54)}
    assert [f.definitions for f in ends("1.21", "2.54", chosen)] == [("t",), ("t",)]
    # An end by each: one of them is wrong.
    low, high = ends("1.25", "2.54", chosen)
    assert (low.definitions, high.truth, high.right) == (("z",), "false", 2.50)


def test_an_interval_without_an_end_is_not_right_whatever_is_printed():
    _, high = ends("1.21", "999", {"profile": (1.21, np.inf)})
    assert high.truth == "false"


def test_another_level_is_of_both_ends():
    low, high = ends("1.30", "2.45", {"t": (1.21, 2.54)}, [("level 0.9", (1.30, 2.45))])
    assert (low.mistake, high.mistake) == ("level 0.9", "level 0.9")
    low, high = ends("1.21", "2.41", {"t": (1.21, 2.54)}, [("level 0.9", (1.30, 2.41))])
    assert (low.truth, high.truth, high.mistake) == ("true", "false", "")


def printed_spreads(table, unit, digits):
    lines = [f'criterion = "{table.criterion}"', "[variance]"]
    for name, row in table.table[table.table.quantity == unit].iterrows():
        low, high = (shown(row[end], digits) for end in ("low", "high"))
        own = f'{unit} = "{shown(row.estimate, digits)}"'
        label = "residual" if "residual" in name else "Batch"
        lines.append(f'{label} = {{ {own}, interval = {{ lower = "{low}", upper = "{high}" }} }}')
    return "\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Dyestuff", "Dyestuff2"])
@pytest.mark.parametrize("unit", ["sd", "variance"])
@pytest.mark.parametrize("ml", [True, False])
@pytest.mark.parametrize("level", [0.95, 0.999])
def test_a_limit_at_the_bound_is_right_as_0_and_never_negative(name, unit, ml, level):
    frame = load_dataset(name).frame
    table = harness.intervals(BATCH, frame, ml=ml, level=level)
    assert (table.table.low == 0.0).any() or (name, level) == ("Dyestuff", 0.95)
    text = printed_spreads(table, unit, 5).replace("lower =", f"level = {level}, lower =")
    verdict = judged(text, maker(name, BATCH))
    assert verdict.right, verdict.findings
    assert all(f.right >= 0.0 for f in verdict.findings)
    for one in verdict.findings:
        if one.quantity.endswith("lower") and one.text == "0":
            assert {d.partition(" ")[0] for d in one.definitions} == {"profile"}


@pytest.mark.slow
@pytest.mark.parametrize("zero", ["0", "0.0", "0.0000"])
def test_a_limit_of_0_that_no_definition_gives_has_a_right_value_that_is_possible(zero):
    """Symmetric in the variance the lower limit is below 0: no printed 0 is that."""
    interval = f'{{ lower = "{zero}", upper = "93.0" }}'
    text = f'criterion = "REML"\n[variance]\nBatch = {{ sd = "42.0", interval = {interval} }}'
    verdict = judged(text, maker("Dyestuff", BATCH))
    (lower,) = (f for f in verdict.findings if f.quantity == "sd lower")
    assert lower.truth == "false"
    assert lower.right > 1.0


@pytest.mark.slow
def test_limits_of_a_correlation_at_its_bound_are_right_as_1():
    rng = np.random.default_rng(8)
    group = np.repeat(np.arange(12), 5)
    x = np.tile(np.arange(5.0), 12)
    both = rng.normal(size=12)
    y = 1 + x + (3 * both)[group] + (1.2 * both)[group] * x + rng.normal(size=60)
    frame = pd.DataFrame({"y": y, "x": x, "g": group.astype(str)})
    formula = "y ~ x + (x | g)"
    table = harness.intervals(formula, frame, ml=True).table
    row = table[table.quantity == "correlation"].iloc[0]
    assert row.high == 1.0
    text = (
        f'criterion = "ML"\n[correlation]\ng = {{ value = "{row.estimate:.4f}", interval = '
        f'{{ lower = "{row.low:.4f}", upper = "1.0000" }} }}'
    )
    verdict = harness.audit(frame, formula, text).verdict
    assert verdict.right, verdict.findings


@pytest.mark.slow
@pytest.mark.parametrize("digits", [3, 5])
def test_two_rows_that_are_interchanged_are_named(digits):
    own = numbers(maker("RatPupWeight"))
    pair = ("Treatment High", "Treatment Low")
    texts = {
        (label, key): shown(value, digits)
        for label, other in (pair, pair[::-1])
        for key, value in own["coefficient"][other].items()
    }
    verdict = judged(listing(own, digits, texts=texts), maker("RatPupWeight"))
    wrong = [f for f in verdict.findings if f.truth in ("false", "mistake")]
    assert {(f.item, f.mistake) for f in wrong} == {(a, f"row {b}") for a, b in (pair, pair[::-1])}
    assert {f.quantity for f in wrong} >= {"estimate", "se", "statistic", "lower", "upper"}


@pytest.mark.slow
def test_two_variances_that_are_interchanged_are_named():
    own = numbers(maker("Pastes"))
    pair = ("batch Intercept", "residual")
    values = {"batch Intercept": own["spread"]["batch Intercept"], "residual": own["residual"]}
    texts = {(a, "variance"): shown(values[b], 4) for a, b in (pair, pair[::-1])}
    verdict = judged(listing(own, 4, texts=texts), maker("Pastes"))
    named = {
        (f.item, f.mistake) for f in verdict.findings if f.quantity == "variance" and f.mistake
    }
    assert named == {(a, f"row {b}") for a, b in (pair, pair[::-1])}
