"""Anonymised cases: other names, labels, units and origins, and the same model."""

import random
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from harness.campaign.serial import Plan, run
from harness.data.anonymisation import STRENGTHS, anonymisations, anonymise, rename_columns
from harness.data.datasets import Dataset
from harness.data.ladder import full_ladder
from harness.data.rungs import Rung, select
from harness.engines.lme4 import Lme4Engine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.model.table import FactorColumn, NumericColumn
from harness.page.bundle.bundle_folder import anonymised
from harness.spelling.lme4_spelling import lme4_formula


def rung_of(formula, frame, levels=None):
    model = parse_model(formula)
    case = Case("secret.csv", model, bind(model, frame, levels=levels))
    focus = case.design.x_names[-1]
    return Rung(case, "Secret", "Hospital", focus, Dataset("secret.csv", frame, "home"), (), ("n",))


def frame_of(n=48):
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "weight": rng.normal(70, 9, n),
            "age": rng.integers(20, 70, n).astype(float),
            "dose": rng.uniform(1, 3, n),
            "sex": rng.choice(["m", "f"], n),
            "ward": np.repeat(["west", "east", "north", "south", "top", "ground"], n // 6),
            "t": np.tile([10.0, 2.0, 1.0, 7.0], n // 4),
        }
    )


FORMULA = "weight ~ age*sex + log(dose) + t + (age | ward) + (1 | ward:t)"


def hidden_of(formula=FORMULA, strength=STRENGTHS[0], frame=None, levels=None, seed=1, **options):
    rung = rung_of(formula, frame_of() if frame is None else frame, levels)
    return rung, anonymise(rung, strength, random.Random(seed), **options)


def test_no_name_or_label_is_left_anywhere():
    rung, hidden = hidden_of()
    assert lme4_formula(hidden.rung.case.model) == (
        "y ~ x1 * f1 + log(x2) + x3 + (x1 | g1) + (1 | g1:x3)"
    )
    # Fields called weights are parts of a model and of a design, not the column of that name.
    shown = repr((hidden.rung, hidden.rung.case.table.frame())).replace("weights=None", "")
    for word in [*rung.case.table.names, "west", "Secret", "secret", "Hospital", "home"]:
        if word != "t":
            assert word not in shown
    assert hidden.rung.notes == hidden.rung.printed == ()
    assert hidden.rung.focus == hidden.rung.case.design.x_names[-1]
    assert hidden.key.columns["ward"] == "g1"
    assert hidden.key.labels["ward"]["east"] == "g1_01"


def test_levels_keep_their_order_and_reference():
    levels = {"sex": ("m", "f"), "ward": ("top", "west", "south", "north", "ground", "east")}
    rung, hidden = hidden_of(levels=levels)
    for old, new in zip(rung.case.table.columns, hidden.rung.case.table.columns, strict=True):
        if isinstance(old, FactorColumn):
            assert list(new.codes) == list(old.codes)
            # Sorted as text they come in the same order, also where no script names the levels.
            assert list(new.levels) == sorted(new.levels)
            assert list(hidden.key.labels[old.name]) == list(old.levels)


def test_values_come_back_by_the_key():
    rung, hidden = hidden_of()
    renamed = dict(zip(rung.case.table.names, hidden.rung.case.table.columns, strict=True))
    assert set(hidden.key.values) == {"weight", "age", "t", "dose"}
    # Inside log() another origin would be another model.
    assert hidden.key.values["dose"].shift == 0.0
    for name, change in hidden.key.values.items():
        if name == "dose":
            continue
        old = rung.case.table[name].values
        assert np.log2(change.scale) == round(np.log2(change.scale)) != 0
        assert change.shift != 0.0
        back = (renamed[name].values - change.shift) / change.scale
        np.testing.assert_allclose(back, old, rtol=1e-14)
        assert np.array_equal(back, old) == change.exact
    assert hidden.key.values["age"].exact


@pytest.mark.parametrize(
    ("formula", "scaled"),
    [
        ("weight ~ log(dose) + (log(dose) | ward)", {"weight", "dose"}),
        ("weight ~ 0 + log(dose) + (1 | ward)", {"weight"}),
        ("weight ~ sex:log(dose) + (1 | ward)", {"weight"}),
        ("weight ~ sex * log(dose) + (1 | ward)", {"weight", "dose"}),
        ("weight ~ dose + I(dose^2) + (1 | ward)", {"weight", "dose"}),
        ("weight ~ I(dose * age) + sqrt(dose) + (1 | ward)", {"weight", "dose", "age"}),
        ("weight ~ I(dose + age) + exp(t) + (1 | ward)", {"weight"}),
        ("weight ~ log1p(dose) + I(2^dose) + (1 | ward)", {"weight"}),
        ("log(weight) ~ age + (1 | ward)", {"weight", "age"}),
        ("log(weight) ~ 0 + age + (1 | ward)", {"age"}),
        ("I(weight / age) ~ dose + (1 | ward)", {"weight", "age", "dose"}),
    ],
)
def test_units_change_only_where_the_model_stays_the_same(formula, scaled):
    _, hidden = hidden_of(formula, strength=STRENGTHS[1])
    assert set(hidden.key.values) == scaled
    case, before = hidden.rung.case, rung_of(formula, frame_of()).case
    both = np.column_stack([before.design.x, case.design.x])
    assert np.linalg.matrix_rank(both) == np.linalg.matrix_rank(before.design.x)
    outcome = np.column_stack([before.design.x, before.design.y, case.design.y])
    assert np.linalg.matrix_rank(outcome) == np.linalg.matrix_rank(before.design.x) + 1


