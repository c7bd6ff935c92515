"""A reproduction bundle: its scripts run anywhere and print what the record says."""

import json
import re
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from harness.base.errors import BadInput
from harness.base.json import encode
from harness.campaign.record_file import read_records
from harness.campaign.serial import Plan, run
from harness.data.datasets import Dataset
from harness.data.exact_csv import number_text
from harness.data.ladder import full_ladder
from harness.data.rungs import Rung, select
from harness.engines.engine import Fit
from harness.engines.lme4 import Lme4Engine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.causes.entries import load_known
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.model.table import NumericColumn, Table
from harness.page.bundle import bundle_folder as bundles
from harness.page.bundle import rerun as bundle_rerun
from harness.page.bundle.bundle_columns import bundle_columns
from harness.page.bundle.bundle_folder import (
    Manifest,
    anonymised,
    read_manifest,
    require_free,
    write_bundle,
)
from harness.page.bundle.bundle_numbers import Printed, agreement, printed_numbers
from harness.page.bundle.bundle_scripts import (
    Ran,
    python_script,
    r_script_text,
    r_string,
)
from harness.page.bundle.engine_scripts import run_script
from harness.page.bundle.issue_text import issue_title
from harness.page.bundle.rerun import rerun
from harness.page.html.parity_report import render
from harness.rbridge import rscript
from harness.rbridge.failures import REnvironment

pytestmark = pytest.mark.slow

ODD_FORMULA = (
    '`my "y" \\\\ 1` ~ C + `größe °`*`if` + `1st` + `日本` + (0 + C | `gr p\'`) '
    "+ (1 | `gr p'`:`1st`)"
)


def rung_of(formula, frame, criterion="REML", levels=None):
    model = parse_model(formula, criterion)
    table = bind(model, frame, levels=levels)
    case = Case("own", model, table)
    return Rung(case, "own data", "", case.design.x_names[-1], Dataset("own", frame, "a test"))


def odd_frame():
    """Names and labels that a program is apt to read as its own, and missing values."""
    rng = np.random.default_rng(5)
    n = 64
    frame = pd.DataFrame(
        {
            'my "y" \\ 1': rng.normal(size=n) * 3,
            "C": rng.normal(size=n),
            "größe °": rng.choice(["a,b", 'q"t', "NA", " lead"], n),
            "if": rng.normal(size=n) / 3,
            "1st": rng.choice([10.0, 2.0, 1.0], n),
            "gr p'": np.repeat(["010", "10", "1e1", "10.0", "\\n", "TRUE", "ü", "'"], 8),
            "日本": np.tile(list("xyz#"), 16),
        }
    )
    frame['my "y" \\ 1'] += np.repeat(rng.normal(size=8), 8) + frame["C"] * np.repeat(
        rng.normal(size=8), 8
    )
    frame.loc[3, "C"] = np.nan
    frame.loc[7, "größe °"] = None
    frame.loc[11, "日本"] = None
    return frame


LEVELS = {"größe °": ('q"t', "NA", "a,b", " lead", "never seen")}


@pytest.fixture(scope="module")
def plan(r):
    return Plan("test", (), (StatsmodelsEngine(), Lme4Engine(r)), command="lmm-parity secret.csv")


@pytest.fixture(scope="module")
def odd(plan, tmp_path_factory):
    """A bundle of odd names and labels, in a folder whose name has a space and a quote."""
    rung = rung_of(ODD_FORMULA, odd_frame(), levels=LEVELS)
    record = next(run(replace(plan, rungs=(rung,))))
    folder = tmp_path_factory.mktemp("bundles") / "it's a bundle"
    return rung, write_bundle(folder, rung, record, plan)


def first_run(manifest: Manifest):
    return {entry.script: (entry.problem, entry.unlike_record) for entry in manifest.scripts}


@pytest.mark.r
def test_scripts_print_the_records_numbers_whatever_names_and_labels_are(odd):
    _, made = odd
    assert all(isinstance(fit, Fit) for fit in made.record.fits)
    assert first_run(made.manifest) == {"reproduce.py": ("", ()), "reproduce.R": ("", ())}
    for name in ("output-python.txt", "output-r.txt"):
        text = (made.directory / name).read_text(encoding="utf-8")
        assert "v2 is the column 'C'" in text
        assert "rows      61 of 64" in text
        assert set(printed_numbers(text)) == {"default", "tight"}


