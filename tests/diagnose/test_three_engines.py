"""A diagnosis of any number of engines: a row for each, compared with the reference by name."""

import pytest

from harness.base.errors import BadInput
from harness.diagnose.examples import example_rung
from harness.diagnose.pipeline import diagnose
from harness.diagnose.user_engines import opened

THREE = ("statsmodels", "lme4", "referee")


@pytest.fixture(scope="module")
def trap(ready):
    return diagnose(example_rung("lme4-column-trap"), ready(THREE), quick=True)


@pytest.mark.r
def test_three_engines_have_three_rows_and_lme4_is_the_reference(trap):
    default = [fit.engine for fit in trap.case.fits if fit.setting == "default"]
    assert sorted(default) == sorted(THREE)
    assert trap.engines == THREE
    assert trap.case.reference == "lme4"
    compared = [c.engine for c in trap.case.comparisons if c.setting == "default"]
    assert compared == ["statsmodels", "referee"]
    assert {c.reference for c in trap.case.comparisons} == {"lme4"}


@pytest.mark.r
def test_each_of_three_engines_has_its_own_sentence(trap):
    assert trap.agreement == "differ"
    first, each, *_ = trap.answer
    assert first.startswith("No: they disagree, and statsmodels and referee are right.")
    assert "lme4 is stuck at a false boundary" in first
    sentences = [trap.case.judgement(engine).sentence for engine in THREE]
    assert len(set(sentences)) == 3
    assert each == " ".join(sentences)


@pytest.mark.r
def test_a_cause_is_of_the_engine_at_fault_only(trap):
    (main,) = (cause for cause in trap.causes if cause.main)
    assert main.engines == ("lme4",)


@pytest.mark.slow
def test_an_engine_is_named_by_module_and_attribute_too():
    other = "harness.engines.referee_engine:RefereeEngine"
    with opened(["statsmodels", other]) as ready:
        assert ready.engines == ("statsmodels", "referee")
        found = diagnose(example_rung("true-boundary"), ready, quick=True)
    assert found.case.reference == "referee"
    assert len(found.case.fits) == 4


def test_two_engines_of_one_name_are_refused():
    both = ["statsmodels", "harness.engines.statsmodels:StatsmodelsEngine"]
    with pytest.raises(BadInput, match="call themselves the same"), opened(both):
        pass
