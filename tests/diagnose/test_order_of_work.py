"""The answer comes first, what takes longer after it; the limit of time holds for all of it.

That time is up is planted, as the signal of :func:`harness.base.deadline.stopped_at` says it.
"""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from msgspec import structs
from rich.console import Console

from harness.base import heartbeat
from harness.base.deadline import Deadline, TimeUp
from harness.base.resources import fixture
from harness.commands import diagnose as command
from harness.data.datasets import Dataset, load_dataset
from harness.data.own_table import own_rung
from harness.diagnose import convergence, found_causes, pipeline, workshop
from harness.diagnose.pipeline import completed, examined
from harness.engines.statsmodels import StatsmodelsEngine
from harness.page.diagnosis_layout import diagnosis_page
from harness.page.terminal_page import print_rest

pytestmark = pytest.mark.slow

SLEEP = (str(fixture("data", "sleepstudy.csv")), "Reaction ~ Days + (1 | Subject)")
ALONE = ("--engine", "statsmodels")


def answered(rung, opened, **named):
    return pipeline.answered(examined(rung, opened, **named))


@pytest.fixture
def limit():
    return Limit()


@pytest.fixture(scope="module")
def plain():
    """What MixedLM fits in no time."""
    return own_rung("sleepstudy", load_dataset("sleepstudy"), SLEEP[1], "REML")


@pytest.fixture(scope="module")
def far():
    """A predictor far from zero: MixedLM stops short, and centring mends it."""
    r = np.random.default_rng(3)
    g, t = np.repeat(np.arange(10), 4), np.tile([0, 28, 56, 84], 10) + r.integers(-3, 4, 40)
    slopes = 0.04 + r.normal(0, 0.03, 10)
    y = 20 + r.normal(0, 3, 10)[g] + slopes[g] * t + r.normal(0, 1.5, 40)
    frame = pd.DataFrame({"y": y.round(1), "day": 737800 + t, "g": g.astype(str)})
    return own_rung("far", Dataset("far", frame, ""), "y ~ day + (day | g)", "REML")


@pytest.fixture(scope="module")
def whole(far, ready):
    """Its answer, without a limit."""
    return answered(far, ready(("statsmodels",))).found


class Limit(Deadline):
    """A limit that is reached when a test says so."""

    def __init__(self):
        super().__init__(3600.0)

    def end(self):
        self._ends = 0.0

    def reached(self, *_, **__):
        self.end()
        raise TimeUp


def spy(monkeypatch, room, name, event, happened):
    """Note when a function is called."""
    inner = getattr(room, name)

    def noted(*arguments, **named):
        happened.append(event)
        return inner(*arguments, **named)

    monkeypatch.setattr(room, name, noted)


def test_the_answer_is_printed_before_the_rest_is_begun(lmm_parity, monkeypatch, capfd):
    printed = []

    def begins(inner, what):
        def told(*arguments, **named):
            out, err = capfd.readouterr()
            printed.append((what, out, err))
            return inner(*arguments, **named)

        return told

    for name in ("_strict", "_every_optimizer"):
        monkeypatch.setattr(pipeline, name, begins(getattr(pipeline, name), name))
    monkeypatch.setattr(heartbeat, "SECONDS", 0.02)
    code, rest, err = lmm_parity("diagnose", *SLEEP, *ALONE)
    assert code == 0
    (first, answer, before), (second, between, during) = printed
    assert (first, second) == ("_strict", "_every_optimizer")
    assert "Yes: statsmodels' answer is right" in answer
    assert "Side by side" in answer
    assert "Every optimizer" not in answer
    assert between == ""
    # What is printed afterwards is what was not printed before.
    assert rest.strip().startswith("Every optimizer")
    assert "Side by side" not in rest
    # Something is said at every step.
    assert "Diagnosing: fitting as it comes" in before
    assert "fitting to strict tolerances" in during
    assert "statsmodels lbfgs" in err


def test_who_is_right_is_printed_before_remedies_that_take_long(lmm_parity, monkeypatch, capfd):
    printed, inner = [], pipeline.find_causes

    def begins(*arguments):
        printed.append(capfd.readouterr().out)
        return inner(*arguments)

    monkeypatch.setattr(pipeline, "find_causes", begins)
    whole = lmm_parity("diagnose", *SLEEP, *ALONE, "--quick")[1]
    monkeypatch.setattr(command, "SOON", 0.0)
    rest = lmm_parity("diagnose", *SLEEP, *ALONE, "--quick")[1]
    nothing, head = printed
    assert nothing == ""
    assert head.startswith(SLEEP[1])
    assert "Yes: statsmodels' answer is right" in head
    assert "Side by side" in head
    # The same is told, in another order at most.
    assert sorted(f"{head}\n{rest}".split()) == sorted(whole.split())


