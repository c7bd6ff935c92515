"""F tests that an engine states are judged where it says by which rule they are."""

import msgspec
import numpy as np
import pandas as pd
import pytest

from harness.conformance.fit_memory import Remembered
from harness.conformance.properties import PROPERTIES
from harness.engines import environments
from harness.engines.command_engine import CommandEngine
from harness.engines.engine import TermTest
from harness.engines.referee_engine import RefereeEngine
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.referee.deviance import Likelihood
from harness.referee.f_tests import fixed_terms, satterthwaite_f, type3_hypotheses
from harness.referee.optimum import find_optimum

PROPERTY = PROPERTIES["honesty.f-tests"]


@pytest.fixture(scope="module")
def case():
    """A factor by a number, levels in an order of their own, a name that R has to quote."""
    draw = np.random.default_rng(11)
    n = 72
    ward, arm = np.repeat(np.arange(9), 8), np.tile(list("cabd"), 18)
    dose = draw.normal(size=n)
    outcome = draw.normal(size=9)[ward] + dose + 0.5 * (arm == "b") + draw.normal(size=n)
    frame = pd.DataFrame({"y": outcome, "my dose": dose, "arm": arm, "ward": ward})
    model = parse_model("y ~ `my dose` * arm + (1 | ward)", "REML")
    return Case("f", model, bind(model, frame, levels={"arm": tuple("dcab")}))


class StatesTests(RefereeEngine):
    """The referee's fit, with F tests changed by ``change``."""

    name = "states"

    def __init__(self, change=lambda test: test, rule="type3-satterthwaite"):
        self.change, self.rule = change, rule

    def fit(self, case, setting):
        fit = super().fit(case, setting)
        point = find_optimum(Likelihood(case.design, reml=True)).point
        found = type3_hypotheses(fixed_terms(case.model, case.table), case.design.x)
        tests = {term: satterthwaite_f(point, rows) for term, rows in found.items()}
        stated = (
            TermTest(term, t.statistic, float(t.df_num), t.df_den, t.p) for term, t in tests.items()
        )
        return msgspec.structs.replace(
            fit,
            engine=self.name,
            term_tests=tuple(map(self.change, stated)),
            definitions=fit.definitions | {"term_tests": self.rule},
        )


def asked(engine, case):
    outcome = PROPERTY.check(Remembered(engine), case)
    return outcome.status, outcome.sentence


def test_right_f_tests_hold(case):
    assert asked(StatesTests(), case)[0] == "holds"


CHANGES = {
    "statistic": (lambda t: msgspec.structs.replace(t, statistic=1.1 * t.statistic), "F of"),
    "df_den": (lambda t: msgspec.structs.replace(t, df_den=1.1 * t.df_den), "denominator df of"),
    "df_num": (lambda t: msgspec.structs.replace(t, df_num=t.df_num + 1.0), "numerator df of"),
    "p": (lambda t: msgspec.structs.replace(t, p=0.5 * t.p), "p of"),
    "term": (lambda t: msgspec.structs.replace(t, term="arm_c"), "tests a term 'arm_c'"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_planted_mistake_is_found_and_said(what, case):
    change, words = CHANGES[what]
    status, sentence = asked(StatesTests(change), case)
    assert status in ("fails", "unexplained")
    assert words in sentence


def test_a_rule_that_is_not_stated_is_not_judged(case):
    wrong = CHANGES["statistic"][0]
    status, sentence = asked(StatesTests(wrong, "not stated"), case)
    assert status == "not applicable"
    assert "does not say by which rule" in sentence


@pytest.mark.r
@pytest.mark.slow
@pytest.mark.parametrize("name", ["lmertest", "nlme"])
def test_programs_in_r_state_theirs_under_the_users_names(name, case):
    if not environments.installed(name):
        pytest.skip(f"{name} is not installed here")
    with CommandEngine(name, environments.command(name)) as engine:
        fit = engine.fit(case, "default")
        assert [t.term for t in fit.term_tests] == ["my dose", "arm", "my dose:arm"]
        status, sentence = asked(engine, case)
    assert (status, sentence) == (
        ("holds", "") if name == "lmertest" else ("not applicable", sentence)
    )
