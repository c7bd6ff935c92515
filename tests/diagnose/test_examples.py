"""Each documented example is diagnosed with its cause, and a remedy that was run helps."""

import pytest

from harness.diagnose.causes import load_causes
from harness.diagnose.examples import example_rung, load_examples
from harness.verdicts.known import load_known

pytestmark = pytest.mark.r

FAST = ("lme4-column-trap", "missing-values", "true-boundary", "lmertest-units", "aliased-columns")

EXAMPLES = [
    pytest.param(name, marks=() if name in FAST else pytest.mark.study) for name in load_examples()
]

FROM_A_TABLE = {
    "stopped-short",
    "sm-score-sign",
    "lme4-column-trap",
    "false-boundary",
    "kept-off-boundary",
    "singular-not-flagged",
    "flat-optimum",
    "true-boundary",
    "lmertest-units",
    "lmertest-rounding",
    "aliased-columns",
    "one-row-per-group",
    "too-many-effects",
    "not-expressible",
    "z-for-t",
}
"""Known differences that a table and a formula show in a standard run of statsmodels and lme4. The
others are of definition, or of how an engine is called, or no data have been found that show them
(sm-zero-fe, sm-llf-conditioning, lmertest-steps, singular-df, re-refused, engine-error)."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_cause_is_named_and_a_remedy_that_was_run_helps(diagnosed, name):
    example, found = load_examples()[name], diagnosed(name)
    keys = [cause.key for cause in found.causes]
    assert example.cause in keys
    assert set(example.also) <= set(keys)
    helped = [r for cause in found.causes for r in cause.remedies if r.helped]
    assert any(remedy.kind in example.remedies for remedy in helped)
    # What is recommended was run: its numbers are those of a fit.
    for remedy in helped:
        assert remedy.after.loglik is not None or remedy.after.text
        assert remedy.sentence


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_is_recommended_that_did_not_help(diagnosed, name):
    found = diagnosed(name)
    helped = [r.title for cause in found.causes for r in cause.remedies if r.helped]
    assert all(any(line.startswith(title) for title in helped) for line in found.advice)
    recommended = [s for s in found.answer if s.startswith("What to do:")]
    assert bool(recommended) == bool(found.advice) or recommended[0].startswith(
        "What to do is not known"
    )


def test_every_cause_a_table_can_show_has_an_example():
    shown = {e.cause for e in load_examples().values()}
    shown |= {cause for e in load_examples().values() for cause in e.also}
    of_the_data = set(load_causes()) - set(load_known())
    assert shown == FROM_A_TABLE | of_the_data


@pytest.mark.parametrize("name", list(load_examples()))
def test_the_data_of_an_example_are_there(name):
    assert len(example_rung(name).case.design.y) > 20
