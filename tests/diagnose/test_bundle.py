"""The bundle of a diagnosis: whole, runnable anywhere, and anonymous when asked."""

import contextlib
import json
import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import harness
from harness.base.errors import BadInput
from harness.base.json import decode
from harness.data.datasets import Dataset
from harness.data.exact_csv import number_text
from harness.data.own_table import own_rung
from harness.diagnose import anonymous as hiding
from harness.diagnose import user_engines
from harness.diagnose.anonymous import hidden, kept_values
from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.pipeline import diagnose
from harness.page.bundle import bundle_folder as bundles
from harness.page.bundle.bundle_numbers import printed_numbers
from harness.page.bundle.bundle_scripts import Ran

FORMULA = '`Größe "cm"` ~ `days awake` + (`days awake` | Klinik)'


def secret_frame():
    """Made so that lme4 stops at a false boundary: the column trap, under names that tell."""
    from harness.diagnose.examples import example_rung

    found = example_rung("lme4-column-trap").case.table
    return pd.DataFrame(
        {
            # Units that give every number digits of its own.
            'Größe "cm"': found["y"].values * 1.0000371,
            "days awake": found["x"].values * 1.0000213,
            "Klinik": [f"Bad Sülze {k}" for k in found["g"].codes],
        }
    )


@pytest.fixture
def call(tmp_path, monkeypatch, ready, lmm_parity):
    """Return a function that runs ``diagnose`` in a folder of its own with the tests' R."""
    monkeypatch.chdir(tmp_path)

    @contextlib.contextmanager
    def warm(engines=("statsmodels", "lme4"), **_):
        yield ready(tuple(engines))

    monkeypatch.setattr(user_engines, "opened", warm)
    monkeypatch.setattr(user_engines, "r_begun", lambda *_, **__: contextlib.nullcontext())
    return partial(lmm_parity, "diagnose")


def no_scripts(*_, **__):
    return Ran("", "not run in this test")


@pytest.mark.r
@pytest.mark.slow
def test_an_anonymous_bundle_has_the_diagnosis_and_nothing_of_the_original(
    call, tmp_path, monkeypatch
):
    # What keeps this diagnosis: where lme4 stops depends on the unit of the slope, which is drawn.
    monkeypatch.setattr(hiding, "TRIED", hiding.STRENGTHS[2:3])
    monkeypatch.setattr(hiding.random, "SystemRandom", lambda: hiding.random.Random(1))
    frame = secret_frame()
    frame.to_csv(tmp_path / "geheim.csv", index=False)
    code, out, err = call("geheim.csv", FORMULA, "--quick", "--bundle", "b", "--anonymise")
    assert (code, err) == (0, "")
    assert "No: they disagree, and statsmodels is right." in " ".join(out.split())
    assert re.search(r"anonymised +names, labels and .*; the diagnosis is the same", out)
    files = {p.name: p.read_text(encoding="utf-8") for p in (tmp_path / "b").iterdir()}
    assert set(files) == {
        "bundle.json", "data.csv", "diagnosis.html", "diagnosis.json", "issue.md",
        "output-python.txt", "output-r.txt", "record.jsonl", "reproduce.R", "reproduce.py",
    }  # fmt: skip
    told = re.compile(r"größe|gr\\u00f6|klinik|days|awake|s(ü|\\u00fc)lze|geheim|/tmp", re.I)
    numbers = [
        value
        for column in (frame.iloc[:, 0], frame.iloc[:, 1])
        for value in column
        # A value may happen to be the mean, which mixing keeps.
        if abs(value - column.mean()) > 1e-6
    ]
    values = {number_text(v) for v in numbers} | {f"{v:.6g}" for v in numbers}
    values = {text for text in values if len(text) > 5}
    assert len(values) > 40
    for name, text in files.items():
        assert not told.search(text), name
        words = set(re.split(r"[\s,;:\"\[\]{}<>]+", text))
        assert [value for value in values if value in words] == [], name
    # The diagnosis in it is that of the original data.
    found = decode(files["diagnosis.json"], Diagnosis)
    assert found.agreement == "differ"
    assert found.causes[0].key in ("false-boundary", "lme4-column-trap")
    assert "<html" in files["diagnosis.html"]
    assert found.answer[0].split(",")[0] in files["issue.md"]
    # And the scripts print its numbers: R's to 15 digits, Python's to those of its default fit.
    for name, engine in (("output-python.txt", "statsmodels"), ("output-r.txt", "lme4")):
        printed, fit = printed_numbers(files[name])["default"], found.case.fit(engine)
        assert float(printed.loglik) == pytest.approx(fit.loglik, rel=1e-9)
        shown = sorted(float(row[0]) for row in printed.effects)
        # As near as two stops of one optimizer are, whose last steps hang on rounding.
        assert shown == pytest.approx(sorted(c.estimate for c in fit.coefficients), rel=1e-5)