def test_quick_leaves_out_the_table_and_nothing_else(lmm_parity, monkeypatch):
    happened = []
    spy(monkeypatch, pipeline, "_strict", "strict", happened)
    spy(monkeypatch, pipeline, "_every_optimizer", "table", happened)
    code, out, _ = lmm_parity("diagnose", *SLEEP, *ALONE, "--quick")
    assert code == 0
    assert happened == ["strict"]
    assert "Every optimizer" not in out


def test_what_is_right_and_yet_apart_is_run_to_strict_tolerances_before_the_answer(
    plain, ready, monkeypatch
):
    opened, judge = ready(("statsmodels",)), pipeline.judge
    assert answered(plain, opened).judged.settings == ("default",)

    def planted(*arguments, **named):
        judged = judge(*arguments, **named)
        (one,) = judged.comparisons
        return replace(judged, comparisons=(structs.replace(one, verdict="TOLERANCE"),))

    monkeypatch.setattr(pipeline, "judge", planted)
    assert answered(plain, opened).judged.settings == ("default", "tight")


def test_the_limit_ends_the_table_and_keeps_the_answer(plain, ready, limit, monkeypatch):
    early = answered(plain, ready(("statsmodels",)), deadline=limit)
    ran = []

    def second(case, recipe, evaluations=None):
        ran.append(recipe.label)
        if len(ran) == 2:
            limit.reached()
        return StatsmodelsEngine(recipe.optimizer or None).fit(case, "default")

    monkeypatch.setattr(convergence, "run_statsmodels", second)
    found = completed(early)
    assert found.answer == early.found.answer
    assert len(ran) == 2
    said = [run.error for run in found.runs if "limit" in run.error]
    assert said.count("stopped: the limit of 3600 s was reached") == 1
    assert said.count("not run: the limit of 3600 s was reached") > 5
    assert any(run.gap is not None for run in found.runs)


def test_the_limit_ends_strict_fits_and_the_table_is_not_begun(plain, ready, limit, monkeypatch):
    early = answered(plain, ready(("statsmodels",)), deadline=limit)
    monkeypatch.setattr(StatsmodelsEngine, "fit", limit.reached)
    found = completed(early, pictures=True)
    assert found.answer == early.found.answer
    assert found.case.settings == ("default",)
    assert {run.error.partition(":")[0] for run in found.runs} == {"not run"}
    reached = "the limit of 3600 s was reached."
    assert f"Fits to strict tolerances were left out: {reached}" in found.notes
    assert f"Pictures were left out: {reached}" in found.notes


def test_a_remedy_that_was_run_before_the_limit_is_shown(far, whole, ready, limit, monkeypatch):
    run_python = workshop.run_python

    def first_only(*arguments):
        outcome = run_python(*arguments)
        limit.end()
        return outcome

    monkeypatch.setattr(workshop, "run_python", first_only)
    found = answered(far, ready(("statsmodels",)), deadline=limit).found
    assert found.answer[0] == whole.answer[0]
    (remedy,) = [remedy for cause in found.causes for remedy in cause.remedies]
    assert remedy.title == whole.causes[0].remedies[0].title
    assert remedy.helped


def test_causes_are_named_where_there_is_no_time_for_remedies(
    far, whole, ready, limit, monkeypatch
):
    monkeypatch.setattr(found_causes, "writings", limit.reached)
    found = answered(far, ready(("statsmodels",)), deadline=limit).found
    assert found.answer[0] == whole.answer[0]
    assert found.causes
    assert {cause.key for cause in found.causes} <= {cause.key for cause in whole.causes}
    assert not any(cause.remedies for cause in found.causes)
    assert (
        "Not every cause and remedy was looked into: the limit of 3600 s was reached."
        in found.notes
    )


def test_a_fit_that_ran_out_of_time_is_said_and_is_exit_code_1(lmm_parity):
    forever = ("--engine", "tests.commands.forever:Forever", "--engine", "referee")
    code, out, _ = lmm_parity("diagnose", *SLEEP, *forever, "--timeout", 8)
    assert code == 1
    assert out.splitlines()[3] == "forever ran out of time. referee is right."
    assert "stopped after" in out
    assert "(limit 8 s)" in out


def test_an_answer_that_changes_is_told_again(plain, ready):
    shown = answered(plain, ready(("statsmodels",))).found
    for found, again in ((shown, False), (structs.replace(shown, answer=("No.",)), True)):
        out = io.StringIO()
        pages = diagnosis_page(found), diagnosis_page(shown)
        print_rest(*pages, Console(file=out, width=100))
        assert ("What was run since changes the answer. It is now:" in out.getvalue()) == again
        assert ("Side by side" in out.getvalue()) == again
