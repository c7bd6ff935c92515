"""Printed numbers through ``run``, ``report``, ``export`` and ``diff``, as any other records."""

import csv

import pytest

from harness.base.resources import fixture
from harness.campaign.record_file import read_records

FORMULA = "Reaction ~ Days + (1 | Subject)"
DATA = fixture("data", "sleepstudy.csv")
# summary(lme4::lmer(Reaction ~ Days + (1 | Subject), sleepstudy)), as it is printed.
RIGHT = '[coefficient.Days]\nestimate = "10.4673"\nse = "0.8042"\nstatistic = "13.02"\n'
WRONG = RIGHT.replace("0.8042", "0.9142")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sleep.csv").write_text(DATA.read_text(encoding="utf-8"))
    cases = ""
    for name, text in (("right", RIGHT), ("wrong", WRONG)):
        (tmp_path / f"{name}.toml").write_text(text)
        cases += f'[{name}]\ndata = "sleep.csv"\nformula = "{FORMULA}"\n'
        cases += f'numbers = "{name}.toml"\nprogram = "a paper"\n'
    (tmp_path / "cases.toml").write_text(cases)
    return tmp_path


def test_the_record_of_an_audit_is_reported_exported_and_compared(lmm_parity, tmp_path):
    files = []
    for name, text in (("right", RIGHT), ("wrong", WRONG)):
        (tmp_path / f"{name}.toml").write_text(text)
        files.append(tmp_path / f"{name}.jsonl")
        code, out, _ = lmm_parity(
            *("audit", str(DATA), FORMULA, str(tmp_path / f"{name}.toml")),
            *("--program", "a paper", "--records", str(files[-1])),
        )
        assert code == (name == "wrong")
        assert str(files[-1]) in out
    code, out, _ = lmm_parity("report", "--from", str(files[1]), "--out", str(tmp_path))
    assert code == 1
    assert "1 differs, explained: a paper states a false number once." in " ".join(out.split())
    page = (tmp_path / "parity.html").read_text(encoding="utf-8")
    assert "The standard error of Days is printed as 0.9142; right is 0.8042." in page
    assert lmm_parity("report", "--from", str(files[0]), "--out", str(tmp_path))[0] == 0
    table = tmp_path / "numbers.csv"
    assert lmm_parity("export", str(files[1]), "--to", str(table), "--table", "listings")[0] == 0
    with table.open(newline="") as lines:
        found = {row["quantity"]: row for row in csv.DictReader(lines)}
    assert found["se"]["printed"] == "0.9142"
    assert float(found["se"]["right"]) == pytest.approx(0.8042, abs=5e-5)
    assert [found[q]["truth"] for q in ("estimate", "se", "statistic")] == ["true", "false", "true"]
    code, out, _ = lmm_parity("diff", str(files[0]), str(files[1]))
    assert code == 1
    assert "(a paper, default): RIGHT -> FALSE_STATEMENT" in out


@pytest.mark.r
@pytest.mark.slow
def test_numbers_of_a_case_are_judged_beside_the_engines_of_a_run(command, folder):
    code = command(
        folder, "run", "--cases", ".", "--out", "all.jsonl", "--no-cache", "-q"
    ).returncode
    assert code == 1
    right, wrong = read_records(folder / "all.jsonl").cases
    assert right.engines == wrong.engines == ("statsmodels", "a paper", "lme4")
    assert (right.verdict, wrong.verdict) == ("AGREE", "FALSE_STATEMENT")
    assert wrong.comparison("a paper").blamed == ("a paper",)
    assert wrong.comparison("statsmodels").verdict == "AGREE"


@pytest.mark.parametrize(
    ("text", "said"),
    [('[coefficient.Days]\nestimate = "x"', "no number"), (None, "cannot be read")],
)
def test_numbers_of_a_folder_that_cannot_be_read_are_refused_at_once(
    lmm_parity, folder, text, said
):
    path = folder / "wrong.toml"
    path.unlink() if text is None else path.write_text(text)
    code, _, err = lmm_parity("run", "--cases", str(folder), "--out", str(folder / "all.jsonl"))
    assert code == 2
    assert "[wrong]" in err
    assert said in err


def audited(lmm_parity, folder, name, text, *more, program="a paper"):
    """Audit a listing; returns the exit code and what is printed."""
    (folder / f"{name}.toml").write_text(text)
    where = ("audit", str(DATA), FORMULA, str(folder / f"{name}.toml"), "--program", program)
    code, out, _ = lmm_parity(*where, *more)
    return code, out


def test_audits_are_put_together_from_their_records_and_from_json(lmm_parity, tmp_path):
    audited(lmm_parity, tmp_path, "right", RIGHT, "--records", str(tmp_path / "right.jsonl"))
    _, out = audited(lmm_parity, tmp_path, "wrong", WRONG, "--json")
    (tmp_path / "wrong.json").write_text(out)
    _, out = audited(lmm_parity, tmp_path, "other", WRONG, "--json", program="SAS")
    (tmp_path / "other.json").write_text(out)
    whole = tmp_path / "audits.jsonl"
    files = [str(tmp_path / name) for name in ("right.jsonl", "wrong.json", "other.json")]
    code, out, _ = lmm_parity("merge", *files, "--out", str(whole))
    assert (code, "3 audits of 3 files" in out) == (0, True)
    run = read_records(whole)
    name = "sleepstudy.csv"
    assert [c.id for c in run.cases] == [f"{name}, a paper", f"{name}, a paper 2", f"{name}, SAS"]
    assert [c.listing.right for c in run.cases] == [True, False, False]
    assert run.header.engines == ("a paper", "SAS")
    # What is put together is put together again, and reported.
    again = tmp_path / "again.jsonl"
    assert lmm_parity("merge", str(whole), files[0], "--out", str(again))[0] == 0
    assert len(read_records(again).cases) == 4
    assert lmm_parity("report", "--from", str(whole), "--out", str(tmp_path))[0] == 1
    page = (tmp_path / "parity.html").read_text(encoding="utf-8")
    assert page.count("The standard error of Days is printed as 0.9142; right is 0.8042.") == 2


def test_what_is_no_audit_is_not_put_among_audits(lmm_parity, tmp_path):
    audited(lmm_parity, tmp_path, "right", RIGHT, "--records", str(tmp_path / "right.jsonl"))
    (tmp_path / "other.jsonl").write_text("{}\n")
    files = (str(tmp_path / "right.jsonl"), str(tmp_path / "other.jsonl"))
    code, _, err = lmm_parity("merge", *files, "--out", str(tmp_path / "out.jsonl"))
    assert (code, "other.jsonl: no audit, as" in err) == (2, True)
    code, _, err = lmm_parity("merge", files[0], "--out", files[0])
    assert (code, "is one of the audits" in err) == (2, True)
    code, _, err = lmm_parity("merge", "none.jsonl", "--out", str(tmp_path / "out.jsonl"))
    assert (code, "none.jsonl: no such file" in err) == (2, True)


@pytest.mark.parametrize("command", ["diff", "export", "report"])
def test_the_json_of_an_audit_is_said_to_be_no_file_of_records(lmm_parity, tmp_path, command):
    _, out = audited(lmm_parity, tmp_path, "right", RIGHT, "--json")
    path = tmp_path / "right.json"
    path.write_text(out)
    arguments = {
        "diff": (str(path), str(path)),
        "export": (str(path), "--to", str(tmp_path / "out.csv")),
        "report": ("--from", str(path), "--out", str(tmp_path)),
    }
    code, _, err = lmm_parity(command, *arguments[command])
    assert code == 2
    assert "audit --records FILE writes a file of it" in " ".join(err.split())
