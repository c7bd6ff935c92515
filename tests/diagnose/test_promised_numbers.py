"""A remedy's code, run in a process of its own, gives the numbers that the diagnosis promises."""

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
                    yield name, path, remedy


def broken(first, last, ready, folder):
    """How many codes were run, and those that gave other numbers than promised."""
    remedies = list(promised(first, last, ready, folder))
    count, wrong = 0, []
    for language, run in (("python_code", python_answers), ("r_code", r_answers)):
        shown = [
            (name, path, remedy, code)
            for name, path, remedy in remedies
            if (code := getattr(remedy, language)) and not code.startswith("# not expressible")
        ]
        if not shown:
            continue
        answers = run([(path, code) for _, path, _, code in shown], folder)
        for (name, _, remedy, code), (loglik, effects) in zip(shown, answers, strict=True):
            count += 1
            row = remedy.after.focus
            off = abs(loglik - remedy.after.loglik) > LOGLIK
            if row is not None and row.name in effects and row.se:
                off = off or abs(effects[row.name] - row.estimate) > ESTIMATE * row.se
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
    assert count >= 10
