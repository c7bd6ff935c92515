"""``lmm-parity translate`` as a person uses it."""

import io
import json
import sys
from functools import partial

import pytest


@pytest.fixture
def run(tmp_path, monkeypatch, lmm_parity):
    """Return a function that runs ``main()`` with arguments in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return partial(lmm_parity, "translate")


CALL = 'MixedLM.from_formula("y ~ x", df, groups="g", vc_formula={"b": "0+C(b)"})'


def test_a_formula_is_shown_in_both_languages_and_in_words(run):
    code, out, err = run("y ~ x + (x || g)")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "lme4          y ~ x + (x || g)"
    assert lines[1] == " " * 14 + "lmerTest::lmer(y ~ x + (x || g), data, REML = TRUE)"
    assert any(line.startswith("statsmodels   ") for line in lines)
    assert any(line.startswith("in words      y on x;") for line in lines)
    assert "(sm-free-ignored)" in out
    # Code keeps its lines so that it can be pasted; sentences are wrapped.
    assert all(len(line) <= 100 for line in lines if "smf." not in line and "fit(" not in line)


def test_a_call_is_shown_in_lme4s_language_with_what_surprises(run):
    code, out, _ = run(CALL)
    assert code == 0
    assert out.startswith("lme4          y ~ x + (1 | g:b)\n")
    assert "there is no (1 | g) in this model" in " ".join(out.split())
    assert "statsmodels   " not in out


def test_standard_input_and_json(run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"m = {CALL}\nm.fit(reml=False)\n"))
    code, out, _ = run("-", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["lme4"] == "y ~ x + (1 | g:b)"
    assert found["r"].endswith("REML = FALSE)")
    assert {trap["key"] for trap in found["traps"]} >= {"dropped-term", "z-for-t"}


def test_data_settle_what_the_formula_leaves_open(run, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("y,a,b\n1,p,1\n2,p,1\n3,p,2\n5,p,2\n7,q,3\n6,q,3\n5,q,4\n8,q,4\n")
    _, out, _ = run("y ~ 1 + (1 | a) + (1 | b)", "--data", path, "--factor", "b")
    assert "groups=data['a'], re_formula='1'" in out
    assert "without data" not in out


def test_quiet_prints_nothing(run):
    assert run("y ~ x + (1 | g)", "--quiet") == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["y ~ x + (1 | g"], "formula: this '(' is never closed"),
        ([CALL[:-1]], "call: not Python: '(' was never closed"),
        ([CALL, "--ml"], "--ml is for a formula"),
        (["y ~ x + (1 | g)", "--factor", "z"], "column 'z' is not in the formula"),
        (["y ~ x + (1 | g)", "--data", "none.csv"], "none.csv: no such file"),
        ([""], "formula: it is empty"),
    ],
)
def test_bad_input_is_one_line_with_its_place(run, arguments, said):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"lmm-parity: {said}")
    assert "Traceback" not in err
    assert len(err.splitlines()) in (1, 3)


def test_what_lme4_cannot_express_does_not_stand_under_its_name(run):
    _, out, _ = run("y ~ x + (1 | g)", "--residual", "ar1(t | g)")
    lines = out.splitlines()
    (own,) = [line for line in lines if line.startswith("lme4")]
    assert own.split(maxsplit=1)[1] == "not expressible: lme4 has no residual covariance"
    assert sum("nlme::lme(" in line for line in lines) == 1