@pytest.mark.r
def test_a_bundle_holds_what_it_says_and_its_record_gives_a_report(odd):
    rung, made = odd
    names = {path.name for path in made.directory.iterdir()}
    assert names == {*made.manifest.files, "bundle.json"}
    assert names == {
        "data.csv", "reproduce.py", "reproduce.R", "output-python.txt", "output-r.txt",
        "issue.md", "record.jsonl", "bundle.json",
    }  # fmt: skip
    again = read_records(made.directory / "record.jsonl")
    assert [encode(case) for case in again.cases] == [encode(made.record)]
    assert again.footer.cases == 1
    assert "<html" in render(again)
    assert read_manifest(made.directory) == made.manifest
    # Read by this program's own reader the data are the case's again.
    frame = pd.read_csv(made.directory / "data.csv", keep_default_na=False, na_values=[""])
    assert bind(rung.case.model, frame, levels=LEVELS).checksum() == rung.case.table.checksum()


@pytest.mark.r
def test_running_it_again_says_whether_it_shows_the_same(odd, tmp_path, monkeypatch):
    _, made = odd
    folder = made.directory
    ran = {
        name: (folder / f"output-{kind}.txt").read_text(encoding="utf-8")
        for name, kind in (("reproduce.py", "python"), ("reproduce.R", "r"))
    }
    real = bundle_rerun.run_script(folder, "reproduce.R", timeout=100)
    assert real == Ran(ran["reproduce.R"])
    loglik = re.search(r"logLik +(\S+)", ran["reproduce.py"])[1]
    changed = {
        "same": ran["reproduce.py"],
        "close": ran["reproduce.py"].replace(loglik, loglik[:-1]),
        "other": ran["reproduce.py"].replace(loglik, f"{float(loglik) + 0.1}"),
    }
    for state, text in changed.items():
        printed = {**ran, "reproduce.py": text}
        monkeypatch.setattr(
            bundle_rerun, "run_script", lambda _, script, p=printed, **__: Ran(p[script])
        )
        assert [entry.state for entry in rerun(folder)] == [state, "same"]
    (folder / "data.csv").write_text("y\n1\n")
    with pytest.raises(BadInput, match="not as it was"):
        rerun(folder)


def test_names_that_are_plain_in_both_languages_are_kept():
    names = ("y", "Days", "x_1", "a.b", "C", "if", "lambda", "v7", "r0", "_u", "x y", "TRUE", "é")
    table = Table(tuple(NumericColumn(name, np.ones(2)) for name in names))
    kept = [c.name for c in bundle_columns(table) if c.short == c.name]
    assert kept == ["y", "Days", "x_1"]
    shorts = [c.short for c in bundle_columns(table)]
    assert len(set(shorts)) == len(shorts)


def test_strings_of_r_are_ascii():
    assert r_string('a"b\\ü日😀\t') == r'"a\"b\\\u00fc\u65e5\U0001f600\u0009"'


@pytest.mark.r
def test_a_model_that_statsmodels_cannot_be_given_has_a_note_for_a_script(plan, tmp_path):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {"a": np.repeat(list("pqrst"), 12), "b": np.tile(list("klmn"), 15),
         "x": rng.normal(size=60)}
    )  # fmt: skip
    frame["y"] = rng.normal(size=60) + frame.a.map(
        dict(zip("pqrst", rng.normal(size=5), strict=True))
    )
    rung = rung_of("y ~ x + (x | a) + (1 | b)", frame)
    record = next(run(replace(plan, rungs=(rung,))))
    made = write_bundle(tmp_path / "b", rung, record, plan)
    problem, unlike = first_run(made.manifest)["reproduce.R"]
    assert problem == ""
    # lme4's last digits for crossed factors change with where its data lie in memory.
    logliks = re.findall(r"log-likelihood to (\S+) digits", " ".join(unlike))
    assert all(float(digits) > 8 for digits in logliks)
    said = (tmp_path / "b" / "output-python.txt").read_text()
    assert said.startswith("statsmodels cannot be given this model: the term for a has several")
    assert first_run(made.manifest)["reproduce.py"] == ("", ())
    issue = (tmp_path / "b" / "issue.md").read_text(encoding="utf-8")
    assert "The first 10 of them" in issue
    assert "no fit (unsupported)" in issue


