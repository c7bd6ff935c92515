"""The runs of the report's tests: every verdict class, and every way a record can be odd."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from harness.engines.engine import Failure, Fit
from harness.judge.judgement import Judgement
from harness.judge.records import CaseRecord, Printed
from harness.judge.verdict import VerdictClass
from tests.page.html.sample import ENGINE, NASTY, REFERENCE, case, with_audits
from tests.page.html.sample_fits import said

TABLE = (
    ("LM-Global", "2.694785", "0.232842", "2.139165", "0.036643"),
    ("ANCOVA-Inter", "0.932351", "0.130717", "3.441072", "0.001102"),
    ("Aggregation", "0.587859", "6.073401", "7.497672", "0.084411"),
    ("Hierarchical", "0.061318", "0.120808", "3.412469", "0.076190"),
    ("LMM-Inter", "0.916211", "0.131193", "3.453472", "0.000553"),
    ("ANCOVA-Full", "0.935869", "0.129084", "1.978708", "0.052959"),
    ("LMM-Full", "0.911742", "0.127270", "2.757142", "0.005831"),
)


def tutorial_case(row: tuple[str, ...], place: int) -> CaseRecord:
    """Return a rung of the tutorial with its row of the final table."""
    name, *numbers = row
    mixed = name.startswith("LMM")
    printed = []
    for quantity, text in zip(("RMSE", "Coef", "Stat", "Pval"), numbers, strict=True):
        for engine in (ENGINE, REFERENCE):
            other = mixed and engine == REFERENCE and quantity in ("Stat", "Pval")
            printed.append(
                Printed(
                    source="Linear Mixed Models tutorial, final table",
                    quantity=f"table.{quantity}",
                    item="edu",
                    printed=text,
                    engine=engine,
                    value=float(text) * (1.9 if other else 1.0),
                    matches=not other,
                )
            )
    base = case(
        f"tutorial/{name}",
        seed=40 + place,
        apart=1e-8 if mixed else 0.0,
        title=name,
        group="The tutorial's ladder",
        criterion="REML" if mixed else "OLS",
        names=("(Intercept)", "edu"),
        printed=tuple(printed),
    )
    if not mixed:
        linear = msgspec.structs.replace(
            base,
            judgements=tuple(msgspec.structs.replace(j, statements=()) for j in base.judgements),
            fits=tuple(
                msgspec.structs.replace(
                    f, fitter="OLS" if f.engine == ENGINE else "lm", random=(), converged=None
                )
                for f in base.fits
                if isinstance(f, Fit)
            ),
        )
        return with_audits(
            linear,
            lambda a: msgspec.structs.replace(
                a, certificate="closed form", ranks=(), converged_true=None, singular_true=None
            ),
        )
    # By the referee the engine's statistic and p value are what the reference prints.
    stat, p = (float(text) * 1.9 for text in numbers[2:])
    return with_audits(
        base,
        lambda a: msgspec.structs.replace(
            a,
            coefficients=tuple(
                msgspec.structs.replace(c, statistic=stat, p=p) for c in a.coefficients
            ),
        ),
    )


def failing(name: str, verdict: VerdictClass, reason: Any, text: str, **changes: Any) -> CaseRecord:
    """Return a case that the engine under test has no answer for."""
    whole = case(name, **changes)
    failures = [
        Failure(engine=ENGINE, setting=s, reason=reason, text=text) for s in ("default", "tight")
    ]
    return msgspec.structs.replace(
        whole,
        fits=(*failures, *(f for f in whole.fits if f.engine == REFERENCE)),
        judgements=tuple(
            j
            if j.engine == REFERENCE
            else Judgement(
                engine=ENGINE,
                setting=j.setting,
                verdict=verdict,
                finding=said(text),
            )
            for j in whole.judgements
        ),
        comparisons=tuple(
            msgspec.structs.replace(
                c,
                verdict=verdict,
                blamed=(ENGINE,),
                finding=said(text),
                evidence=(),
                differences=(),
            )
            for c in whole.comparisons
        ),
    )


def odd_case() -> CaseRecord:
    """Return a case with names that try to break the page and numbers that are none."""
    base = case(
        f"odd/{NASTY}",
        "UNEXPLAINED",
        seed=77,
        groups=5,
        title=NASTY,
        formula=f"`{NASTY}` ~ "
        + " + ".join(f"I(predictor_{k}^2)" for k in range(25))
        + " + (1 | g)",
        sentence=f"No cause was found for {NASTY}.",
        names=("(Intercept)", NASTY),
    )
    broken = tuple(
        msgspec.structs.replace(
            f,
            coefficients=tuple(
                msgspec.structs.replace(c, estimate=math.nan, se=math.inf, p=None)
                for c in f.coefficients
            ),
            fitted=(math.nan, *f.fitted[1:]),
            residuals=(math.nan, *f.residuals[1:]),
        )
        if isinstance(f, Fit) and f.engine == ENGINE
        else f
        for f in base.fits
    )
    comparisons = tuple(
        msgspec.structs.replace(
            c,
            differences=tuple(
                msgspec.structs.replace(
                    d, value=math.nan, difference=math.nan, digits=math.nan, within=False
                )
                for d in c.differences
            ),
        )
        if c.setting == "default"
        else c
        for c in base.comparisons
    )
    data = msgspec.structs.replace(
        base.data, x_name=NASTY, group_levels=tuple(f"{NASTY}{k}" for k in range(5))
    )
    odd = msgspec.structs.replace(
        base, fits=broken, comparisons=comparisons, data=data, notes=(NASTY,)
    )
    return with_audits(
        odd,
        lambda a: (
            msgspec.structs.replace(
                a,
                gap=math.inf,
                gradient=math.nan,
                coefficients=tuple(
                    msgspec.structs.replace(c, estimate=math.nan, se=None, df=math.inf, p=math.nan)
                    for c in a.coefficients
                ),
            )
            if a.engine == ENGINE
            else a
        ),
    )


def everything() -> list[CaseRecord]:
    """Return about forty cases that look like the real ladder and hold every kind of trouble."""
    cases = [tutorial_case(row, place) for place, row in enumerate(TABLE)]
    for place, (title, formula, groups, per_group) in enumerate(
        (
            ("sleepstudy", "Reaction ~ Days + (1 | Subject)", 18, 10),
            ("sleepstudy slope", "Reaction ~ Days + (Days | Subject)", 18, 10),
            ("sleepstudy independent", "Reaction ~ Days + (Days || Subject)", 18, 10),
            ("dietox", "Weight ~ Time + (1 | Pig)", 72, 12),
            ("dietox slope", "Weight ~ Time + (Time | Pig)", 72, 12),
            ("Sitka", "size ~ Time + (Time | tree)", 79, 5),
            ("nested simulation", "y ~ x + (1 | group1/group2)", 30, 20),
        )
    ):
        for criterion in ("REML", "ML"):
            cases.append(
                case(
                    f"{title.replace(' ', '-')}/{criterion}",
                    "TOLERANCE" if "slope" in title else "AGREE",
                    seed=100 + place,
                    groups=groups,
                    per_group=per_group,
                    apart=2e-5 if "slope" in title else 3e-9,
                    title=title,
                    formula=formula,
                    sentence="Same optimum; the default stopping rules explain the digits."
                    if "slope" in title
                    else "Both engines found the same optimum.",
                )
            )
    for place, (title, groups) in enumerate((("Dyestuff", 6), ("Dyestuff2", 6), ("Pastes", 30))):
        cases.append(
            case(
                f"{title}/REML",
                seed=200 + place,
                groups=groups,
                per_group=5 if groups == 6 else 2,
                with_x=False,
                title=title,
                formula="Yield ~ 1 + (1 | Batch)",
                names=("(Intercept)",),
            )
        )
    cases += [
        case(
            "trap/REML",
            "WRONG_OPTIMUM",
            seed=301,
            groups=6,
            apart=0.08,
            blamed=(ENGINE,),
            causes=("sm-score-sign",),
            title="random slope, small groups",
            sentence="statsmodels stopped short: lme4's answer is better by 0.42 in deviance, and "
            "a direction leads downhill from where statsmodels stopped.",
        ),
        case(
            "trap/ML",
            "WRONG_OPTIMUM",
            seed=302,
            groups=24,
            per_group=6,
            apart=0.05,
            blamed=(REFERENCE,),
            causes=("lme4-column-trap",),
            title="random slope, many groups",
            sentence="lme4 stopped at a false boundary; statsmodels' answer is better.",
        ),
        case(
            "definition/REML",
            "DEFINITION",
            seed=303,
            causes=("se-joint-hessian", "no-such-cause"),
            title="unbalanced intercepts",
            sentence="The same fit; the standard errors are defined otherwise.",
        ),
        case(
            "coding/REML", "CODING", seed=304, title="cake", sentence="Same columns, other basis."
        ),
        failing(
            "crossed/REML",
            "UNSUPPORTED",
            "unsupported",
            "two correlated-slope terms on crossed factors",
            seed=305,
            title="crossed slopes",
            formula="y ~ x + (x | subject) + (x | item)",
        ),
        failing(
            "crash/REML", "FAILED", "crash", "worker ended by signal 11", seed=306, title="crash"
        ),
        odd_case(),
    ]
    return cases


def one_of_each() -> list[CaseRecord]:
    """Return the first case of every verdict class, and a rung of the tutorial."""
    cases = everything()
    found = {cases[6].id: cases[6]}
    for record in reversed(cases):
        if all(v.verdict != record.verdict for v in found.values()):
            found[record.id] = record
    return list(found.values())
