"""Models that lme4 1.1 and MixedLM do not share, in the words of every program."""

import pytest

from harness.model.model import parse_model
from harness.spelling.program_calls import needs_other_programs, program_calls
from harness.spelling.translation import translate

MODELS = [
    ("y ~ x + diag(1 + x | s)", ""),
    ("y ~ x + cs(0 + f | s)", ""),
    ("y ~ x + homcs(0 + f | s)", ""),
    ("y ~ x + homdiag(0 + f | s)", ""),
    ("y ~ x + ar1(0 + factor(t) | s)", ""),
    ("y ~ x + hetar1(0 + factor(t) | s)", ""),
    ("y ~ x + (x | s) + weights(w)", ""),
    ("y ~ x + (1 | s) + offset(o)", ""),
    ("y ~ x + (1 | a) + (1 | a:b)", "het(sex)"),
    ("y ~ x", "ar1(visit | s)"),
    ("y ~ x", "us(visit | s)"),
    ("y ~ x", "toep(visit | s)"),
    ("y ~ x", "car1(time | s)"),
    ("y ~ x", "corr(visit | s)"),
    ("y ~ x", "ar1(visit | s) + het(sex)"),
    ("y ~ x", "ar1(visit | s) + het(visit)"),
    ("y ~ x + (1 | s)", "ar1(visit | s)"),
    ("y ~ x + weights(w)", "ar1(visit | s)"),
    ("y ~ x + (1 | s) + weights(w)", "het(sex)"),
]

LACKING = {
    "lme4": {m for m in MODELS if m[1]},
    "nlme": {m for m in MODELS if m[0].startswith(("y ~ x + cs", "y ~ x + ar1", "y ~ x + hetar1"))}
    | {("y ~ x", "toep(visit | s)")},
    "glmmTMB": {m for m in MODELS if m[1].startswith(("corr", "ar1(visit | s) + "))}
    | {("y ~ x + weights(w)", "ar1(visit | s)")},
    "mmrm": {m for m in MODELS if "|" in m[0] or m[1] == "" or m[1].startswith("corr")}
    | {("y ~ x", "ar1(visit | s) + het(sex)")},
    "PROC MIXED": {m for m in MODELS if "offset" in m[0] or m[1].startswith("corr")}
    | {("y ~ x", "ar1(visit | s) + het(sex)")},
}
"""Models that a program has not."""


@pytest.mark.parametrize("program", LACKING)
def test_what_a_program_has_not_is_said_and_nothing_else(program):
    said = {
        m
        for m in MODELS
        if program_calls(parse_model(m[0], "REML", m[1]))[program].startswith("# not expressible: ")
    }
    assert said == LACKING[program]


def parts(model):
    """What a model is, whatever its columns are called in CLASS or factor()."""
    residual = None if model.residual is None else model.residual.text().replace("factor(", "(")
    terms = {
        (
            t.group,
            t.structure,
            t.effects.intercept,
            tuple(a.name for e in t.effects.terms for a in e),
        )
        for t in model.random
    }
    weights = model.formula.weights and model.formula.weights.name
    return terms, residual and residual.replace("((", "(").replace(") |", " |"), weights


@pytest.mark.parametrize("model", MODELS, ids=" ".join)
@pytest.mark.parametrize("program", ["lme4", "nlme", "glmmTMB", "mmrm", "PROC MIXED"])
def test_a_call_that_is_written_is_read_back_as_the_model(program, model):
    if model in LACKING[program]:
        pytest.skip("it has no such model")
    if program == "glmmTMB" and (model[1] or "weights" in model[0]):
        pytest.skip("its dispersion is not read")
    if program == "nlme" and "offset" in model[0]:
        pytest.skip("the offset is in the outcome")
    wanted = parse_model(model[0], "REML", model[1])
    found = translate(program_calls(wanted)[program]).model
    if program == "PROC MIXED" and "homdiag" in model[0]:
        assert parts(found)[0] == {(("s", "f"), "", True, ())}  # TYPE=VC: a group of its own
        return
    if "diag(1 + x" in model[0] and program == "nlme":
        assert len(found.random) == 2  # written with ||, the same of a number
        return
    assert parts(found) == parts(wanted)


def test_structures_are_in_the_words_of_lme4_2_0():
    calls = [program_calls(parse_model(f"y ~ x + {t}"))["lme4"] for t in (
        "homcs(0 + f | s)", "hetar1(0 + factor(t) | s)", "homdiag(0 + I(x^2) | s)", "cs(x | s)"
    )]  # fmt: skip
    assert [call.split("x + ", 1)[1].split(", data")[0] for call in calls] == [
        "cs(0 + f | s, hom = TRUE)",
        "ar1(0 + factor(t) | s, hom = FALSE)",
        "diag(0 + I(x^2) | s, hom = TRUE)",
        "cs(x | s)",
    ]


def test_plain_models_need_no_other_program():
    assert not needs_other_programs(parse_model("y ~ x + (x || s)"))
    assert translate("y ~ x + (x || s)").programs == {}


def test_mixedlm_says_what_it_has_not():
    assert "no residual covariance" in translate("y ~ x", residual="ar1(v | s)").obstacle
    assert "cs()" in translate("y ~ x + cs(1 + x | s)").obstacle
    assert "free=" in translate("y ~ x + diag(1 + x | s)").python
    assert "diag() of a factor" in translate("y ~ x + diag(0 + factor(f) | s)").obstacle
