"""Taking lmerTest::lmer apart saves time and changes no bit of any number."""

from __future__ import annotations

import numpy as np
import pytest

from harness.data.ladder import full_ladder
from harness.data.recipes.shapes import build
from harness.data.recipes.strategies import collect
from harness.data.rungs import select
from harness.engines.lme4 import r_columns
from harness.rbridge.failures import RError
from harness.spelling.lme4_spelling import lme4_formula

pytestmark = pytest.mark.r

RUNGS = (
    "sleepstudy/slope/REML",
    "sleepstudy/uncorrelated/ML",
    "dyestuff2/REML",
    "pastes/REML",
    "penicillin/ML",
    "cake/REML",
)


def request(case, setting, in_parts):
    return {
        "columns": r_columns(case.table),
        "formula": lme4_formula(case.model, case.table.alias),
        "criterion": case.model.criterion,
        "setting": setting,
        "checksum": case.table.checksum(),
        "in_parts": in_parts,
    }


def compare(r, case, setting):
    replies = []
    for in_parts in (True, False):
        try:
            replies.append(r.call("fit_lmer", request(case, setting, in_parts)))
        except RError as error:
            replies.append(str(error))
    parts, whole = replies
    if isinstance(whole, str) or isinstance(parts, str):
        assert parts == whole, case.id
        return
    assert set(parts) == set(whole)
    for name in set(whole) - {"seconds", "in_parts"}:
        where = f"{case.id} {setting} {name}"
        if isinstance(whole[name], tuple):
            assert parts[name] == whole[name], where
        else:
            np.testing.assert_array_equal(parts[name], whole[name], err_msg=where)
    # lmerTest::lmer reads the formula twice and says some things twice.
    assert {c.text for c in parts.conditions} == {c.text for c in whole.conditions}, case.id


def test_the_installed_packages_are_taken_apart(r):
    asked = request(_rungs(RUNGS[:1])[0], "default", True)
    del asked["in_parts"]
    assert r.call("fit_lmer", asked).numbers("in_parts").tolist() == [True]


def _rungs(names):
    return [rung.case for rung in select(full_ladder(), names)]


@pytest.mark.parametrize("setting", ["default", "tight"])
@pytest.mark.parametrize("case", _rungs(RUNGS), ids=lambda case: case.id)
def test_rungs_of_the_ladder_are_the_same_to_the_last_bit(r, case, setting):
    compare(r, case, setting)


@pytest.mark.slow
def test_generated_cases_are_the_same_to_the_last_bit(r):
    cases = [build(recipe).case for recipe in collect(4, 9)]
    assert len(cases) == 4
    for case in cases:
        for setting in ("default", "tight"):
            compare(r, case, setting)


@pytest.mark.study
def test_two_hundred_generated_cases_are_the_same_to_the_last_bit(r):
    for recipe in collect(200, 1122):
        case = build(recipe).case
        for setting in ("default", "tight"):
            compare(r, case, setting)