@pytest.fixture(scope="module")
def stopped_short(plan):
    """Random intercepts where statsmodels' first optimizer stops short of the optimum."""
    rng = np.random.default_rng(11)
    frame = pd.DataFrame(
        {"school": np.repeat(np.arange(12), 12), "b": np.tile(np.repeat(np.arange(4), 3), 12)}
    )
    frame["income"] = rng.normal(size=144)
    rng.uniform(1, 3, 144)
    effect, effect_b = rng.normal(size=(12, 2)), rng.normal(size=4)
    frame["Punkte"] = (
        effect[frame.school, 0]
        + (1 + effect[frame.school, 1]) * frame.income
        + effect_b[frame.b]
        + rng.normal(size=(12, 4))[frame.school, frame.b]
        + 0.5 * rng.normal(size=144)
    )
    frame["school"] = "St. " + frame.school.map("{:02d}".format)
    rung = rung_of("Punkte ~ income + (1 | school)", frame[["Punkte", "income", "school"]])
    record = next(run(replace(plan, rungs=(rung,))))
    assert record.verdict == "WRONG_OPTIMUM"
    return rung, record


@pytest.mark.r
def test_an_anonymised_bundle_keeps_the_verdict_and_no_name(plan, stopped_short, tmp_path):
    rung, record = stopped_short
    made = write_bundle(tmp_path / "b", rung, record, plan, anonymise=True, seed=3)
    kept = [(v.verdict, v.causes) for v in made.record.comparisons]
    assert kept == [(v.verdict, v.causes) for v in record.comparisons]
    assert made.key.columns == {"Punkte": "y", "income": "x1", "school": "g1"}
    assert made.key.strength == made.manifest.anonymised
    text = "".join(p.read_text(encoding="utf-8") for p in made.directory.iterdir())
    assert not re.search(r"income|school|Punkte|St\. |secret|own data", text)
    assert rung.case.table.checksum() not in text
    numbers = {number_text(v) for v in rung.case.table["Punkte"].values}
    assert not numbers & set(text.split())
    assert first_run(made.manifest) == {"reproduce.py": ("", ()), "reproduce.R": ("", ())}
    issue = (made.directory / "issue.md").read_text(encoding="utf-8")
    for cause in made.record.comparisons[0].causes:
        known = load_known()[cause]
        assert known.title in issue
        assert known.remedy.split("'")[0] in issue
    audit = made.record.audit("statsmodels")
    assert f"| {audit.certificate} |" in issue
    assert f"{audit.gap:.3g}" in issue


@pytest.mark.r
def test_anonymising_falls_back_to_what_keeps_the_verdict(plan, stopped_short, monkeypatch):
    rung, record = stopped_short
    other = replace_verdict(record, "AGREE")
    answers = iter([other] * 4 + [record])
    monkeypatch.setattr(bundles, "run", lambda plan: iter([next(answers)]))
    _, again, key = anonymised(rung, record, plan, seed=1)
    assert key.strength == "names and labels"
    assert key.values == {}
    assert again is record
    assert record.verdict == "WRONG_OPTIMUM"
    monkeypatch.setattr(bundles, "run", lambda plan: iter([other]))
    with pytest.raises(BadInput, match="cannot be anonymised: the verdict was WRONG_OPTIMUM"):
        anonymised(rung, record, plan, seed=1)


def replace_verdict(record, verdict):
    import msgspec

    first = msgspec.structs.replace(record.comparisons[0], verdict=verdict, evidence=())
    return msgspec.structs.replace(record, comparisons=(first, *record.comparisons[1:]))


@pytest.mark.r
def test_a_bundle_is_whole_or_not_there(plan, stopped_short, tmp_path, monkeypatch):
    rung, record = stopped_short

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(bundles, "run_script", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "b", rung, record, plan)
    assert list(tmp_path.iterdir()) == []
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    monkeypatch.setattr(bundles, "run_script", lambda *_, **__: Ran("", "R was not found"))
    for replacing in (False, True):
        with pytest.raises(BadInput, match="is not empty"):
            write_bundle(full, rung, record, plan, replacing=replacing)
    assert [path.name for path in full.iterdir()] == ["mine.txt"]
    first = write_bundle(tmp_path / "new", rung, record, plan)
    assert "R was not found" in (first.directory / "issue.md").read_text(encoding="utf-8")
    with pytest.raises(BadInput, match="holds a bundle"):
        require_free(first.directory)
    write_bundle(tmp_path / "new", rung, record, plan, replacing=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "new"]
    with pytest.raises(BadInput, match="not a bundle"):
        read_manifest(full)


