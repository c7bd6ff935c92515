"""Calls of R, pymer4 and SAS: the model they are, what they say beside it, what is refused."""

import pandas as pd
import pytest

from harness.base.errors import BadInput
from harness.spelling.translation import says_criterion, translate

# The call, the model for lme4, its criterion. Log-likelihoods of the nlme models were compared
# with lmer's in R: equal to every printed digit.
MODELS = [
    ("lmer('y ~ x + (1 | g)', d)", "y ~ x + (1 | g)", "REML"),
    ("lmer(y ~ x + (1 | g), d, F)", "y ~ x + (1 | g)", "ML"),
    ("lmer(y ~ x + (1 | g), d, REM = FALSE)", "y ~ x + (1 | g)", "ML"),
    ("glmer(y ~ x + (1 | g), d)", "y ~ x + (1 | g)", "REML"),
    ("glmmTMB(y ~ x + (1 | g), d)", "y ~ x + (1 | g)", "ML"),
    ("glmmTMB(y ~ x + (1 | g), d, REML = TRUE)", "y ~ x + (1 | g)", "REML"),
    ("lme(y ~ x, random = ~ x | g, data = d, method = 'ML')", "y ~ x + (x | g)", "ML"),
    ("nlme::lme(y ~ x, d, ~ 1 | a/b)", "y ~ x + (1 | a/b)", "REML"),
    (
        "lme(y ~ x, d, list(a = ~ 1, b = pdDiag(~ x)))",
        "y ~ x + (1 | a) + (x || a:b)",
        "REML",
    ),
    ("lme(y ~ x, d, list(g = pdSymm(form = ~ x)))", "y ~ x + (x | g)", "REML"),
    ("gls(y ~ x, d)", "y ~ x", "OLS"),
    ("lmer(y ~ x + (1 | g), d, offset = 2*o)", "y ~ x + (1 | g) + offset(2 * o)", "REML"),
    ("gls(y ~ x, d, corCompSymm(form = ~ 1 | a/b))", "y ~ x + (1 | a:b)", "REML"),
    ("mmrm(y ~ t * v + cs(v | id), d, reml = FALSE)", "y ~ t * v + (1 | id)", "ML"),
    ("mmrm(y ~ cs(v | id) + t, d)", "y ~ t + (1 | id)", "REML"),
    ('m = Lmer("y ~ x + (x | g)", data=d)\nm.fit(REML=False)', "y ~ x + (x | g)", "ML"),
    (
        "proc mixed data=d method=ml; class g t; model y = t|x / ddfm=sat; "
        "random int x / subject=g type=un; run;",
        "y ~ factor(t) * x + (1 + x | g)",
        "ML",
    ),
    (
        "proc mixed; class g; model y = x; random int x / sub=g; run;",
        "y ~ x + (1 | g) + (0 + x | g)",
        "REML",
    ),
    (
        "proc mixed; class g t; model y = t; random int t / subject=g; run;",
        "y ~ factor(t) + (1 | g) + (1 | g:t)",
        "REML",
    ),
    (
        "PROC MIXED; CLASS b c; MODEL y = ; RANDOM b c(b); RUN;",
        "y ~ 1 + (1 | b) + (1 | c:b)",
        "REML",
    ),
    (
        "proc mixed; class g; model y = x / noint; repeated / subject=g type=cs; run;",
        "y ~ 0 + x + (1 | g)",
        "REML",
    ),
]


@pytest.mark.parametrize(("call", "formula", "criterion"), MODELS)
def test_a_call_of_another_program_is_the_model_it_fits(call, formula, criterion):
    assert says_criterion(call)
    found = translate(call)
    direct = translate(formula, criterion="ML" if criterion == "ML" else "REML")
    assert (found.formula, found.model.criterion) == (direct.formula, criterion)
    assert (found.python, found.r) == (direct.python, direct.r)


# In lme a correlation without groups has those of the random effects.
INNERMOST = [
    ("lme(y ~ x, d, ~ 1 | g, correlation = corAR1())", "ar1(1 | g)"),
    ("lme(y ~ x, d, ~ 1 | a/b, correlation = corAR1())", "ar1(1 | a:b)"),
    ("lme(y ~ x, d, list(a = ~ 1, b = ~ 1), corCAR1(form = ~ time))", "car1(time | a:b)"),
    ("lme(y ~ x, d, list(g = pdDiag(~ x)), corAR1(0.3, ~ visit))", "ar1(visit | g)"),
    ("lme(y ~ x, d, ~ 1 | g, correlation = corAR1(0.3, form = ~ v | g))", "ar1(v | g)"),
    ("lme(y ~ x, d, ~ 1 | g, corSymm(form = ~ v), varIdent(form = ~ 1 | v))", "us(v | g)"),
]


@pytest.mark.parametrize(("call", "residual"), INNERMOST)
def test_a_correlation_of_lme_is_within_the_innermost_group(call, residual):
    assert translate(call).model.residual.text() == residual