@pytest.mark.parametrize(
    ("formula", "moved"),
    [
        ("weight ~ age + (age | ward)", {"weight", "age"}),
        ("weight ~ age + (age || ward)", {"weight"}),
        ("weight ~ age + (0 + age | ward)", {"weight"}),
        ("weight ~ 0 + sex + age + (1 | ward)", set()),
        ("weight ~ sex:age + (1 | ward)", {"weight"}),
        ("weight ~ sex + age:sex + t + (1 | ward)", {"weight", "age", "t"}),
        ("log(weight) ~ age + (1 | ward)", {"age"}),
    ],
)
def test_origins_move_only_where_the_model_stays_the_same(formula, moved):
    _, hidden = hidden_of(formula)
    assert {n for n, change in hidden.key.values.items() if change.shift != 0.0} == moved
    case, before = hidden.rung.case, rung_of(formula, frame_of()).case
    # The space of the fixed effects is the same but for the scale of its columns.
    both = np.column_stack([before.design.x, case.design.x])
    assert np.linalg.matrix_rank(both) == np.linalg.matrix_rank(before.design.x)


def test_missing_values_and_unused_levels_stay():
    frame = frame_of()
    frame.loc[3, "age"] = np.nan
    frame.loc[5, "ward"] = None
    levels = {"ward": ("nowhere", *sorted(set(frame_of()["ward"])))}
    rung, hidden = hidden_of(frame=frame, levels=levels)
    for old, new in zip(rung.case.table.columns, hidden.rung.case.table.columns, strict=True):
        assert list(old.missing) == list(new.missing)
    assert len(hidden.rung.case.table["g1"].levels) == 7
    assert len(hidden.rung.case.design.y) == 46


def test_rows_move_only_when_asked():
    rung, hidden = hidden_of(strength=STRENGTHS[-1])
    assert hidden.key.rows == ()
    assert np.array_equal(hidden.rung.case.design.y, rung.case.design.y)
    _, shuffled = hidden_of(strength=STRENGTHS[-1], shuffle=True)
    order = list(shuffled.key.rows)
    assert sorted(order) == list(range(48)) != order
    assert np.array_equal(shuffled.rung.case.design.y, rung.case.design.y[order])


def test_what_is_drawn_depends_on_the_seed_only():
    rung = rung_of(FORMULA, frame_of())
    keys = [[hidden.key for hidden in anonymisations(rung, seed=7)] for _ in range(2)]
    assert keys[0] == keys[1]
    assert [key.strength for key in keys[0]] == list(STRENGTHS)
    # Without a seed two runs differ, so that the change of units cannot be guessed from the code.
    drawn = {repr(next(anonymisations(rung)).key.values) for _ in range(8)}
    assert len(drawn) > 1


def test_renaming_keeps_the_shape_of_a_formula():
    model = parse_model("log(a b) ~ 0 + x".replace("a b", "`a b`") + "*I(z^2) - z + (x || g/h)")
    names = {"a b": "y", "x": "x1", "z": "x2", "g": "g1", "h": "g2"}
    assert lme4_formula(rename_columns(model, names)) == (
        "log(y) ~ 0 + x1 * I(x2^2) - x2 + (x1 || g1/g2)"
    )


@pytest.mark.slow
def test_all_rungs_can_be_anonymised():
    for rung in full_ladder():
        for hidden in anonymisations(rung, seed=1):
            before, after = rung.case.design, hidden.rung.case.design
            assert after.x.shape == before.x.shape
            assert [t.codes.tolist() for t in after.random] == [
                t.codes.tolist() for t in before.random
            ]
            numeric = [c for c in hidden.rung.case.table.columns if isinstance(c, NumericColumn)]
            assert all(np.isfinite(c.values[~c.missing]).all() for c in numeric)


@pytest.mark.r
@pytest.mark.study
def test_the_ladder_keeps_its_verdicts(r):
    rungs = select(full_ladder(), ("tutorial", "sleepstudy", "dyestuff", "dyestuff2", "pastes"))
    plan = Plan("x", rungs, (StatsmodelsEngine(), Lme4Engine(r)))
    for rung, record in zip(rungs, run(plan), strict=True):
        _, again, key = anonymised(rung, record, replace(plan, rungs=(rung,)), seed=1)
        assert key.strength in STRENGTHS
        assert [c.verdict for c in again.comparisons] == [c.verdict for c in record.comparisons]


def test_weights_offset_and_the_reference_of_a_factor_are_hidden_and_stay_what_they_are():
    frame = pd.DataFrame(
        {
            "score": np.arange(12.0) ** 1.5,
            "west": list("pqr") * 4,
            "ward": np.repeat(list("abcd"), 3),
            "size": np.arange(1.0, 13.0),
            "known": np.arange(12.0) % 5,
        }
    )
    formula = "score ~ relevel(west, ref = 'q') + (1 | ward) + offset(known) + weights(size)"
    for strength in STRENGTHS:
        rung, hidden = hidden_of(formula, strength, frame)
        assert lme4_formula(hidden.rung.case.model) == (
            'y ~ relevel(factor(f1), ref = "f1_02") + (1 | g1) + offset(x1) + weights(x2)'
        )
        before, after = rung.case.design, hidden.rung.case.design
        assert np.array_equal(after.x, before.x)
        assert np.array_equal(after.weights, before.weights)
        assert np.array_equal(after.offset, before.offset)
