"""``lmm-parity audit``: printed numbers by the command and by the function, the form, bad input."""

import io
import json
import tomllib

import pytest

import harness
from harness.base.json import decode, encode
from harness.base.resources import fixture
from harness.data.datasets import load_dataset
from harness.judge.records import CaseRecord

DATA = str(fixture("data", "sleepstudy.csv"))
FORMULA = "Reaction ~ Days + (Days | Subject)"

# summary(lmerTest::lmer(Reaction ~ Days + (Days | Subject), sleepstudy)), as it is printed.
PRINTED = """
program = "lmerTest 3.1-3"
criterion = "REML"
rows = 180
log_likelihood = { minus_two = "1743.6" }
[coefficient."(Intercept)"]
estimate = "251.405"
se = "6.825"
df = "17.000"
statistic = "36.838"
p = "< 2e-16"
[coefficient.Days]
estimate = "10.467"
se = "1.546"
df = "17.000"
statistic = "6.771"
p = "3.26e-06"
[variance]
"Subject" = "612.10"
"Subject Days" = { sd = "5.922" }
residual = "654.94"
[correlation]
Subject = "0.07"
"""


@pytest.fixture
def printed(tmp_path):
    path = tmp_path / "printed.toml"
    path.write_text(PRINTED)
    return path


def test_what_lmertest_prints_is_right(lmm_parity, printed):
    code, out, _ = lmm_parity("audit", DATA, FORMULA, str(printed))
    assert code == 0
    assert "Yes: all 15 printed numbers are right." in out
    assert "satterthwaite" in out


def test_a_wrong_number_is_named_with_what_is_right(lmm_parity, printed):
    printed.write_text(PRINTED.replace('se = "1.546"', 'se = "1.646"'))
    code, out, _ = lmm_parity("audit", DATA, FORMULA, str(printed), "--program", "a paper")
    assert code == 1
    assert "No: 1 of 15 printed numbers is wrong." in out
    assert "The standard error of Days is printed as 1.646; right is 1.546." in out
    assert "a paper" in out


def test_the_page_is_one_file_with_what_the_terminal_says(lmm_parity, printed, tmp_path):
    page = tmp_path / "audit.html"
    code, out, _ = lmm_parity("audit", DATA, FORMULA, str(printed), "--out", str(page))
    assert code == 0
    assert f"written: {page}" in out
    text = page.read_text(encoding="utf-8")
    assert "Yes: all 15 printed numbers are right." in text
    assert text.count("654.94") == 2  # as printed, and what is right


def test_json_has_every_number(lmm_parity, printed):
    code, out, _ = lmm_parity("audit", DATA, FORMULA, str(printed), "--json")
    found = json.loads(out)["listing"]
    assert code == 0
    assert len(found["findings"]) == 15
    # lme4 stops where the first variance is 612.10; at the optimum it is 612.09.
    assert [f["text"] for f in found["findings"] if f["truth"] != "true"] == ["612.10"]