# The call, what is named in the refusal, the reason.
REFUSED = [
    ("glmer(y ~ x + (1 | g), d, family = binomial)", "glmer(family = binomial)", "generalised"),
    ("glmer.nb(y ~ x + (1 | g), d)", "glmer.nb()", "negative binomial"),
    ('Lmer("y ~ x + (1 | g)", data=d, family="poisson")', "family = poisson", "generalised"),
    ("gls(y ~ x, d, correlation = corAR1())", "corAR1()", "say its groups"),
    ("gls(y ~ x, d, correlation = corARMA(form = ~ t | g, p = 2))", "corARMA", "known are"),
    ("lme(y ~ x, d, ~ 1 | g, weights = varPower())", "varPower()", "known are"),
    ("lme(y ~ x, d, list(g = pdSpatial(~ f - 1)))", "pdSpatial", "known are"),
    ("lme(y ~ x, d)", "lme()", "random ="),
    ("mmrm(y ~ t + ad(v | id), d)", "ad(v | id)", "known are"),
    ("mmrm(y ~ t + cs(v | arm/id), d)", "cs(v | arm/id)", "the same for all subjects"),
    ("glmmTMB(y ~ x + toep(0 + t | g), d)", "toep()", "known are"),
    ("glmmTMB(y ~ x + (1 | g), d, ziformula = ~ 1)", "ziformula", "no such part"),
    ("brm(y ~ x + (1 | g), d)", "brm()", "priors"),
    ("nlmer(y ~ f(x) ~ (a | g), d)", "nlmer()", "nonlinear"),
    ("lmer(y ~ x + (1 | g), d, offset = d[, 3])", "offset = d[, 3]", "make one of the data"),
    ("glmmTMB(y ~ x + (1 | g), d, weights = w)", "weights = w", "dispformula = ~ 1 + offset(-log"),
    ("glmmTMB(y ~ x + (1 | g), d, dispformula = ~ log(x))", "~ log(x)", "known are"),
    ("glmmTMB(y ~ x + (1 | g), d, dispformula = ~ 0)", "dispformula = ~ 0", "one term of visits"),
    ("mmrm(y ~ t + us(v | id), d, weights = 1 / s^2)", "1 / s^2", "make one of the data"),
    ("lm(y ~ x, d, weights = w^2)", "weights = w^2", "part of the model"),
    ("lmer(f, d)", "formula = f", "not written out"),
    (
        "proc mixed; class g v; model y = v; repeated v / subject=g type=ante(1); run;",
        "TYPE=ANTE",
        "known are",
    ),
    ("proc mixed; model y = x; random int x / subject=g type=toep; run;", "TYPE=TOEP", "known are"),
    ("proc glimmix; model y = x; run;", "PROC GLIMMIX", "PROC MIXED is"),
]


@pytest.mark.parametrize(("call", "named", "reason"), REFUSED)
def test_what_neither_program_has_is_refused_by_name_with_the_reason(call, named, reason):
    with pytest.raises(BadInput) as caught:
        translate(call)
    assert named in str(caught.value)
    assert reason in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


