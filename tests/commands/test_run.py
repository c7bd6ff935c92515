"""``lmm-parity run`` and ``merge``: sources, refusals in a line, events, going on, exit codes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.campaign.record_file import read_records
from harness.page.record_equality import first_difference
from tests.interruptible import interruptible

ROWS = "".join(f"{(7 * i) % 5 + 0.1 * i:.1f},{i % 4},{'abc'[i % 3]}\n" for i in range(24))
GOOD = "y,x,g\n" + ROWS
ENGINES = ("--engine", "tests.campaign.stubs:Good", "--reference", "referee")


@pytest.fixture
def run(tmp_path, monkeypatch, lmm_parity):
    """Return a function that runs ``main()`` with arguments in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LMM_PARITY_CACHE", str(tmp_path / "cache"))
    return lmm_parity


@pytest.fixture
def folder(tmp_path):
    """A folder of two cases on one table."""
    place = tmp_path / "trials"
    place.mkdir()
    (place / "a.csv").write_text(GOOD)
    (place / "cases.toml").write_text(
        '[one]\ndata = "a.csv"\nformula = "y ~ x + (1 | g)"\n'
        '[two]\ndata = "a.csv"\nformula = "y ~ x + (1 | g)"\ncriterion = "ML"\n'
        'levels = {g = ["c", "b", "a"]}\ntitle = "The second"\n'
    )
    return place


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of --ladder (or --rung), --cases, --recipes, --generate; there is none"),
        (["--ladder", "--generate", "3"], "there is --ladder and --generate"),
        (["--rung", "nosuch"], "no rung 'nosuch'"),
        (["--cases", "no"], "no/cases.toml: no such file"),
        (["--recipes", "no"], "no: cannot be read"),
        (["--ladder", "--shard", "3/2"], "--shard '3/2': write i/n"),
        (["--ladder", "--dask", "x", "--jobs", "2"], "--jobs is for this machine"),
        (["--ladder", "--jobs", "0"], "Invalid value for '--jobs'"),
        (["--ladder", "--engine", "lme4"], "'lme4' would be compared with itself"),
        (["--ladder", "--engine", "nosuch"], "no engine 'nosuch'"),
        (["--ladder", *["--engine", "referee"] * 2], "--engine referee is there twice"),
        (["--ladder", "--reference", "referee", "--out", "/proc/x"], "/proc: cannot be written"),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_line(run, tmp_path, arguments, message):
    code, out, err = run("run", "--out", "o.jsonl", *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err
    assert not list(tmp_path.iterdir())


BAD_CASES = {
    "no toml": ("[one", "not TOML: "),
    "nothing": ("", "there is no case in it"),
    "no table": ("one = 3", "[one]: Expected `object`"),
    "said in the formula": (
        '[one]\ndata="a.csv"\nformula="y ~ x"\nweights="w"',
        "unknown key 'weights'; it is said in the formula, y ~ x + weights(w)",
    ),
    "unknown key": ('[one]\ndata="a.csv"\nformula="y ~ x"\nweight=1', "unknown key 'weight'"),
    "no formula": ('[one]\ndata="a.csv"', "[one]: it lacks the key 'formula'"),
    "no file": ('[one]\ndata="no.csv"\nformula="y ~ x"', "no.csv: cannot be read: No such file"),
    "no column": ('[one]\ndata="a.csv"\nformula="y ~ z"', "[one]: no column 'z' in a.csv"),
    "no formula language": ('[one]\ndata="a.csv"\nformula="y ~ foo(x)"', "[one]: formula: foo()"),
    "criterion": ('[one]\ndata="a.csv"\nformula="y ~ x"\ncriterion="AIC"', "[one]: Invalid enum"),
    "factor": ('[one]\ndata="a.csv"\nformula="y ~ x"\nfactors=["g"]', "'g' is not in the formula"),
    "levels": ('[one]\ndata="a.csv"\nformula="y~g"\nlevels={g=["a","a"]}', "levels of 'g': two or"),
}


@pytest.mark.parametrize("what", BAD_CASES)
def test_a_list_of_cases_is_refused_naming_file_and_entry(run, folder, what):
    text, message = BAD_CASES[what]
    (folder / "cases.toml").write_text(text)
    code, _, err = run("run", "--cases", folder, "--out", "o.jsonl", *ENGINES)
    assert code == 2
    assert err.startswith(f"lmm-parity: {folder}/cases.toml: ")
    assert message.replace("`", "'") in err.splitlines()[0]


@pytest.mark.slow
def test_a_folder_of_tables_is_run(run, folder):
    code, out, err = run("run", "--cases", folder, "--out", "o.jsonl", "--jobs", 1, *ENGINES)
    assert (code, err) == (0, "")
    assert out.startswith("2 cases in ")
    assert "2 AGREE" in out
    one, two = read_records(Path("o.jsonl")).cases
    assert [one.id, one.criterion, two.id, two.criterion] == ["one", "REML", "two", "ML"]
    assert (two.title, two.group) == ("The second", "trials")
    assert next(c for c in two.data.columns if c.name == "g").levels == ("c", "b", "a")


@pytest.mark.slow
def test_any_number_of_engines_is_run_and_the_reference_is_the_last(run, folder):
    more = ("--engine", "referee", "--engine", "tests.campaign.stubs:Better")
    arguments = ("run", "--cases", folder, "--out", "o.jsonl", "--jobs", 1, *ENGINES, *more)
    code, _, err = run(*arguments)
    assert (code, err) == (0, "")
    header = read_records(Path("o.jsonl")).header
    assert (header.engines, header.reference) == (("good", "better", "referee"), "referee")


def test_engines_that_call_themselves_the_same_are_refused(run, folder):
    twin = ("--engine", "harness.engines.referee_engine:RefereeEngine")
    code, _, err = run("run", "--cases", folder, "--out", "o.jsonl", *ENGINES, *twin)
    assert code == 2
    assert err == "lmm-parity: engines that call themselves the same: good, referee, referee\n"


@pytest.mark.slow
def test_a_table_that_cannot_be_fitted_is_the_record_of_its_case(run, folder):
    (folder / "b.csv").write_text("y,x,g\n" + "3,1,a\n3,2,b\n" * 5)
    with (folder / "cases.toml").open("a") as file:
        file.write('[three]\ndata = "b.csv"\nformula = "y ~ x + (1 | g)"\n')
    code, _, _ = run("run", "--cases", folder, "--out", "o.jsonl", "--jobs", 1, *ENGINES)
    assert code == 1
    *_, last = read_records(Path("o.jsonl")).cases
    assert last.verdict == "FAILED"
    assert "the outcome 'y' is 3 in every row used" in last.comparisons[0].sentence


@pytest.mark.slow
def test_events_are_json_lines_and_the_records_stay_in_their_file(run, folder):
    arguments = ("run", "--cases", folder, "--jobs", 1, "--json", *ENGINES)
    code, out, err = run(*arguments, "--out", "o.jsonl")
    assert (code, err) == (0, "")
    events = [json.loads(line) for line in out.splitlines()]
    assert [e["event"] for e in events] == ["start", "case", "case", "finish"]
    assert events[0]["planned"] == 2
    assert {"id", "verdict", "causes", "seconds", "digits", "done"} <= set(events[1])
    assert events[-1]["verdicts"] == {"AGREE": 2}
    assert (events[-1]["cases"], events[-1]["exit_code"]) == (2, 0)


@pytest.mark.slow
def test_a_finished_or_unfinished_file_is_not_lost_by_mistake(run, folder):
    arguments = ("run", "--cases", folder, "--out", "o.jsonl", "--jobs", 1, *ENGINES)
    run(*arguments)
    lines = Path("o.jsonl").read_bytes().splitlines(keepends=True)
    code, out, _ = run(*arguments, "--resume")
    assert code == 0
    assert out.startswith("o.jsonl is finished: 2/2; 2 AGREE")
    Path("o.jsonl").rename("whole.jsonl")
    begun = lines[0] + b'{"at":0,"more":0,' + lines[1][1:]
    Path("o.jsonl.partial").write_bytes(begun)
    code, _, err = run(*arguments)
    assert code == 2
    assert "o.jsonl.partial: holds an unfinished run; go on with --resume, or remove it" in err
    code, out, err = run(*arguments, "--resume")
    assert code == 0
    assert "going on after 1 of 2 cases" in err
    assert first_difference(Path("o.jsonl"), Path("whole.jsonl")) == ""


@pytest.mark.slow
def test_shards_are_run_and_merged(run, folder):
    for i in (1, 2):
        run("run", "--cases", folder, "--shard", f"{i}/2", "--out", f"{i}.jsonl", "-j1", *ENGINES)
    run("run", "--cases", folder, "--out", "whole.jsonl", "-j1", *ENGINES)
    code, out, err = run("merge", "2.jsonl", "1.jsonl", "--out", "merged.jsonl")
    assert (code, out, err) == (0, "2 cases of 2 shards in merged.jsonl\n", "")
    assert first_difference(Path("merged.jsonl"), Path("whole.jsonl")) == ""


SLOW = """
import sys
from harness import cli
from harness.commands import execution
from tests.campaign.stubs import slow_task
real = execution.case_setup
def slow(*arguments, **options):
    import dataclasses
    return dataclasses.replace(real(*arguments, **options), function=slow_task)
if __name__ == "__main__":
    from harness.commands import run
    run.case_setup = slow
    cli.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_how_to_go_on(tmp_path, number, code):
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    arguments = ["run", "--ladder", "--out", "o.jsonl", "-j1", "--json"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, str(script), *arguments, *ENGINES],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,  # noqa: PLW1509
    )
    for line in process.stdout:
        if json.loads(line).get("done") == 3:
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    (line,) = err.splitlines()
    partial = tmp_path / "o.jsonl.partial"
    kept = partial.read_bytes().count(b"\n") - 1
    assert kept >= 3
    assert line == (
        f"lmm-parity: interrupted; {kept} of 38 cases are in o.jsonl.partial: go on with --resume"
    )
    assert not (tmp_path / "o.jsonl").exists()


@pytest.mark.slow
@pytest.mark.parametrize("cached", [(), ("--no-cache",)])
def test_no_model_with_a_residual_covariance_goes_to_an_engine_without(run, cached):
    """With random effects too, where such an engine would fit another model."""
    rungs = ("--rung", "residual/sleepstudy-ar1/REML", "--rung", "residual/ratpup/REML")
    engines = ("--engine", "statsmodels", "--reference", "referee", "--jobs", "1")
    code, _, err = run("run", *rungs, *engines, *cached, "--out", "o.jsonl", "--quiet")
    assert code == 0, err
    for case in read_records(Path("o.jsonl")).cases:
        for setting in case.settings:
            assert case.fit("statsmodels", setting).reason == "unsupported"
        assert case.judgements[-1].verdict == "RIGHT"