def test_the_form_has_a_place_for_every_number_of_the_model(lmm_parity, tmp_path):
    code, out, _ = lmm_parity("audit", DATA, FORMULA, "--template")
    assert code == 0
    found = tomllib.loads(out)
    assert list(found["coefficient"]) == ["Intercept", "Days"]
    # Filled in, it is read.
    filled = out.replace('# estimate = ""', 'estimate = "251.405"', 1)
    path = tmp_path / "form.toml"
    path.write_text(filled)
    code, out, _ = lmm_parity("audit", DATA, FORMULA, str(path))
    assert (code, "Yes: it is right." in out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((DATA, FORMULA), "name the file of printed NUMBERS"),
        ((DATA, FORMULA, "/no/such.toml"), "cannot be read"),
        ((DATA, "Reaction ~ Dayz + (1 | Subject)", "printed.toml"), "no column 'Dayz'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(lmm_parity, printed, arguments, said):
    arguments = [str(printed) if a == "printed.toml" else a for a in arguments]
    code, out, err = lmm_parity("audit", *arguments)
    assert code == 2
    assert out == ""
    assert said in err


def test_the_function_says_the_same():
    found = harness.audit(load_dataset("sleepstudy").frame, FORMULA, PRINTED)
    assert found.right
    assert "Yes: all 15 printed numbers are right." in repr(found)
    numbers = {"coefficient": {"Days": {"estimate": "10.47", "se": "1.6"}}}
    wrong = harness.audit(load_dataset("sleepstudy").frame, FORMULA, numbers)
    assert not wrong.right


def test_json_is_the_record_of_a_case(lmm_parity, printed):
    _, schema, _ = lmm_parity("schema")
    _, out, _ = lmm_parity("audit", DATA, FORMULA, str(printed), "--json")
    found, form = json.loads(out), json.loads(schema)["$defs"]
    assert set(found) == set(form["CaseRecord"]["properties"])
    assert set(found["listing"]) == set(form["ListingVerdict"]["properties"])
    # Back and forth it is the same record.
    assert json.loads(encode(decode(out.encode(), CaseRecord))) == found


def test_a_table_of_numbers_is_read_as_the_file_is(lmm_parity, tmp_path):
    lines = ["quantity,item,value", "estimate,Days,10.467", "se,Days,1.546", "sd,residual,25.592"]
    path = tmp_path / "printed.csv"
    path.write_text("\n".join(lines))
    code, out, _ = lmm_parity("audit", DATA, FORMULA, str(path))
    assert code == 0
    assert "Yes: all 3 printed numbers are right." in out
    again = harness.audit(load_dataset("sleepstudy").frame, FORMULA, str(path))
    assert again.right


def test_rows_that_were_left_out_are_named(lmm_parity, tmp_path):
    frame = load_dataset("sleepstudy").frame
    part = frame[frame.Days != 9]
    tests = harness.inference(FORMULA, part).table.loc["Days"]
    path = tmp_path / "printed.toml"
    path.write_text(
        f'rows = {len(part)}\n[coefficient.Days]\nestimate = "{tests.estimate:.4f}"\n'
        f'se = "{tests.se:.4f}"'
    )
    code, out, _ = lmm_parity("audit", DATA, FORMULA, str(path))
    assert code == 1
    text = " ".join(out.split())
    # Days is a number here: its values are no levels that could be left out.
    assert "The listing says 162 rows; the model has 180 complete rows" in text
    last = frame[frame.Subject != frame.Subject.iloc[-1]]
    tests = harness.inference(FORMULA, last).table.loc["Days"]
    path.write_text(
        f'rows = {len(last)}\n[coefficient.Days]\nestimate = "{tests.estimate:.4f}"\n'
        f'se = "{tests.se:.4f}"'
    )
    code, out, _ = lmm_parity("audit", DATA, FORMULA, str(path), "--factor", "Subject")
    text = " ".join(out.split())
    assert code == 1
    assert f"judged by 170 rows: rows without {frame.Subject.iloc[-1]} of Subject." in text
    assert "Not quite: the 2 printed numbers are right for this model and these rows." in text


def test_the_model_is_shown_as_it_was_asked_for(lmm_parity, tmp_path):
    path = tmp_path / "printed.toml"
    path.write_text('[coefficient.Intercept]\nestimate = "1"\n')
    formula = "Reaction ~ Days + (1|Subject)"
    options = ("--factor", "Days", "--contrasts", "Days=SAS", "--residual", "cs(1 | Subject)")
    code, out, _ = lmm_parity("audit", DATA, "Reaction ~ Days", str(path), *options)
    first = out.splitlines()[0]
    assert first == "Reaction ~ Days, contrasts Days = SAS, residuals cs(1 | Subject)"
    code, out, _ = lmm_parity("audit", DATA, formula, str(path))
    assert (code, out.splitlines()[0]) == (1, formula)


@pytest.mark.parametrize("given", ["-", "--stdin"])
def test_numbers_come_from_standard_input(given, lmm_parity, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(PRINTED))
    code, out, _ = lmm_parity("audit", DATA, FORMULA, given)
    assert code == 0
    assert "Yes: all 15 printed numbers are right." in out


def test_numbers_have_one_place(lmm_parity, printed):
    code, _, err = lmm_parity("audit", DATA, FORMULA, str(printed), "--stdin")
    assert code == 2
    assert "in a file or, with --stdin, on standard input" in err
