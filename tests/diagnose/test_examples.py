"""Each documented example is diagnosed with its cause, and a remedy that was run helps."""

from pathlib import Path

import pytest

from harness.base.resources import fixture
from harness.conformance.planted_engines import PLANTED
from harness.conformance.properties import PROPERTIES
from harness.diagnose.cause_entries import load_causes
from harness.diagnose.examples import example_rung, load_elsewhere, load_examples
from harness.judge.causes.entries import load_known
from harness.judge.definition_notes import definition_notes

pytestmark = pytest.mark.r

FAST = (
    "lme4-column-trap",
    "missing-values",
    "true-boundary",
    "lmertest-units",
    "aliased-columns",
    "same-groups-twice",
    "sm-mutated-model",
    "aic-counts-scale",
)

NAMES = [
    pytest.param(name, marks=() if name in FAST else pytest.mark.study) for name in load_examples()
]


def notes_of(found):
    """What is defined otherwise than the reference's, by engine."""
    engines = [c.engine for c in found.case.comparisons if c.setting == "default"]
    return [note for engine in engines for note in definition_notes(found.case, engine)]


def named(found):
    """Causes of a diagnosis, those of definition included."""
    return {cause.key for cause in found.causes} | {note.cause for note in notes_of(found)}


@pytest.mark.parametrize("name", NAMES)
def test_the_cause_is_named_and_a_remedy_that_was_run_helps(diagnosed, name):
    example, found = load_examples()[name], diagnosed(name)
    assert set(example.causes) <= named(found)
    helped = [r for cause in found.causes for r in cause.remedies if r.helped]
    if example.remedies:
        assert any(remedy.kind in example.remedies for remedy in helped)
    else:
        # Of a definition there is nothing to cure: both numbers are there to compare.
        (kind,) = {load_known()[cause].kind for cause in example.causes}
        assert kind == "definition"
        notes = [note for note in notes_of(found) if note.cause in example.causes]
        assert any(note.value != note.reference for note in notes)
    # What is recommended was run: its numbers are those of a fit.
    for remedy in helped:
        assert remedy.after.loglik is not None or remedy.after.text
        assert remedy.sentence


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_recommended_that_did_not_help(diagnosed, name):
    found = diagnosed(name)
    helped = [r.title for cause in found.causes for r in cause.remedies if r.helped]
    assert all(any(line.startswith(title) for title in helped) for line in found.advice)
    recommended = [s for s in found.answer if s.startswith("What to do:")]
    assert bool(recommended) == bool(found.advice)
    assert len({line.partition(". It was tried")[0] for line in found.advice}) == len(found.advice)


def test_a_call_made_anew_is_the_model_asked_for(diagnosed):
    found = diagnosed("sm-mutated-model")
    (remedy,) = (r for c in found.causes for r in c.remedies if r.kind == "call")
    assert (remedy.same_model, remedy.price) == (True, None)
    assert "another model" not in " ".join(found.answer)
    assert "log-likelihood as stated -897.05 → -893.233" in remedy.sentence


def test_a_remedy_for_df_says_what_they_were_and_are(diagnosed):
    (advice,) = diagnosed("lmertest-units").advice
    assert "lmerTest's df of Days 6.37 → 17;" in advice


@pytest.mark.study
def test_what_is_as_hard_to_fit_read_otherwise_is_centred_as_well(diagnosed):
    cause = next(c for c in diagnosed("stopped-short").causes if c.key == "coded-factor")
    both, alone = cause.remedies
    assert both.helped
    assert both.after.verdict == "AGREE"
    assert both.title.endswith("and centre dose mg at 50.4")
    # Read as a factor and not centred, neither program reaches the optimum.
    assert not alone.helped
    assert "statsmodels is then" in alone.sentence
    assert "lme4 is then" in alone.sentence
    assert not alone.r_code
    assert not alone.python_code


@pytest.mark.parametrize("name", NAMES)
def test_code_is_given_for_programs_that_are_right_then(diagnosed, name):
    found = diagnosed(name)
    for cause in found.causes:
        for remedy in cause.remedies:
            if not remedy.helped or remedy.kind in ("inference", "rows"):
                continue
            assert remedy.r_code or remedy.python_code
            wrong = [e for e in found.engines if f"{e} is then" in remedy.sentence]
            assert not (remedy.r_code and "lme4" in wrong)
            assert not (remedy.python_code and "statsmodels" in wrong)


def test_every_known_cause_has_an_example_or_is_named_elsewhere():
    shown = {cause for e in load_examples().values() for cause in e.causes}
    assert shown | set(load_elsewhere()) == set(load_causes())
    assert not shown & set(load_elsewhere())


@pytest.mark.parametrize("cause", load_elsewhere())
def test_what_names_a_cause_elsewhere_is_there(cause):
    other = load_elsewhere()[cause]
    assert [bool(other.planted), bool(other.property), bool(other.test)].count(True) == 1
    if other.planted:
        assert PLANTED[other.planted].cause == cause
    elif other.property:
        assert other.property in PROPERTIES
    else:
        path, name = other.test.split("::")
        assert f"def {name}(" in (Path(__file__).parents[2] / path).read_text()


@pytest.mark.parametrize("name", list(load_examples()))
def test_the_data_of_an_example_are_there(name):
    example = load_examples()[name]
    if example.script:
        assert "found = diagnose(result" in fixture("diagnoses", example.script).read_text()
    else:
        assert len(example_rung(name).case.design.y) >= 6