LADDER = [r for r in full_ladder() if r.case.model.criterion in ("REML", "OLS")]


@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.case.id)
def test_scripts_of_the_ladder_are_python_and_base_r(rung):
    text = python_script(rung.case, rung.title)
    compile(text, "reproduce.py", "exec")
    assert not re.search(r"^\s*(?:import|from) harness", text, re.MULTILINE)
    assert "<-" in r_script_text(rung.case, rung.title)


@pytest.mark.r
@pytest.mark.study
@pytest.mark.parametrize(
    "rung", select(full_ladder(), ()) or full_ladder(), ids=lambda r: r.case.id
)
def test_scripts_of_every_rung_print_the_records_numbers(rung, plan, tmp_path):
    record = next(run(replace(plan, rungs=(rung,))))
    made = write_bundle(tmp_path / "b", rung, record, plan)
    crossed = len({t.group for t in rung.case.design.random}) > 1
    for problem, unlike in first_run(made.manifest).values():
        assert problem == ""
        # Only lme4 with several factors adds in an order that memory decides.
        assert crossed or not unlike
        logliks = re.findall(r"log-likelihood to (\S+) digits", " ".join(unlike))
        assert all(float(digits) > 8 for digits in logliks)


def test_two_outputs_are_compared_by_kind_of_number():
    one = Printed("-10.5", (("1", "0.5", "2", "0.1"),), ("3", "4"))
    assert agreement(one, one).count("equal") == 5
    other = Printed("-10.5", (("1.001", "0.5", "2", "0.1"),), ("3", "4"))
    assert "estimates to 3.0 digits" in agreement(one, other)
    assert agreement(one, replace(one, effects=())) == "1 fixed effects and 0"


def test_titles_name_the_cause(stopped_short):
    _, record = stopped_short
    title = issue_title(record)
    assert "Punkte ~ income + (1 | school)" in title
    assert load_known()[record.comparisons[0].causes[0]].title in title
    assert json.loads(encode(record))["id"] == "own"


def test_r_parses_the_script(tmp_path):
    rung = select(full_ladder(), ("pastes/REML",))[0]
    path = tmp_path / "reproduce.R"
    path.write_text(r_script_text(rung.case, rung.title), encoding="utf-8")
    done = subprocess.run(
        ["Rscript", "--vanilla", "-e", f"invisible(parse({str(path)!r}))"],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_what_keeps_a_script_from_running_is_said(tmp_path, monkeypatch):
    def no_r():
        raise REnvironment("R was not found. Install it")

    monkeypatch.setattr(rscript, "find_r", no_r)
    assert run_script(tmp_path, "reproduce.R", timeout=9) == Ran("", "R was not found. Install it")
    script = tmp_path / "reproduce.py"
    script.write_text("import time\ntime.sleep(60)\n")
    ran = run_script(tmp_path, "reproduce.py", timeout=0.5)
    assert ran.problem == "it was ended after 0.5 seconds"
    script.write_text("print('so far')\nraise ValueError('no good')\n")
    ran = run_script(tmp_path, "reproduce.py", timeout=60)
    assert ran == Ran("so far\n", "it ended with code 1: ValueError: no good")


@pytest.mark.r
def test_an_engine_without_a_script_has_its_numbers_in_the_issue(
    plan, stopped_short, tmp_path, monkeypatch
):
    import msgspec

    rung, record = stopped_short
    fits = tuple(
        msgspec.structs.replace(f, engine="mine") if f.engine == "statsmodels" else f
        for f in record.fits
    )
    monkeypatch.setattr(
        bundles, "run_script", lambda *_, **__: Ran("== default ==\nerror  E: no\n")
    )
    other = msgspec.structs.replace(record, fits=fits)
    made = write_bundle(tmp_path / "b", rung, other, plan)
    _, unlike = first_run(made.manifest)["reproduce.py"]
    assert unlike == ("statsmodels was not part of the run",)
    issue = (tmp_path / "b" / "issue.md").read_text(encoding="utf-8")
    fit = other.fit("mine")
    assert f"mine, default: logLik {fit.loglik:.15g}" in issue
    assert f"income: estimate {fit.coefficient('income').estimate:.15g}" in issue
