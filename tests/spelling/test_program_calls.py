"""Models that lme4 1.1 and MixedLM do not share, in the words of every program."""

import re

import numpy as np
import pandas as pd
import pytest

from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.referee.best_point import find_optimum
from harness.referee.residual_likelihood import likelihood_of
from harness.spelling.mixedlm_spelling import imported, python_call
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
    ("y ~ x + weights(w)", "cs(visit | s)"),
    ("y ~ x + weights(w)", "us(visit | s)"),
    ("y ~ x", "cs(visit | s) + het(visit)"),
    ("y ~ x", "ar1(factor(visit) | s)"),
    ("y ~ x + (1 | s) + weights(w)", "het(sex)"),
]

LACKING = {
    "lme4": {m for m in MODELS if m[1]},
    "nlme": {m for m in MODELS if m[0].startswith(("y ~ x + cs", "y ~ x + ar1", "y ~ x + hetar1"))}
    | {("y ~ x", "toep(visit | s)")},
    "glmmTMB": {
        m for m in MODELS if m[1].startswith(("corr", "ar1(visit | s) + ", "cs(visit | s) +"))
    }
    | {m for m in MODELS if m[0] == "y ~ x + weights(w)" and m[1]},
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
    # Equal correlations are the same whatever the visits are called: nlme is not given them.
    residual = residual and re.sub(r"cs\(\(?visit\)?", "cs(1", residual)
    return terms, residual and residual.replace("((", "(").replace(") |", " |"), weights


def written(program, model):
    """Whether a program has a call with every part: the offset of nlme is in the outcome."""
    return model not in LACKING[program] and not (program == "nlme" and "offset" in model[0])


@pytest.mark.parametrize(
    ("program", "model"),
    [
        pytest.param(program, model, id=f"{program} {' '.join(model)}")
        for program in ("lme4", "nlme", "glmmTMB", "mmrm", "PROC MIXED")
        for model in MODELS
        if written(program, model)
    ],
)
def test_a_call_that_is_written_is_read_back_as_the_model(program, model):
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


@pytest.mark.parametrize(
    ("text", "residual", "said"),
    [
        ("y ~ x", "us(visit | s)", "nlme: visit has to be a factor of the data, or 1, 2, 3"),
        ("y ~ x", "ar1(factor(visit) | s)", "factor() would close the gaps of missing visits"),
        ("y ~ x + (1 | s) + weights(w)", "", "where it is the standard deviation it has to be h"),
        ("y ~ x", "cs(visit | s)", "glmmTMB 1.1.5 has no homcs() yet"),
    ],
)
def test_what_a_call_asks_of_data_and_versions_is_said(text, residual, said):
    assert said in " ".join(trap.text for trap in translate(text, residual=residual).traps)


def test_visits_that_nlme_numbers_in_each_group_are_told():
    call = "gls(y ~ x, d, corSymm(form = ~ {} | s))"
    inside = translate(call.format("as.integer(factor(v))"))
    assert inside.model.residual.text() == "corr(v | s)"
    assert "numbers the visits that a group has" in " ".join(t.text for t in inside.traps)
    outside = translate(call.format("as.integer(v)"))
    assert outside.model.residual.text() == "corr(v | s)"
    assert not any("numbers the visits" in t.text for t in outside.traps)


def test_compound_symmetry_beside_weights_is_no_random_intercept():
    """Weights scale the whole covariance of residuals, of random effects nothing."""
    for call in (
        "gls(y ~ x, d, corCompSymm(form = ~ 1 | s), weights = varFixed(~ 1 / w))",
        "mmrm(y ~ x + cs(v | s), d, weights = d$w)",
        'mmrm(y ~ x + cs(v | s), d, weights = d[["w"]])',
        "proc mixed; class s v; model y = x; repeated v / subject=s type=cs; weight w; run;",
    ):
        model = translate(call).model
        assert model.random == ()
        assert model.residual.structure == "cs"
        assert model.formula.weights.name == "w"


def test_mixedlm_says_what_it_has_not():
    assert "no residual covariance" in translate("y ~ x", residual="ar1(v | s)").obstacle
    assert "het() beside it" in translate("y ~ x", residual="cs(1 | s) + het(f)").obstacle
    assert "no weights" in translate("y ~ x + weights(w)", residual="cs(1 | s)").obstacle
    assert "cs()" in translate("y ~ x + cs(1 + x | s)").obstacle
    assert "free=" in translate("y ~ x + diag(1 + x | s)").python
    assert "diag() of a factor" in translate("y ~ x + diag(0 + factor(f) | s)").obstacle


def test_compound_symmetry_is_a_random_intercept_in_mixedlm():
    shown = translate("y ~ x", residual="cs(1 | s)")
    assert shown.obstacle == ""
    assert "smf.mixedlm('y ~ x', data, groups=data['s'])" in shown.python
    assert "# correlation cov_re / (cov_re + scale)" in shown.python
    pasted = translate("y ~ x", residual="cs(1 | a:b)").python
    assert "groups=data['a'].astype(str) + \":\" + data['b'].astype(str)" in pasted
    frame = visits_with_gaps()
    model = parse_model("y ~ x", "REML", "cs(1 | s)")
    table = bind(model, frame)
    code = python_call(model, table).replace("model.fit", "made = model.fit")
    scope = {"data": frame}
    exec(imported(code), scope)
    best = find_optimum(likelihood_of(build_design(model, table), reml=True))
    assert scope["made"].llf == pytest.approx(-0.5 * best.deviance, abs=1e-6)


def visits_with_gaps():
    """Subjects in areas, each seen at some of six visits, correlated as neighbours in time are."""
    rng = np.random.default_rng(5)
    rows = []
    for k in range(24):
        subject, noise = rng.normal(), 0.0
        for visit in range(1, 7):
            noise = 0.6 * noise + rng.normal(0.0, 0.8)
            f = (visit + k) % 3
            # Effects of slopes and cells, or a structure has a bound at its optimum.
            mean = 3.0 + subject + 0.7 * np.sin(3.0 * k + 2.0 * f)
            x, spread = rng.normal(), 1.0 + 0.5 * (k % 2)
            row = {
                "s": f"s{k:02}",
                "visit": visit,
                "time": visit + 0.25 * (k % 3),
                "sex": "mf"[k % 2],
                "a": f"a{k // 4}",
                "f": "pqr"[f],
                "x": x,
                "w": rng.uniform(0.3, 3.0),
                "o": rng.normal(),
                "y": mean + (0.5 + 0.3 * np.cos(k)) * x + noise * spread,
            }
            if rng.random() > 0.15:
                rows.append(row)
    return pd.DataFrame(rows)


RUN = [m for m in MODELS if m[0] != "y ~ x + diag(1 + x | s)"] + [
    ("y ~ x + C(f, contr.sum) + (1 | s)", "het(sex)"),
    ("y ~ ns(x, 3)*C(f, contr.helmert) + offset(o)", "car1(time | s)"),
    ("y ~ x + (1 | a)", "ar1(visit | a:s)"),
    ("y ~ x + (1 | s) + offset(o) + weights(w)", ""),
]


@pytest.mark.r
@pytest.mark.slow
@pytest.mark.parametrize("program", ["nlme", "glmmTMB"])
def test_a_call_that_is_written_fits_the_model(r, tmp_path, program):
    """Its log-likelihood is the referee's, also where visits are missing."""
    if not r.call("oracle_has", {"package": program}).numbers("there")[0]:
        pytest.skip(f"{program} is not installed")
    frame = visits_with_gaps()
    path = tmp_path / "data.csv"
    frame.to_csv(path, index=False, float_format="%.17g")
    off = {}
    for i, (text, residual) in enumerate(RUN):
        criterion = ("REML", "ML")[i % 2]
        written = text.replace("(t)", "(visit)").replace("a:b", "a:s")
        model = parse_model(written, criterion, residual)
        call = program_calls(model)[program]
        if call.startswith("# ") or (program == "glmmTMB" and ("hom" in call or "hetar1" in call)):
            continue
        table = bind(model, pd.read_csv(path))
        best = find_optimum(likelihood_of(build_design(model, table), reml=criterion == "REML"))
        reply = r.call("oracle_loglik_of_call", {"path": str(path), "call": call})
        difference = reply.numbers("loglik")[0] + 0.5 * best.deviance
        # Both stop when the log-likelihood changes by less than about 1e-6 of it.
        if not abs(difference) < 2e-4:
            off[call] = difference
    assert off == {}


def test_a_factor_within_a_structure_stays_one():
    calls = program_calls(parse_model("y ~ v + homcs(0 + factor(v) | s)", "REML"))
    assert "nlme::pdCompSymm(~ 0 + factor(v))" in calls["nlme"]
    assert calls["PROC MIXED"] == (
        "# not expressible: v is a number in one place and a class in another; "
        "make a copy of the column"
    )
    calls = program_calls(parse_model("y ~ f + homcs(0 + f | s)", "REML"))
    assert re.search(r"class .*\bf\b.*;", calls["PROC MIXED"])


def test_a_number_that_is_a_group_too_is_no_class_of_sas():
    calls = program_calls(parse_model("y ~ v + (1 | v) + offset(o)", "REML"))
    assert "it has no offset" in calls["PROC MIXED"]
    calls = program_calls(parse_model("y ~ v + diag(1 + x | v)", "REML"))
    assert "v is a number in one place and a class in another" in calls["PROC MIXED"]