@pytest.mark.r
def test_a_diagnosis_that_changes_is_refused_and_nothing_is_written(ready, tmp_path, monkeypatch):
    data = Dataset("own", secret_frame(), "a test")
    rung = own_rung("own", data, FORMULA, "REML")
    engines = ready()
    found = diagnose(rung, engines, quick=True)
    monkeypatch.setattr(hiding, "TRIED", hiding.TRIED[2:3])
    import msgspec

    def never(case):
        return msgspec.structs.replace(found, agreement="agree")

    with pytest.raises(BadInput, match=r"cannot be anonymised.*\(the answer differ became agree"):
        hidden(rung, found, engines, never, seed=1)
    kept = hidden(rung, found, engines, lambda case: diagnose(case, engines, quick=True), seed=1)
    assert kept_values(rung, kept.rung) == ()
    assert {c.key for c in kept.found.causes} == {c.key for c in found.causes}


@pytest.mark.slow
def test_values_that_cannot_be_changed_are_refused_in_one_line(call, tmp_path):
    frame = secret_frame().rename(columns={'Größe "cm"': "y", "days awake": "x", "Klinik": "g"})
    frame.to_csv(tmp_path / "d.csv", index=False)
    arguments = ("d.csv", "y ~ exp(x) + (1 | g)", "--engine", "statsmodels", "--quick")
    code, out, err = call(*arguments, "--bundle", "b", "--anonymise")
    assert code == 2
    assert "right" in out  # the diagnosis itself is there
    assert err.count("\n") == 1
    assert "values of 'x' stay" in err
    assert [p.name for p in tmp_path.iterdir()] == ["d.csv"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--anonymise",), "--anonymise needs --bundle"),
        (("--bundle", "taken"), "taken: is not empty; name another folder"),
        (("--bundle", "d.csv"), "d.csv: there is a file of that name"),
        (("--bundle", "b", "--out", "b"), "--bundle has the diagnosis already"),
        (("--bundle", "b", "--out", "b/page"), "--bundle has the diagnosis already"),
    ],
)
def test_places_are_looked_at_before_anything_is_fitted(call, tmp_path, arguments, said):
    (tmp_path / "d.csv").write_text("y,x,g\n1,2,a\n")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    code, out, err = call("d.csv", "y ~ x + (1 | g)", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert {p.name for p in tmp_path.iterdir()} == {"d.csv", "taken"}


@pytest.mark.slow
def test_interrupting_leaves_the_report_and_no_half_bundle(call, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(bundles, "run_script", interrupted)
    secret_frame().to_csv(tmp_path / "d.csv", index=False)
    formula = FORMULA.replace("(`days awake` |", "(1 |")
    arguments = ("d.csv", formula, "--engine", "statsmodels", "--quick", "--out", "page")
    code, _, err = call(*arguments, "--bundle", "b")
    assert (code, err) == (130, "lmm-parity: interrupted; no bundle was written\n")
    assert {p.name for p in tmp_path.iterdir()} == {"d.csv", "page"}
    assert {p.name for p in (tmp_path / "page").iterdir()} == {"diagnosis.html", "diagnosis.json"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_result_that_was_given_has_a_bundle_from_the_notebook(tmp_path, monkeypatch):
    monkeypatch.setattr(bundles, "run_script", no_scripts)
    frame = secret_frame().rename(columns={'Größe "cm"': "height", "days awake": "days"})
    result = smf.mixedlm("height ~ days", frame, groups="Klinik").fit()
    found = harness.diagnose(result, engines="statsmodels", quick=True, pictures=False)
    path = found.bundle(tmp_path / "b")
    assert path == tmp_path / "b"
    manifest = json.loads((path / "bundle.json").read_text())
    assert manifest["formula"] == "height ~ days + (1 | Klinik)"
    assert {"diagnosis.html", "diagnosis.json"} <= set(manifest["files"])
    with pytest.raises(BadInput, match="holds a bundle"):
        found.bundle(path)
    other = found.bundle(tmp_path / "c", anonymise=True, seed=1)
    again = decode((other / "diagnosis.json").read_bytes(), Diagnosis)
    assert again.case.formula == "y ~ x1 + (1 | g1)"
    assert again.answer[0].split(".")[0] == found.answer[0].split(".")[0]
    assert not np.isin(frame["height"], again.case.data.y).any()
    assert not np.isin(frame["days"], again.case.data.x).any()
