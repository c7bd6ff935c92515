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
from harness.engines import registry
from harness.engines.lme4 import Lme4Engine
from harness.judge.records import CaseRecord

FORMULA = "y ~ x + (1 | g)"
ROWS = "".join(
    f"{(7 * i) % 5 + 0.1 * i:.1f},{i % 4},{'abc'[i % 3]},{i % 3 + 1}\n" for i in range(24)
)
GOOD = "y,x,g,k\n" + ROWS


@pytest.fixture
def run(tmp_path, monkeypatch, lmm_parity):
    """Return a function that runs ``main()`` with arguments in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lmm_parity


@pytest.fixture
def refused(run, tmp_path, monkeypatch):
    """Return a function that expects arguments to be refused, and returns the line that says so."""

    def no_engine(timeout, **_):
        raise AssertionError("bad input reached the engines")

    monkeypatch.setattr(registry, "open_lme4", no_engine)

    def call(*arguments, carets=False):
        before = sorted(tmp_path.rglob("*"))
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        lines = err.splitlines()
        assert len(lines) == (3 if carets else 1)
        assert lines[0].startswith("lmm-parity: ")
        assert sorted(tmp_path.rglob("*")) == before
        return err.removeprefix("lmm-parity: ").rstrip("\n")

    return call


def put(folder, content, name="data.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


BAD_FILES = {
    "binary": (bytes(range(128)) * 4, "not a text file (it holds zero bytes)"),
    "image": (b"\x89PNG\r\n\x1a\n" + bytes(50), "not UTF-8 (byte 0x89 at offset 0)"),
    "html": ("<!doctype html>\n<html></html>\n", "not a CSV table: its first line has no comma"),
    "one column": ("y\n1\n2\n", "not a CSV table: its first line has no comma"),
    "empty": ("", "the file is empty"),
    "blank": ("\n \n\n", "the file is empty"),
    "header only": ("y,x,g\n", "there is a header but no rows"),
    "blank rows": ("y,x,g\n\n\n", "there is a header but no rows"),
    "latin-1": ("y,größe,g\n1,2,a\n".encode("latin-1"), "not UTF-8 (byte 0xf6 at offset 4)"),
    "utf-16": (GOOD.encode("utf-16"), "not UTF-8 (byte 0xff at offset 0)"),
    "duplicate names": ("y,x,x,g\n1,2,3,a\n", "duplicate column names: 'x'; rename them"),
    "no name": ("y,x,,g\n1,2,3,a\n", "column 3 has no name"),
    "long row": ("y,x,g\n1,2,a\n2,3,b,9\n", "line 3 has 4 fields, the header 3"),
    "short row": ("y,x,g\n1,2,a\n2,3\n3,1,b\n", "line 3 has 2 fields, the header 3"),
    "delimiters at the end": ("y,x,g\n1,1,a,\n2,3,b,\n", "line 2 has 4 fields"),
    "comments": (
        "# made in May\ny,x,g\n1,2,a\n",
        "its first line is '# made in May'; is it a comment? --comment '#' leaves such lines out",
    ),
    "open quote": ('y,x,g\n"1,2,a\n3,4,b\n', "line 3 has 1 field, the header 3"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_file_that_is_no_table_is_refused(refused, tmp_path, what):
    content, message = BAD_FILES[what]
    assert refused("fit", put(tmp_path, content), FORMULA).startswith(f"data.csv: {message}")


def test_an_outcome_with_a_few_texts_says_how_to_read_them(refused, tmp_path):
    data = put(tmp_path, rows("1,2,a", "ND,3,b", "3,1,a", "4,7,b", "5,6,b"))
    text = refused("fit", data, FORMULA)
    assert text == (
        "the outcome 'y' is not numeric (it holds 'ND'); column 'y' is read as text for 'ND' in 1 "
        "of its 5 values; --na ND reads it as missing"
    )


def test_a_missing_file_and_a_folder_are_refused(refused, tmp_path):
    assert refused("fit", "no.csv", FORMULA) == "no.csv: no such file"
    (tmp_path / "folder").mkdir()
    assert refused("fit", "folder", FORMULA) == "folder: is a folder, not a CSV file"


def rows(*lines):
    return "y,x,g\n" + "\n".join(lines) + "\n"


BAD_COLUMNS = {
    "text in the outcome": (
        rows("1,2,a", "n/v,3,b", "2,2,a"),
        "the outcome 'y' is not numeric (it holds 'n/v')",
    ),
    "infinite": (rows("1,2,a", "2,inf,b", "3,1,a"), "column 'x' has an infinite value (row 2)"),
    "all missing": (rows("1,,a", "2,,b", "3,NA,a"), "column 'x' has only missing values"),
    "outcome all missing": (rows(",1,a", ",2,b"), "column 'y' has only missing values"),
    "group all missing": (rows("1,1,", "2,2,"), "column 'g' has only missing values"),
    "no complete row": (rows("1,,a", ",2,b"), "no row is complete: "),
    "one group": (
        rows("1,2,a", "2,3,a", "4,1,a"),
        "grouping factor 'g' has one level in the rows used; a random effect needs at least two",
    ),
    "one group with complete rows": (
        rows("1,2,a", "2,3,a", "4,1,a", ",1,b"),
        "grouping factor 'g' has one level in the rows used",
    ),
    "constant outcome": (rows("3,1,a", "3,2,b", "3,4,a"), "the outcome 'y' is 3 in every row used"),
    "too few rows": (
        rows("1,2,a", "2,1,b"),
        "2 complete rows for 2 fixed effects: nothing is left for a residual variance",
    ),
}


@pytest.mark.parametrize("what", BAD_COLUMNS)
def test_columns_that_cannot_be_fitted_are_refused(refused, tmp_path, what):
    content, message = BAD_COLUMNS[what]
    assert refused("fit", put(tmp_path, content), FORMULA).startswith(message)


def test_a_fixed_factor_with_one_level_is_refused(refused, tmp_path):
    data = put(tmp_path, "y,f,g\n" + "".join(f"{i * i % 7},q,{'ab'[i % 2]}\n" for i in range(9)))
    text = "factor 'f' has one level ('q') in the rows used"
    assert refused("fit", data, "y ~ f + (1 | g)") == text


def test_an_unknown_column_is_refused_with_those_there_are(refused, tmp_path):
    text = refused("fit", put(tmp_path, GOOD), "y ~ z + (1 | g)")
    assert text == "no column 'z' in the data; it has 'y', 'x', 'g', 'k'"


@pytest.mark.parametrize(
    ("formula", "message", "under"),
    [
        ("y ~ x + (1 | g", "this '(' is never closed", "("),
        ("y x", "expected '~' after the outcome", "x"),
        ("y ~ foo(x)", "foo() is not supported", "foo"),
        ("y ~ x + * k", "expected a term, not '*'", "*"),
        ("y ~ x + (1 | g) )", "", ")"),
    ],
)
def test_a_formula_that_does_not_parse_has_a_caret_under_the_place(
    refused, tmp_path, formula, message, under
):
    text = refused("fit", put(tmp_path, GOOD), formula, carets=True)
    first, shown, caret = text.split("\n")
    assert first.startswith(f"formula: {message}")
    assert shown.strip() == formula
    assert caret.strip() == "^"
    assert shown[caret.index("^") :].startswith(under)


def test_a_formula_that_ends_too_early_has_the_caret_at_its_end(refused, tmp_path):
    _, shown, caret = refused("fit", put(tmp_path, GOOD), "y ~", carets=True).split("\n")
    assert caret.index("^") >= len(shown.rstrip())


@pytest.mark.parametrize("formula", ["", "   ", "y ~ 0 + (1 | g)", "y ~ x + (1 | g) + (1 | g)"])
def test_a_formula_that_means_no_model_is_refused_in_a_line(refused, tmp_path, formula):
    assert refused("fit", put(tmp_path, GOOD), formula).startswith("formula: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--levels", "g"], "--levels 'g': write COLUMN=first,second,..."),
        (["--levels", "g="], "--levels 'g=': write COLUMN=first,second,..."),
        (["--levels", "g=a"], "--levels 'g=a': write COLUMN=first,second,..."),
        (["--levels", "=a,b"], "--levels '=a,b': write COLUMN=first,second,..."),
        (["--levels", "g=a,,b"], "--levels 'g=a,,b': write COLUMN=first,second,..."),
        (["--levels", "g=a,b,a"], "--levels 'g=a,b,a': a level is there twice"),
        (["--levels", "g=a,b"], "column 'g': value 'c' is not among its levels"),
        (["--levels", "k=1,2,3"], "column 'k' is not in the formula"),
        (["--factor", "k"], "column 'k' is not in the formula"),
        (["--factor", "y"], "column 'y' is a factor and cannot be used in arithmetic"),
        (["--timeout", "0"], "Invalid value for '--timeout'"),
        (["--nope"], "No such option"),
        (["more"], "Got unexpected extra argument"),
    ],
)
def test_options_that_cannot_be_used_are_refused(refused, tmp_path, arguments, message):
    assert refused("fit", put(tmp_path, GOOD), FORMULA, *arguments).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch"], "No such command 'nosuch'"),
        (["fit", "data.csv"], "Missing argument 'FORMULA'"),
        (["ladder", "--outcome", "y"], "--outcome needs --data"),
        (["ladder", "--data", "data.csv", "--group", "g"], "--data needs --outcome, --predictor"),
        (["report", "--rung", "sleep"], "no rung 'sleep'; `lmm-parity ladder` lists them"),
        (["report", "--from", "no.jsonl"], "no.jsonl: cannot be read: No such file"),
        (["report", "--from", "."], ".: cannot be read: Is a directory"),
    ],
)
def test_usage_errors_are_a_line(refused, arguments, message):
    assert refused(*arguments).startswith(message)


@pytest.mark.parametrize("content", [b"", b"hello\n", GOOD.encode(), bytes(range(256))])
def test_a_report_from_what_is_no_record_file_is_refused(refused, tmp_path, content):
    put(tmp_path, content, "given.jsonl")
    text = refused("report", "--from", "given.jsonl", "--out", "out")
    assert text.startswith("given.jsonl: ")


def ladder_of(outcome="y", predictor="x", group="g"):
    return ["--outcome", outcome, "--predictor", predictor, "--group", group, "--out", "out"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (ladder_of(group="no"), "no column 'no' in the data"),
        (ladder_of(group="y"), "outcome, predictor and group must be three different columns"),
        (ladder_of(outcome="g", group="k"), "the outcome 'g' is not numeric (it holds 'a')"),
        (ladder_of(predictor="g", group="k"), "the predictor 'g' is not numeric"),
    ],
)
def test_the_ladder_needs_columns_that_fit_their_roles(refused, tmp_path, columns, message):
    assert refused("ladder", "--data", put(tmp_path, GOOD), *columns).startswith(message)


def test_the_ladder_needs_rows_within_groups(refused, tmp_path):
    data = put(tmp_path, rows("1,2,a", "2,3,b", "3,1,c", "4,7,d"))
    assert refused("ladder", "--data", data, *ladder_of()) == (
        "every group of 'g' has one row; the ladder needs rows within groups"
    )


@pytest.mark.r
def test_an_output_folder_that_cannot_be_written_is_refused(refused, tmp_path):
    put(tmp_path, "x", "taken")
    assert "'taken' is a file" in refused("report", "--rung", "dyestuff", "--out", "taken")
    text = refused("report", "--rung", "dyestuff", "--out", "taken/deeper")
    assert text == "taken/deeper: cannot be written: Not a directory"
    assert refused("report", "--rung", "dyestuff", "--out", "/proc/out").startswith(
        "/proc/out: cannot be written: "
    )


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
