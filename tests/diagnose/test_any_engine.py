"""A diagnosis of any engine: causes and habits are those of the engine that ran, by its name."""

import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

STOPS = Path(__file__).with_name("stops_short.py")


@pytest.fixture(scope="module")
def found(command, tmp_path_factory):
    """What is printed, and its JSON, of a program that stops short where a predictor is far off."""
    folder = tmp_path_factory.mktemp("any")
    draw = np.random.default_rng(3)
    dose, ward = 4000.0 + np.tile(np.arange(6.0), 8), np.repeat(list("abcdefgh"), 6)
    outcome = np.repeat(draw.normal(size=8) * 3, 6) + 0.4 * dose + draw.normal(size=48)
    frame = pd.DataFrame({"y": outcome, "dose": dose, "ward": ward})
    frame.loc[7, "y"] = np.nan
    frame.to_csv(folder / "d.csv", index=False)
    engine = f"mine={shlex.join([sys.executable, str(STOPS)])}"
    words = ("diagnose", "d.csv", "y ~ dose + (1 | ward)", "--engine", engine, "--quick")
    told = command(folder, *words, "--out", "out")
    assert told.stderr == ""
    return told.stdout, json.loads((folder / "out" / "diagnosis.json").read_text())


@pytest.mark.slow
def test_no_sentence_is_of_programs_that_did_not_run(found):
    text, _ = found
    assert "mine stopped" in text
    assert not re.search(r"statsmodels|MixedLM|lme4|lmer\b|both programs|both languages", text)
    assert "Each was judged on the 47 complete rows here." in " ".join(text.split())


@pytest.mark.slow
def test_a_remedy_that_helped_is_written_for_any_program(found):
    _, diagnosis = found
    causes = [c for c in diagnosis["causes"] if c["engines"] == ["mine"]]
    assert causes
    helped = [r for cause in diagnosis["causes"] for r in cause["remedies"] if r["helped"]]
    assert helped
    for remedy in helped:
        assert remedy["r_code"] == ""
        assert remedy["python_code"].startswith("data['dose'] = ")
        assert remedy["python_code"].endswith("\n# y ~ dose + (1 | ward)")
