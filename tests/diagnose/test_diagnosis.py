"""A diagnosis is one line of JSON, complete on a terminal, and made with one program too."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import statsmodels.formula.api as smf
from rich.console import Console

from harness.base.errors import EnvironmentProblem
from harness.base.json import decode, encode
from harness.base.resources import fixture
from harness.diagnose import user_engines
from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.examples import example_rung
from harness.diagnose.pipeline import diagnose
from harness.diagnose.user_engines import opened
from harness.page.diagnosis_layout import diagnosis_page
from harness.page.terminal_page import print_page
from harness.rbridge.failures import REnvironment
from tests.commands.forever import BEGUN
from tests.interruptible import interruptible

TABLE = str(fixture("diagnoses", "six-groups-44.csv"))


@pytest.fixture(scope="module")
def whole(ready):
    """The column trap with every optimizer."""
    return diagnose(example_rung("lme4-column-trap"), ready())


def printed(found, width):
    out = io.StringIO()
    print_page(diagnosis_page(found), Console(file=out, width=width, highlight=False))
    return out.getvalue()


@pytest.mark.r
def test_a_diagnosis_survives_json(whole):
    line = encode(whole)
    # NaN is not equal to itself, so that the text is compared.
    assert encode(decode(line, Diagnosis)) == line


@pytest.mark.r
def test_every_optimizer_is_judged_by_the_referee_and_not_by_vote(whole):
    by_engine = {run.engine for run in whole.runs}
    assert by_engine == {"lme4", "statsmodels"}
    default = next(r for r in whole.runs if r.engine == "lme4" and r.default)
    assert default.certificate == "false boundary"
    assert default.gap == pytest.approx(0.5667, abs=1e-3)
    best = max(r.loglik for r in whole.runs if r.loglik is not None)
    assert all(r.gap >= -1e-7 for r in whole.runs if r.gap is not None)
    assert best == pytest.approx(default.loglik + default.gap, abs=1e-6)
    # Where the optimizer went, for pictures: it ends where the fit is.
    assert len(default.path) == len(default.path_deviance) > 10


@pytest.mark.r
def test_every_method_of_either_program_has_a_line_with_numbers_or_a_reason(whole):
    lines = {(run.engine, run.optimizer): run for run in whole.runs}
    model = smf.mixedlm("y ~ x", pd.read_csv(TABLE), groups="g")
    with pytest.raises(ValueError, match="method must be one of") as said:
        model.fit(method="none of them")
    methods = re.findall(r"'(\w+)'", str(said.value).partition("one of")[2])
    assert len(methods) > 5
    # Those of lme4::allFit's table.
    known = ["bobyqa", "Nelder_Mead", "nlminbwrap", "nmkbw", "optimx L-BFGS-B"]
    known += ["nloptwrap NELDERMEAD", "nloptwrap BOBYQA"]
    for key in [("statsmodels", m) for m in methods] + [("lme4", name) for name in known]:
        run = lines[key]
        assert (run.gap is not None) != bool(run.error) or run.certificate
        if not run.error:
            assert run.seconds > 0.0
    assert "not available for MixedLM" in lines["statsmodels", "newton"].error
    assert re.search(r"about [\d.]+ s", lines["statsmodels", "basinhopping"].error)
    for engine, optimizer in (("lme4", "nmkbw"), ("lme4", "optimx L-BFGS-B")):
        run = lines[engine, optimizer]
        assert run.gap is not None or re.search("package (dfoptim|optimx) is not", run.error)


@pytest.mark.r
@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_has_the_answer_first_and_stays_within_its_width(whole, width):
    text = printed(whole, width)
    assert max(map(len, text.splitlines())) <= width
    where = [
        text.index(word) for word in ("No: they disagree", "Side by side", "Causes", "\np values")
    ]
    assert where == sorted(where)
    assert "lme4 is stuck at a false boundary" in " ".join(text.split())
    for run in whole.runs:
        assert run.optimizer.split(",")[0] in text


@pytest.mark.r
def test_every_sentence_has_a_number(whole):
    for check in whole.checks:
        assert check.numbers
        assert re.search(r"\d", check.sentence)
    for translation in whole.translations:
        assert re.search(r"\d", translation.because)
    for cause in whole.causes:
        assert re.search(r"\d", cause.evidence)
        for remedy in cause.remedies:
            assert re.search(r"\d", remedy.sentence)


@pytest.mark.r
def test_the_singular_term_is_described_in_the_users_columns(whole):
    (truly,) = [s for s in whole.singular if s.truly]
    (falsely,) = [s for s in whole.singular if not s.truly]
    assert falsely.fit == "lme4"
    assert falsely.dual < -0.1
    assert dict(truly.direction).keys() == {"Intercept", "x"}
    assert truly.loglik >= truly.loglik_reduced
    assert [s.name for s in truly.shifts] == ["Intercept", "x"]


@pytest.mark.slow
def test_one_program_alone_is_judged_by_the_referee(ready):
    found = diagnose(example_rung("lme4-column-trap"), ready(("statsmodels",)), quick=True)
    assert found.agreement == "one engine"
    assert found.answer[0].startswith("Yes: statsmodels' answer is right: ")
    assert [fit.engine for fit in found.case.fits][:2] == ["statsmodels", "referee"]


@pytest.mark.slow
def test_without_r_it_goes_on_and_says_so(monkeypatch):
    def no_r():
        raise REnvironment("R was not found")

    monkeypatch.setattr(user_engines, "find_r", no_r)
    with opened() as ready:
        assert ready.engines == ("statsmodels",)
        assert "R was not found" in ready.absent
        found = diagnose(example_rung("true-boundary"), ready, quick=True)
    assert "lme4 was not run: R was not found" in found.notes
    with pytest.raises(EnvironmentProblem), opened(["lme4"]):
        pass


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([TABLE, "y ~ nothing + (1 | g)"], "no column 'nothing'"),
        ([TABLE, "y ~ x + (1 | g"], "formula:"),
        (["absent.csv", "y ~ x + (1 | g)"], "no such file"),
        ([TABLE, "y ~ x + (1 | g)", "--factor", "k"], "not in the formula"),
        ([TABLE, "y ~ x + (1 | g)", "--alpha", "2"], "--alpha"),
        ([TABLE, "y ~ x + (1 | g)", "--engine", "sas"], "no engine 'sas'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, said, lmm_parity):
    code, out, err = lmm_parity("diagnose", *arguments)
    assert (code, out) == (2, "")
    assert said in err.splitlines()[0]


@pytest.mark.r
@pytest.mark.slow
def test_interrupting_leaves_no_r_behind_and_writes_nothing(tmp_path):
    """Once a fit has begun: what is imported before may swallow the signal."""
    engines = ("--engine", "tests.commands.forever:Forever", "--engine", "lme4")
    program = [sys.executable, "-m", "harness", "diagnose", TABLE, "y ~ x + (x | g)", *engines]
    begun = tmp_path / "begun"
    process = subprocess.Popen(
        program,
        env=os.environ | {BEGUN: str(begun)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,  # noqa: PLW1509
    )
    deadline = time.monotonic() + 300.0
    below = []
    while not (begun.exists() and any(map(_is_r, below))) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
        below = descendants(process.pid)
    assert any(map(_is_r, below))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    # Where the signal reaches a text that exec() runs, as in imports of scipy, CPython ends itself
    # by the signal in the end, although the exception was caught: 130 in a shell either way.
    assert process.returncode in (130, -signal.SIGINT)
    assert out == ""
    assert err.splitlines()[-1] == "lmm-parity: interrupted; no report was written"
    while any(map(_alive, below)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_alive, below))


def descendants(process):
    """Every process below one, by /proc."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            parent = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == process:
            found += [int(entry), *descendants(int(entry))]
    return found


def _is_r(process):
    try:
        return b"harness.rbridge" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def _alive(process):
    return Path(f"/proc/{process}").exists()
