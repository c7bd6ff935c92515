"""A bundle reproduces a fit with the engine that made it, in its own language where known."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.campaign.serial import Plan, run
from harness.data.datasets import Dataset
from harness.data.rungs import Rung
from harness.engines import environments
from harness.engines.command_engine import CommandEngine
from harness.engines.referee_engine import RefereeEngine
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.page.bundle import bundle_folder
from harness.page.bundle.bundle_folder import write_bundle
from harness.page.bundle.bundle_numbers import printed_numbers
from harness.page.bundle.bundle_scripts import Ran, ready_script
from harness.page.bundle.engine_scripts import run_script
from harness.page.bundle.rerun import rerun

pytestmark = pytest.mark.slow

PLANTED = Path(__file__).parents[2] / "engines" / "planted_program.py"


def rung_of(formula, frame, **levels):
    model = parse_model(formula, "REML")
    case = Case("own", model, bind(model, frame, levels=levels))
    return Rung(case, "own data", "", case.design.x_names[-1], Dataset("own", frame, "a test"))


@pytest.fixture(scope="module")
def rung():
    """Labels that sort otherwise than they are given, a name that is none in Python, a hole."""
    draw = np.random.default_rng(7)
    group, wave = np.repeat(list("cabdfe"), 12), np.tile(["10", "9", "x:y"], 24)
    dose = draw.normal(size=72).round(2)
    effect = dict(zip("abcdef", draw.normal(size=6) * 2, strict=True))
    outcome = 1 + dose + [effect[g] for g in group] + draw.normal(size=72)
    frame = pd.DataFrame({"y": outcome, "my dose": dose, "wave": wave, "g": group})
    frame.loc[4, "my dose"] = np.nan
    levels = {"wave": ("x:y", "10", "9"), "g": tuple("cabdfe")}
    return rung_of("y ~ `my dose` + wave + (1 | g)", frame, **levels)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes the bundle of an engine, whose script alone is run."""

    def own_script(folder, script, *, engine, timeout):
        if engine in ("statsmodels", "lme4"):
            return Ran("", "not run in this test")
        return run_script(folder, script, engine=engine, timeout=timeout)

    monkeypatch.setattr(bundle_folder, "run_script", own_script)

    def call(engine, rung):
        plan = Plan("test", (rung,), (engine, RefereeEngine()))
        return write_bundle(tmp_path / "b", rung, next(run(plan)), plan)

    return call


READY = [n for n, p in environments.programs().items() if p.tried and n != "statsmodels-0.13"]


def kind(name):
    """What the scripts of engines have in common that differ in their optimizer only."""
    program = environments.program(name)
    return program.file, program.arguments[1:]


FIRST = {kind(n): n for n in reversed(READY)}
"""The first engine of each kind."""

# Where its search stops follows the names of the columns.
DIGITS = {"pymixef": 6}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.r if environments.program(n).language == "r" else ())
        for n in FIRST.values()
    ],
)
def test_a_ready_engines_script_prints_the_records_numbers(name, rung, write):
    if not environments.installed(name):
        pytest.skip(f"{name} is not installed here")
    with CommandEngine(name, environments.command(name)) as engine:
        made = write(engine, rung)
    entry = next(entry for entry in made.manifest.scripts if entry.engine == name)
    assert entry.problem == ""
    printed = printed_numbers((made.directory / entry.output).read_text(encoding="utf-8"))
    fit = made.record.fit(name)
    assert float(printed["default"].loglik) == pytest.approx(fit.loglik, abs=1e-8)
    assert len(printed["default"].effects) == 4
    assert entry.unlike_record == () or name in DIGITS
    estimates = sorted(float(row[0]) for row in printed["default"].effects)
    stated = sorted(row.estimate for row in fit.coefficients)
    assert estimates == pytest.approx(stated, rel=10.0 ** -DIGITS.get(name, 14))
    text = (made.directory / entry.script).read_text(encoding="utf-8")
    assert "harness" not in text
    issue = (made.directory / "issue.md").read_text(encoding="utf-8")
    assert entry.script in issue
    assert "smf.mixedlm" not in issue


@pytest.fixture
def planted(write):
    """A bundle of a program that nobody knows, with the model that it takes."""
    values = [3.1, 2.8, 4.4, 4.0, 1.9, 2.5, 5.2, 4.7, 3.3, 3.9]
    frame = pd.DataFrame({"y": values, "site": np.repeat(list("abcde"), 2)})
    words = [sys.executable, "-I", "-S", str(PLANTED), "right"]
    with CommandEngine("planted", words) as engine:
        yield write(engine, rung_of("y ~ 1 + (1 | site)", frame))


def test_any_program_is_asked_again_by_the_messages(planted):
    entry = next(entry for entry in planted.manifest.scripts if entry.engine == "planted")
    assert (entry.script, entry.problem) == ("reproduce-planted.sh", "")
    assert entry.unlike_record == ()
    # It runs without this program, where the bundle is or elsewhere, and with another command.
    script = str(planted.directory / entry.script)
    for words in ([], [sys.executable, str(PLANTED), "wrong-shape"]):
        done = subprocess.run(["sh", script, *words], capture_output=True, text=True, check=True)
        assert '"type": "fitted"' in done.stdout
    assert "v2 is the column 'site'" in (planted.directory / entry.script).read_text()
    issue = (planted.directory / "issue.md").read_text(encoding="utf-8")
    assert "`sh reproduce-planted.sh` gives" in issue
    assert "statsmodels" not in issue
    again = {entry.script: entry for entry in rerun(planted.directory)}
    assert again["reproduce-planted.sh"].state == "same"


def test_there_is_another_program_to_compare_with(planted):
    assert [entry.script for entry in planted.manifest.scripts] == [
        "reproduce-planted.sh",
        "reproduce.R",
    ]


@pytest.mark.parametrize("name", [n for n in READY if n not in FIRST.values()])
def test_engines_that_differ_in_their_optimizer_have_scripts_that_do(name, rung):
    both = FIRST[kind(name)], name
    texts = [ready_script(n, rung.case, "own data", "script.R") for n in both]
    was, now = (environments.program(n).arguments[0] for n in both)
    assert was != now
    assert now in texts[1]
    assert texts[0].replace(was, now) == texts[1]
