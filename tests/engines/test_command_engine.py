"""A program as an engine: what it says comes in, what goes wrong costs one fit and one line."""

import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from harness.base.errors import EnvironmentProblem
from harness.diagnose.installation import smoke_case
from harness.engines import command_engine
from harness.engines.command_engine import CommandEngine
from harness.engines.engine import Failure, Fit
from harness.store.identity import engine_identity

PROGRAM = Path(__file__).with_name("planted_program.py")


@pytest.fixture
def planted(tmp_path):
    """Return a function that starts a planted program; all are ended afterwards."""
    opened = []

    def start(mode, *arguments, **options):
        command = [sys.executable, "-I", "-S", str(PROGRAM), mode, *arguments]
        if not arguments:
            command.append(str(tmp_path / mode))
        engine = CommandEngine("planted", command, **options)
        opened.append(engine)
        return engine

    yield start
    for engine in opened:
        engine.close()


def right(outcome):
    _, known = smoke_case()
    return (
        isinstance(outcome, Fit)
        and outcome.coefficients[0].estimate == pytest.approx(known["mean"])
        and outcome.random[0].covariance[0][0] == pytest.approx(known["variance between groups"])
    )


def fit(engine):
    return engine.fit(smoke_case()[0], "default")


def test_what_a_program_says_is_under_the_users_names(planted):
    outcome = fit(planted("right"))
    assert right(outcome)
    assert outcome.random[0].group == "g"
    assert (outcome.coefficients[0].df, outcome.loglik, outcome.fitted) == (None, None, ())


# What a planted program does in its first fit, the reason, and words of the line.
FAULTS = {
    "garbage": ("error", "Loading required package: Matrix"),
    "hangs": ("timeout", "stopped after 1 s"),
    "stubborn": ("timeout", "stopped after 1 s"),
    "dies": ("crash", "exit code 7; it wrote: Fatal: out of luck"),
    "killed": ("crash", "signal 9 (SIGKILL)"),
    "half-a-line": ("crash", "exit code 0"),
    "other-case": ("error", "answered for fit 2 where 1 was asked"),
    "started-again": ("error", "answered 'started' to 'fit'"),
    "json-nan": ("error", "JSON has no NaN and no Infinity"),
    "text-for-number": ("error", "residual_variance"),
}


@pytest.mark.slow
@pytest.mark.parametrize("mode", FAULTS)
def test_a_fault_costs_one_fit_and_one_line(planted, mode):
    engine = planted(mode, timeout=1.0)
    engine.start()
    outcome = fit(engine)
    reason, words = FAULTS[mode]
    assert isinstance(outcome, Failure)
    assert (outcome.reason, words in outcome.text) == (reason, True), outcome.text
    assert "\n" not in outcome.text
    assert len(outcome.text) < 300
    # The next one finds the program started anew.
    assert right(fit(engine))


UNREADABLE = {
    "unknown-column": "'(Intercept)' is no column (the columns are Intercept)",
    "twice-a-column": "'Intercept' is there twice",
    "wrong-shape": "covariance is not 1 x 1",
    "short-fitted": "fitted: 1 numbers for 10 rows",
}


@pytest.mark.parametrize("mode", UNREADABLE)
def test_an_answer_that_does_not_fit_together_says_where(planted, mode):
    outcome = fit(planted(mode))
    assert isinstance(outcome, Failure)
    assert outcome.reason == "error"
    assert UNREADABLE[mode] in outcome.text


def test_other_data_than_were_sent_are_no_fit(planted):
    assert fit(planted("other-data")).reason == "data"


def test_columns_of_its_own_are_matched_by_value(planted):
    outcome = fit(planted("own-columns"))
    assert right(outcome)
    assert (outcome.coefficients[0].name, outcome.native_names) == ("Intercept", ("(Intercept)",))


def test_a_term_that_was_not_asked_for_is_kept_with_a_note(planted):
    outcome = fit(planted("extra-term"))
    assert [term.group for term in outcome.random] == ["g", "v9"]
    assert any("does not have: Intercept by v9" in message.text for message in outcome.messages)


def test_numbers_that_json_has_not_are_strings(planted):
    outcome = fit(planted("nan"))
    assert str(outcome.loglik) == "nan"
    assert outcome.coefficients[0].se == float("inf")


