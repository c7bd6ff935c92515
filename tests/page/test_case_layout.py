"""One case on a terminal: numbers side by side, verdicts with causes, definitions."""

import io

import msgspec
from rich.console import Console

from harness.judge.case_verdict import told
from harness.judge.causes.entries import load_known
from harness.page.appearance import VERDICTS
from harness.page.case_layout import case_page
from harness.page.terminal_page import print_page
from tests.page.html import sample, sample_runs


def printed(case, width=120):
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False)
    print_page(case_page(case, {"statsmodels": "0.15.0", "lme4": "1.1-31"}), console)
    return out.getvalue()


TRAP = sample.case("trap/REML", "WRONG_OPTIMUM", blamed=("statsmodels",), causes=("sm-score-sign",))


def test_a_verdict_has_the_sign_and_the_word_of_the_table():
    look = VERDICTS["WRONG_OPTIMUM"]
    assert f"\n{look.sign} {look.label}  " in printed(TRAP)


def test_a_cause_is_explained_once_however_many_engines_it_holds_for():
    cause = load_known()["sm-score-sign"]
    text = printed(sample.with_a_third(TRAP))
    assert text.count("cause   sm-score-sign:") == 2
    assert text.count(f"{cause.title}.") == 1
    assert text.count("  to try  ") == 1
    assert text.count("to try is not run here") == 1


def test_nothing_is_said_of_what_to_try_where_nothing_is():
    assert "to try" not in printed(sample.case("fine/REML"))


def test_engines_that_do_not_fit_beside_each_other_have_a_table_each():
    case = sample.with_a_third(TRAP)
    heads = [
        [line for line in printed(case, width).splitlines() if "lme4 1.1-31" in line]
        for width in (300, 100)
    ]
    assert [len(one) for one in heads] == [1, 2]


def test_a_p_value_too_small_for_a_float_is_not_zero():
    default = TRAP.comparisons[0]
    fits = tuple(
        msgspec.structs.replace(
            f, coefficients=tuple(msgspec.structs.replace(c, p=0.0) for c in f.coefficients)
        )
        if f.engine == sample.ENGINE
        else f
        for f in TRAP.fits
    )
    text = printed(msgspec.structs.replace(TRAP, fits=fits, comparisons=(default,)))
    rows = [line for line in text.splitlines() if line.split()[:1] == ["p"]]
    assert [row.split()[1] for row in rows] == ["<1e-307"] * 2


def test_an_engine_without_an_answer_says_why():
    case = sample_runs.failing("crash/REML", "FAILED", "crash", "ended by signal 11")
    text = printed(case)
    assert "statsmodels: no fit (crash): ended by signal 11" in text
    assert "lme4: logLik" in text
    assert [one.verdict for one in told(case, "default")] == ["FAILED"]