# The call, the key of what is said, words that must be in it. All are the same model.
SAID = [
    ("lmer(y ~ x + (1 | g), d[d$z > 1, ])", "rows", "d[d$z > 1, ]"),
    ("lmer(y ~ x + (1 | g), na.omit(d))", "rows", "na.omit(d)"),
    ("d %>% lmer(y ~ x + (1 | g), data = .)", "rows", "data = ."),
    ("lmer(y ~ x + (1 | g), d, subset = z > 1)", "rows", "subset = z > 1"),
    ("lmer(y ~ x + (1 | g), d, contrasts = list(x = contr.sum))", "contrasts", "contr.sum"),
    ("lmer(y ~ x + (1 | g), d, na.action = na.fail)", "missing", "na.action = na.fail"),
    ("lmer(y ~ x + (1 | g), d, control = lmerControl('bobyqa'))", "optimizer-options", "bobyqa"),
    ("lmer(y ~ x + (1 | g), d, start = 1)", "optimizer-options", "start = 1"),
    ("lmer(y ~ x + (1 | g), d, devFunOnly = TRUE)", "not-translated", "returns no fit"),
    ("lmer(y ~ x + (1 | g), d, wieghts = w)", "not-translated", "wieghts = w"),
    ("d$x <- scale(d$x)\nlmer(y ~ x + (1 | g), d)", "prepared-data", "d$x <- scale(d$x)"),
    ("gls(y ~ x, d, corCompSymm(form = ~ 1 | g))", "compound-symmetry", "negative"),
    ("lme(y ~ x, d, ~ 1 | g)", "nlme-tests", "sqrt(n / (n - p))"),
    ('Lmer("y ~ x + (1 | g)", data=d).fit(factors={"x": [1]})', "contrasts", "factors="),
    ("proc mixed; where z > 1; class g; model y = x; random g; run;", "rows", "WHERE z > 1"),
    (
        "proc mixed; class g; model y = x; random g; lsmeans t; run;",
        "not-translated",
        "LSMEANS",
    ),
    ('smf.mixedlm("y ~ x", d[d.z > 1], groups="g")', "rows", "d[d.z > 1]"),
    ('smf.mixedlm("y ~ x", d.query("z > 1"), groups="g")', "rows", "query"),
    ('smf.mixedlm("y ~ x", d, groups="g", subset=d.z > 1)', "rows", "subset=d.z > 1"),
    (
        'd = pd.read_csv("d.csv")\nd = d[d.z > 1]\nsmf.mixedlm("y ~ x", d, groups="g")',
        "prepared-data",
        "d = d[d.z > 1]",
    ),
    (
        'd["x"] = d.x - d.x.mean()\nsmf.mixedlm("y ~ x", d, groups="g")',
        "prepared-data",
        "d['x'] = d.x - d.x.mean()",
    ),
    (
        'e = d[d.z > 1]\nf = e\nsmf.mixedlm("y ~ x", f, groups="g")',
        "prepared-data",
        "e = d[d.z > 1]",
    ),
    ('smf.mixedlm("y ~ x", d.dropna(), groups="g")', "missing", "any column"),
    ('smf.mixedlm("y ~ x", d, groups="g").fit(["nm"], maxiter=9)', None, "with their names"),
    ('smf.mixedlm("y ~ x", d, groups="g").fit(maxiter=9)', "optimizer-options", "maxiter=9"),
    ('smf.mixedlm("y ~ x", d, groups="g", wieghts=w)', "not-translated", "wieghts=w"),
    ('smf.mixedlm("y ~ x", d, groups="g", weights=w)', None, "takes weights="),
    ('smf.mixedlm("y ~ x", d, groups="g").fit(cov_pen=p)', None, "penalises"),
    ('smf.mixedlm("y ~ x", d, groups="g").fit(**o)', None, "behind ** cannot be read"),
]


@pytest.mark.parametrize(("call", "key", "words"), SAID)
def test_nothing_in_a_call_is_dropped_without_a_word(call, key, words):
    if key is None:
        with pytest.raises(BadInput, match=r"call: ") as caught:
            translate(call)
        assert words in str(caught.value)
        return
    found = translate(call)
    assert found.formula == "y ~ x + (1 | g)"
    assert any(trap.key == key and words in trap.text for trap in found.traps)


@pytest.mark.parametrize(
    "call",
    [
        "lmer(y ~ x + (1 | g), d, na.action = na.omit)",
        'd = pd.read_csv("d.csv")\nd["other"] = d.q * 2\nsmf.mixedlm("y ~ x", d, groups="g")',
        'd = pd.read_csv("d.csv").dropna(subset=["y"])\nsmf.mixedlm("y ~ x", d, groups="g")',
        "d <- read.csv('d.csv')\nlmer(y ~ x + (1 | g), d)",
    ],
)
def test_what_changes_nothing_is_not_warned_of(call):
    keys = {trap.key for trap in translate(call).traps}
    assert not keys & {"rows", "prepared-data", "not-translated", "optimizer-options"}


PASTED = 'smf.mixedlm("y ~ x", d, groups=d.a.astype(str) + d.b.astype(str))'


def _table(a, b):
    return pd.DataFrame({"y": 1.0, "x": range(len(a)), "a": a, "b": b})


def test_columns_pasted_without_a_separator_are_unsafe():
    [said] = [t for t in translate(PASTED).traps if t.key == "pasted-without-separator"]
    assert "1 and 11 give the same label as 11 and 1" in said.text
    separated = PASTED.replace(" + ", ' + "_" + ')
    assert not [t for t in translate(separated).traps if t.key == "pasted-without-separator"]
    joined = 'smf.mixedlm("y ~ x", d, groups=d.a.str.cat(d.b, sep="_"))'
    assert translate(joined).formula == "y ~ x + (1 | a:b)"


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ([1, 11, 2, 1], [11, 1, 3, 11], "3 combinations become 2 groups"),
        (["p", "q", "p", "q"], ["r", "r", "s", "s"], "its 4 combinations stay apart"),
    ],
)
def test_the_data_tell_whether_pasting_merged_groups(a, b, said):
    found = translate(PASTED, frame=_table(a, b))
    [trap] = [t for t in found.traps if t.key == "pasted-without-separator"]
    assert said in trap.text


def test_numbers_joined_by_a_plus_are_added_up():
    found = translate(
        'smf.mixedlm("y ~ x", d, groups=d.a + d.b)', frame=_table([1, 2, 3], [3, 2, 1])
    )
    [trap] = [t for t in found.traps if t.key == "pasted-without-separator"]
    assert "3 combinations become 1 groups" in trap.text