def test_a_second_answer_is_not_taken_for_the_next_fit_and_is_told(planted):
    engine = planted("answers-twice")
    told = []
    for _ in range(3):
        outcome = fit(engine)
        assert right(outcome)
        told.append([message.text for message in outcome.messages])
    again = "it answered fit {} twice; the first answer was taken"
    assert told == [[], [again.format(1)], [again.format(2)]]


def test_what_is_beyond_its_memory_is_that_fits_failure(planted):
    engine = planted("eats", memory_mb=100)
    outcome = fit(engine)
    assert isinstance(outcome, Failure)
    assert outcome.reason == "memory"
    assert outcome.text.startswith("it ran out of memory of the 100 MB that it may have")
    assert "\n" not in outcome.text
    assert right(fit(engine))


def test_within_its_memory_nothing_is_said(planted):
    assert right(fit(planted("eats", memory_mb=2048)))


@pytest.mark.slow
def test_a_busy_program_ends_with_a_harness_that_is_killed(tmp_path):
    started = tmp_path / "pid"
    words = [sys.executable, "-I", "-S", str(PROGRAM), "busy", str(started)]
    # A shell of its own: what a program has started ends with it.
    asks = (
        "from harness.diagnose.installation import smoke_case\n"
        "from harness.engines.command_engine import CommandEngine\n"
        f"words = ['sh', '-c', '\"$@\"; true', 'sh', *{words!r}]\n"
        "CommandEngine('busy', words).fit(smoke_case()[0], 'default')\n"
    )
    with subprocess.Popen([sys.executable, "-c", asks]) as asking:
        busy = int(waited_for(lambda: started.exists() and started.read_text()))
        asking.kill()
    waited_for(lambda: not Path(f"/proc/{busy}").exists())


def waited_for(event, seconds=60.0):
    ends = time.monotonic() + seconds
    while not (found := event()):
        assert time.monotonic() < ends
        time.sleep(0.05)
    return found


def test_a_program_that_ends_after_each_fit_is_started_for_each(planted):
    engine = planted("ends-after-each")
    assert right(fit(engine))
    engine._process.ends_within(5.0)
    assert right(fit(engine))


@pytest.mark.parametrize(
    "around", [["env", "-i"], ["sh", "-c", 'exec "$@"', "sh"], ["sh", "-c", '"$@"; true', "sh"]]
)
def test_a_program_runs_inside_another_as_in_a_container(around):
    words = [*around, sys.executable, "-I", "-S", str(PROGRAM), "right"]
    with CommandEngine("inside", words) as engine:
        assert right(fit(engine))
        assert engine.stopped_by_itself()


def test_stderr_without_end_stops_nothing(planted):
    engine = planted("floods-stderr")
    assert all(right(fit(engine)) for _ in range(3))


STARTS = {
    "dies-at-start": "exit code 1; it wrote: libfoo.so.3: cannot open shared object file",
    "version-99": "speaks version 99 of the protocol, and this program 1",
    "says-hello": "where an answer was expected",
    "unknown-definition": "no 'guessed' is known of 'se'",
    "silent-at-start": "stopped after 1 s",
}


@pytest.mark.slow
@pytest.mark.parametrize("mode", STARTS)
def test_a_program_that_does_not_start_is_a_problem_of_the_environment(planted, mode, monkeypatch):
    monkeypatch.setattr(command_engine, "START_SECONDS", 1.0)
    engine = planted(mode)
    with pytest.raises(EnvironmentProblem, match="engine 'planted'") as problem:
        engine.start()
    assert STARTS[mode] in str(problem.value)
    outcome = fit(engine)
    assert (outcome.reason, STARTS[mode] in outcome.text) == ("environment", True)


def test_a_program_that_is_not_there_is_a_problem_of_the_environment():
    with pytest.raises(EnvironmentProblem, match="'no-such-program' cannot be started"):
        CommandEngine("planted", ["no-such-program"]).start()


def test_fits_are_stored_only_of_a_program_that_states_its_build(planted):
    assert engine_identity(planted("right")) is None
    one, two = (engine_identity(planted("build", build)) for build in ("a", "b"))
    assert one is not None
    assert one != two


def test_two_versions_of_a_program_are_two_engines(planted):
    engine = planted("right")
    other = CommandEngine("other", engine.command)
    try:
        assert fit(other) == msgspec.structs.replace(fit(engine), engine="other")
        # What is in one environment says nothing of another, nor of this program's own.
        assert set(other.versions()) == {"other", "other: planted", "other: numpy"}
        assert other.versions()["other"] == "1.2"
    finally:
        other.close()
