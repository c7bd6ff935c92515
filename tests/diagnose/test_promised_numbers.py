"""A remedy's code, run in a process of its own, gives the numbers that the diagnosis promises."""

import re

import numpy as np
import pytest

from harness.data.datasets import Dataset, read_csv
from harness.data.own_table import own_rung
from harness.diagnose.pipeline import diagnose
from tests.diagnose.far_predictors import FORMULAS, KINDS, generated
from tests.diagnose.fresh_process import python_answers, r_answers

pytestmark = [pytest.mark.r, pytest.mark.slow]

LOGLIK = 1e-4  # The tolerance of a log-likelihood at default settings.
ESTIMATE = 1e-3  # That of a fixed effect, in standard errors.


def cases(first, last):
    """Numbered cases, every kind of predictor with every formula in turn."""
    for number in range(first, last):
        kind = list(KINDS)[number % len(KINDS)]
        formula = FORMULAS[(number // len(KINDS) + number) % len(FORMULAS)]
        yield f"{number} {kind} {formula}", formula, generated(kind, formula, number)


def promised(first, last, ready, folder):
    """Every remedy that is said to help, with its code and what it promises."""
    for name, formula, frame in cases(first, last):
        path = folder / f"case{name.split()[0]}.csv"
        frame.to_csv(path, index=False)
        data = Dataset(path.name, read_csv(path), "generated")
        found = diagnose(own_rung("case", data, formula, "REML"), ready(), quick=True)
        for cause in found.causes:
            for remedy in cause.remedies:
                if remedy.helped and remedy.kind != "inference":
                    yield name, path, remedy, (data, formula)


LINE = re.compile(
    r"data\[+.(\w+).\]+ (?:=|<-) \(?data\[+.\w+.\]+(?: - ([-+\d.e]+)\)?)?(?: / ([-+\d.e]+))?"
)


def in_units(code, data, formula):
    """What the units of the data add to the log-likelihood, and of how many of them a unit is.

    By REML y' = y / s and X' = X A change it by (n - p) log s and half of log |X'X|.
    """
    frame, sizes = data.frame.copy(), {}
    for column, less, by in LINE.findall(code):
        sizes[column] = float(by or 1.0)
        frame[column] = (frame[column] - float(less or 0.0)) / sizes[column]
    outcome = formula.split("~")[0].strip()
    s = sizes.pop(outcome, 1.0)
    one, two = (
        own_rung("case", Dataset("data", table, "generated"), formula, "REML").case.design.x
        for table in (data.frame, frame)
    )
    volumes = [np.log(np.abs(np.diag(np.linalg.qr(x)[1]))).sum() for x in (one, two)]
    n, p = one.shape
    moved = volumes[1] - volumes[0] - (n - p) * np.log(s)
    return moved, s, sizes


def in_data_units(name, value, s, sizes):
    """A slope, or one of an interaction, in the units of the data: s by those of its columns."""
    return value * s / np.prod([sizes.get(part, 1.0) for part in name.split(":")])


def broken(first, last, ready, folder):
    """How many codes were run, and those that gave other numbers than promised."""
    remedies = list(promised(first, last, ready, folder))
    count, wrong = 0, []
    for language, run in (("python_code", python_answers), ("r_code", r_answers)):
        shown = [
            (name, path, remedy, code, asked)
            for name, path, remedy, asked in remedies
            if (code := getattr(remedy, language)) and not code.startswith("# not expressible")
        ]
        if not shown:
            continue
        answers = run([(path, code) for _, path, _, code, _ in shown], folder)
        for (name, _, remedy, code, asked), (stated, by_name) in zip(shown, answers, strict=True):
            count += 1
            row, loglik, effects = remedy.after.focus, stated, by_name
            if remedy.steps:  # told in the units of the data, and the code has others
                moved, s, sizes = in_units(code, *asked)
                loglik = stated + moved
                effects = {n: in_data_units(n, value, s, sizes) for n, value in by_name.items()}
                effects.pop("Intercept", None)
                effects.pop("(Intercept)", None)
            apart = abs(loglik - remedy.after.loglik)
            off = apart > LOGLIK
            if row is not None and row.name in effects and row.se:
                # The code for R gives R's numbers, what is promised may be statsmodels': where two
                # fits are apart by d in log-likelihood, estimates are by up to sqrt(2 d) SE.
                far = max(ESTIMATE, np.sqrt(2.0 * apart)) * row.se
                off = off or abs(effects[row.name] - row.estimate) > far
            if off:
                wrong.append((name, language, remedy.title, remedy.after.loglik, loglik, code))
    return count, wrong


def test_code_from_the_page_gives_the_promised_numbers(ready, tmp_path):
    count, wrong = broken(0, 3, ready, tmp_path)
    assert wrong == []
    assert count >= 3


@pytest.mark.study
@pytest.mark.parametrize("first", range(0, 200, 20))
def test_code_of_200_generated_cases_gives_the_promised_numbers(first, ready, tmp_path):
    count, wrong = broken(first, first + 20, ready, tmp_path)
    print(f"cases {first} to {first + 19}: {count} codes run, {len(wrong)} off")
    assert wrong == []
    assert count >= 30
