"""The command line: one clear line for bad input, names of any kind, exit codes, quiet and JSON."""

import csv
import json
import os
import random
import subprocess
import sys

import pytest

from harness import cli
from harness.base.json import decode
from harness.engines.lme4 import Lme4Engine
from harness.judge.records import CaseRecord
from tests.commands.small_table import FORMULA, GOOD, put


def odd_table(path, names, *, delimiter=",", encoding="utf-8", missing=()):
    """Six groups coded 1 to 6, a predictor, a factor of three letters; rows of one seed."""
    rng = random.Random(5)
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(names)
        for i in range(72):
            x = round(rng.gauss(0, 1), 4)
            y = round(2 + 1.5 * x + (0, 3, -2, 1, 4, -3)[i % 6] + rng.gauss(0, 1), 4)
            writer.writerow(["" if i in missing else y, x, i % 6 + 1, "uvw"[i // 6 % 3]])
    return path.name


@pytest.fixture(scope="module")
def plain(r, tmp_path_factory):
    """The log-likelihood of the odd tables under plain names, by lme4."""
    from harness.data.datasets import read_csv
    from harness.model.case import Case
    from harness.model.model import bind, parse_model

    path = tmp_path_factory.mktemp("plain") / "plain.csv"
    odd_table(path, ["y", "x", "g", "f"])
    model = parse_model("y ~ x + f + (1 | g)")
    return Lme4Engine(r).fit(Case("", model, bind(model, read_csv(path))), "default").loglik


NAMES = {
    "spaces": ["my score", "the x", "a group", "a factor"],
    "dots": ["y.1", "x.1", ".g", "f."],
    "unicode": ["größe", "年齢", "группа", "φ"],
    "functions": ["I", "C", "log", "factor"],
    "keywords of Python": ["class", "lambda", "None", "def"],
    "keywords of R": ["if", "TRUE", "NULL", "function"],
    "our own aliases": ["v2", "v1", "v4", "v3"],
    "quotes": ["it's", 'say "x"', "g'", '"'],
    "a backtick": ["a`b", "x`", "`g", "``"],
    "operators": ["y~1", "x+1", "(1|g)", "a:b"],
}


def quoted(name):
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


@pytest.mark.r
@pytest.mark.parametrize("kind", NAMES)
def test_columns_may_have_any_name(run, warm, tmp_path, plain, kind):
    names = NAMES[kind]
    data = odd_table(tmp_path / "odd.csv", names)
    y, x, g, f = map(quoted, names)
    code, out, err = run("fit", data, f"{y} ~ {x} + {f} + (1 | {g})", "--json")
    assert (code, err) == (0, "")
    record = decode(out, CaseRecord)
    assert record.verdict == "AGREE"
    assert record.fit("lme4").loglik == plain
    assert [c.name for c in record.data.columns] == [names[0], names[1], names[3], names[2]]
    assert [c.name for c in record.fit("lme4").coefficients] == [
        "Intercept",
        names[1],
        f"{names[3]}[T.v]",
        f"{names[3]}[T.w]",
    ]


@pytest.mark.r
@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(";", "utf-8"), ("\t", "utf-8"), (",", "utf-8-sig")]
)
def test_a_table_may_have_other_delimiters_or_a_byte_order_mark(
    run, warm, tmp_path, plain, delimiter, encoding
):
    names = ["y", "x", "g", "f"]
    data = odd_table(tmp_path / "odd.csv", names, delimiter=delimiter, encoding=encoding)
    code, out, _ = run("fit", data, "y ~ x + f + (1 | g)", "--json")
    assert code == 0
    assert decode(out, CaseRecord).fit("lme4").loglik == plain


@pytest.mark.r
def test_fit_shows_both_engines_side_by_side_with_the_verdict(run, warm, tmp_path):
    data = odd_table(tmp_path / "odd.csv", ["y", "x", "g", "f"], missing=(3, 8))
    code, out, err = run("fit", data, "y ~ x + f + (1 | g)", "--ml", "--levels", "f=w,v,u")
    assert (code, err) == (0, "")
    head = out.splitlines()[0]
    assert "y ~ x + f + (1 | g)   ML   70 rows (2 with missing values left out)" in head
    assert "groups: 6 g" in head
    for words in (
        "statsmodels 0.",
        "lme4 1.",
        "log-lik",
        "referee at",
        "f[T.v]",
        "f[T.u]",
        "AGREE",
    ):
        assert words in out
    assert "f[T.w]" not in out
    assert "z-for-t" in out


@pytest.mark.r
def test_a_number_is_a_factor_when_it_is_said_to_be(run, warm, tmp_path):
    data = odd_table(tmp_path / "odd.csv", ["y", "x", "k", "g"])
    _, out, _ = run("fit", data, "y ~ k + (1 | g)", "--json")
    assert [c.name for c in decode(out, CaseRecord).fit("lme4").coefficients] == ["Intercept", "k"]
    _, out, _ = run("fit", data, "y ~ k + (1 | g)", "--factor", "k", "--json")
    coded = [c.name for c in decode(out, CaseRecord).fit("lme4").coefficients]
    assert coded == ["Intercept", *(f"k[T.{i}]" for i in range(2, 7))]


@pytest.mark.r
def test_the_ladder_runs_on_any_table(run, warm, tmp_path):
    """Odd names, missing values, and groups coded by numbers, which must not be a covariate."""
    names = ["my score", "größe in m", "a`b", "C"]
    data = odd_table(tmp_path / "odd.csv", names, missing=(5, 40))
    code, out, err = run(
        "ladder", "--data", data, "--outcome", names[0], "--predictor", names[1],
        "--group", names[2], "--out", "out", "--json",
    )  # fmt: skip
    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["record"] for line in lines] == ["header", *["case"] * 15, "footer"]
    cases = {line["id"]: line for line in lines[1:-1]}
    assert {c["comparisons"][0]["verdict"] for c in cases.values()} <= {
        "AGREE", "WRONG_OPTIMUM", "TOLERANCE",
    }  # fmt: skip
    assert len(cases["ladder/ancova-inter"]["fits"][0]["coefficients"]) == 7
    assert cases["ladder/lmm-inter/REML"]["data"]["groups"] == {"a`b": 6}
    assert cases["ladder/lm-global"]["data"]["rows_used"] == 70
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["parity.html", "parity.jsonl"]
    assert out.encode() == (tmp_path / "out" / "parity.jsonl").read_bytes()


@pytest.mark.r
def test_a_report_is_rendered_again_from_its_records(run, warm, tmp_path):
    code, out, err = run("report", "--rung", "dyestuff", "--out", "one")
    assert (code, err) == (0, "")
    assert "dyestuff/REML" in out
    assert "2 models, all agree." in out
    code, _, _ = run("report", "--from", "one/parity.jsonl", "--out", "two")
    assert code == 0
    pages = [(tmp_path / name / "parity.html").read_bytes() for name in ("one", "two")]
    assert pages[0] == pages[1]
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == ["parity.html"]


@pytest.mark.r
def test_quiet_says_nothing(run, warm):
    assert run("report", "--rung", "dyestuff/REML", "--out", "out", "--quiet") == (0, "", "")
    assert run("report", "--from", "out/parity.jsonl", "--out", "out", "-q") == (0, "", "")
    assert run("ladder", "--quiet") == (0, "", "")


@pytest.mark.r
def test_an_unexplained_difference_is_exit_code_1(run, warm, tmp_path, monkeypatch):
    """lme4's log-likelihood off by a constant, as an engine with a wrong formula would state it."""
    from msgspec.structs import replace

    from harness.engines import lme4

    begin = lme4.Lme4Engine.begin

    def wrong(self, case, setting):
        wait = begin(self, case, setting)

        def outcome():
            fit = wait()
            return replace(fit, loglik=fit.loglik + 1.0)

        return outcome

    monkeypatch.setattr(lme4.Lme4Engine, "begin", wrong)
    code, out, _ = run("fit", odd_table(tmp_path / "odd.csv", ["y", "x", "g", "f"]), FORMULA)
    assert code == 1
    assert "FALSE STATEMENT" in out


def test_the_ladder_lists_every_rung_as_json(run):
    code, out, err = run("ladder", "--json")
    assert (code, err) == (0, "")
    listed = [json.loads(line) for line in out.splitlines()]
    assert len({rung["id"] for rung in listed}) == len(listed)
    first = listed[0]
    assert first["id"] == "tutorial/lm-global"
    assert {"formula", "criterion", "data", "rows", "focus", "title", "group"} <= set(first)


def test_the_ladder_lists_every_rung_for_people(run):
    _, out, _ = run("ladder")
    _, lines, _ = run("ladder", "--json")
    for line in lines.splitlines():
        assert json.loads(line)["id"] in out


def test_the_schema_is_json(run):
    code, out, _ = run("schema")
    assert code == 0
    assert "$defs" in json.loads(out)


def test_the_schema_of_a_diagnosis_is_another(run):
    code, out, _ = run("schema", "diagnosis")
    assert code == 0
    properties = json.loads(out)["$defs"]["Diagnosis"]["properties"]
    assert {"answer", "case", "causes", "checks", "runs"} <= set(properties)


@pytest.mark.parametrize("command", list(cli._COMMANDS))
def test_examples_in_the_help_are_on_lines_of_their_own(run, command):
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    assert "\\b" not in out
    for line in out.splitlines():
        assert line.count("lmm-parity ") < 2 or "Usage" in line


@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_help_and_version_are_exit_code_0(run, option):
    code, out, err = run(option)
    assert (code, err) == (0, "")
    assert "lmm-parity" in out


def without_r(tmp_path, *arguments):
    """Run the program in a process of its own where there is no R."""
    tools = tmp_path / "bin"
    tools.mkdir()
    hidden = {"R_HOME", "PATH", "COLUMNS"}
    environment = {k: v for k, v in os.environ.items() if k not in hidden} | {"PATH": str(tools)}
    return subprocess.run(
        [sys.executable, "-c", "from harness.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )


@pytest.mark.slow
def test_without_r_a_run_is_exit_code_3_and_says_how_to_install_it(tmp_path):
    done = without_r(tmp_path, "fit", put(tmp_path, GOOD), FORMULA)
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("lmm-parity: R was not found. Install it: apt-get install r-base")
    assert "cran.r-project.org" in line


@pytest.mark.slow
def test_without_r_the_doctor_is_exit_code_3_with_a_command_for_every_failure(tmp_path):
    done = without_r(tmp_path, "doctor")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    failed = [i for i, line in enumerate(lines) if line.startswith("FAIL")]
    assert failed
    assert lines[failed[0]].split()[:2] == ["FAIL", "R"]
    heads = [i for i, line in enumerate(lines) if line.startswith(("FAIL", "ok", "note"))]
    for i in failed:  # long lines are wrapped below their head
        end = next((head for head in heads if head > i), len(lines) - 1)
        assert any(line.strip().startswith("mend it: ") for line in lines[i + 1 : end])
    # What does not need R is well, the referee's smoke fit among it.
    assert any(line.split()[:4] == ["ok", "smoke", "fit,", "referee"] for line in lines)
    assert lines[-1].strip() == f"{len(failed)} of {len(heads)} checks failed"
