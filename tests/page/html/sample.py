"""Records made up for the tests of what people see: one case, its fits and judgements, a run."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from harness.engines.engine import Coefficient, Failure, Fit
from harness.judge.audit import Audit
from harness.judge.causes.entries import KnownDifference
from harness.judge.comparison import Comparison
from harness.judge.judgement import Judgement
from harness.judge.records import (
    FORMAT,
    CaseRecord,
    Column,
    DataSummary,
    Footer,
    Header,
    Run,
)
from harness.judge.verdict import Finding, VerdictClass
from tests.page.html.sample_fits import (
    ENGINE,
    REFERENCE,
    compare,
    evidence_of,
    fit,
    said,
    scores,
    statements,
)

NASTY = "<script>alert('x')</script> & \"Größe\" Δ 温度"


def explained(
    title: str,
    definition: str,
    evidence: str = "",
    upstream: tuple[str, ...] = (),
    remedy: str = "",
    kind: Any = "defect",
) -> KnownDifference:
    """Return an explanation that the project does not have."""
    return KnownDifference(
        title=title,
        kind=kind,
        definition=definition,
        evidence=evidence,
        remedy=remedy,
        upstream=upstream,
    )


KNOWN = {
    "z-for-t": explained(
        "A z test printed where lmerTest prints a t test",
        "statsmodels compares estimate / SE with the normal distribution; lmerTest uses a t "
        "distribution with Satterthwaite's degrees of freedom.",
        "The statistics agree to 9 digits; the p values are those of the two distributions.",
        ("statsmodels#2620",),
        "Read the like-for-like p value.",
        kind="definition",
    ),
    "se-joint-hessian": explained(
        "Standard errors from the joint Hessian",
        "statsmodels inverts the Hessian in fixed effects and variances together; lme4 takes "
        "(X'V⁻¹X)⁻¹ at the estimated variances. They are equal on balanced data.",
        "The fixed-effects block of statsmodels' own Hessian gives lme4's SE.",
        kind="definition",
    ),
    "variance-se-column": explained(
        "No standard errors of variances",
        "The column scales with the wrong power of the units of y.",
        kind="definition",
    ),
    "sm-score-sign": explained(
        "A gradient with the wrong sign",
        "score_sqrt packs through a positive Cholesky factor, which turns the sign of a column "
        "whose diagonal is negative; the optimizer then stops where it should not.",
        "At the reported point the certificate finds a direction of descent.",
        ("statsmodels#10239",),
        'fit(method="lbfgs") or gtol=1e-9.',
    ),
    "lme4-column-trap": explained(
        "A false boundary made by theta >= 0",
        "With theta_11 = 0 and theta_21 != 0 the bound makes a stationary point, not an optimum.",
        remedy="Restart from a perturbed theta.",
    ),
    "true-boundary": explained(
        "The optimum is on the boundary",
        "The data hold no evidence for this much variance.",
        kind="data",
    ),
}


def header(**changes: Any) -> Header:
    """Return a header; keyword arguments replace its fields."""
    fields: dict[str, Any] = {
        "format": FORMAT,
        "program": "lmm-parity 0.1.0",
        "created": "2026-11-22T15:04:11Z",
        "title": "Python and R on the tutorial's ladder",
        "engines": (ENGINE, REFERENCE),
        "reference": REFERENCE,
        "settings": ("default", "tight"),
        "planned": 0,
        "versions": {
            "python": "3.11.7",
            "numpy": "2.4.6",
            "statsmodels": "0.15.0",
            "R": "4.2.2",
            "lme4": "1.1-31",
            "lmerTest": "3.1-3",
        },
        "platform": {"system": "Linux 6.1", "machine": "x86_64", "locale": "C.UTF-8"},
        "blas": {"numpy": "openblas 0.3.30 (Haswell, 1 thread)", "R": "libblas 3.11.0"},
        "environment": {"OMP_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell"},
        "seed": 20261122,
        "options": {"ladder": "tutorial", "settings": "default, tight"},
        "command": "lmm-parity report --ladder tutorial --seed 20261122",
        **changes,
    }
    return Header(**fields)


def run(cases: list[CaseRecord], *, finished: bool = True, **changes: Any) -> Run:
    """Return a run of these cases."""
    counts: dict[str, int] = {}
    for case in cases:
        kind = case.verdict
        counts[kind] = counts.get(kind, 0) + 1
    footer = Footer(
        cases=len(cases),
        properties=0,
        verdicts=counts,
        finished="2026-11-22T15:05:02Z",
        seconds=51.3,
    )
    return Run(
        header=header(**{"planned": len(cases), **changes}),
        cases=tuple(cases),
        properties=(),
        footer=footer if finished else None,
    )


def grouped_data(
    seed: int, groups: int, per_group: int, *, with_x: bool = True, slope: float = 0.5
) -> tuple[DataSummary, np.ndarray, np.ndarray]:
    """Return data of a random-intercept model with fitted values and residuals."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), per_group)
    x = np.tile(np.arange(per_group, dtype=float), groups)
    fitted = 5.0 + slope * x * with_x + rng.normal(0, 2, groups)[group]
    residuals = rng.normal(0, 1, group.size)
    summary = DataSummary(
        name=f"sample{seed}",
        origin="made up by tests/page/html/sample.py",
        checksum=f"{seed:032x}",
        rows=group.size + 2,
        rows_used=group.size,
        columns=(
            Column(name="y", kind="numeric", missing=2),
            Column(name="x", kind="numeric"),
            Column(name="g", kind="factor", levels=tuple(f"s{k}" for k in range(groups))),
        ),
        groups={"g": groups},
        x_name="x" if with_x else "",
        y_name="y",
        group_name="g",
        group_levels=tuple(f"s{k}" for k in range(groups)),
        x=tuple(x.tolist()) if with_x else (),
        y=tuple((fitted + residuals).tolist()),
        group=tuple(int(k) for k in group),
    )
    return summary, fitted, residuals


def case(
    name: str,
    verdict: VerdictClass = "AGREE",
    *,
    seed: int = 1,
    groups: int = 3,
    per_group: int = 20,
    with_x: bool = True,
    apart: float = 1e-9,
    blamed: tuple[str, ...] = (),
    causes: tuple[str, ...] = (),
    sentence: str = "Both engines found the same optimum.",
    names: tuple[str, ...] = ("(Intercept)", "x"),
    **changes: Any,
) -> CaseRecord:
    """Return a case whose engines differ by about ``apart``, relative."""
    data, fitted, residuals = grouped_data(seed, groups, per_group, with_x=with_x)
    rng = np.random.default_rng(seed + 1000)
    estimates = {n: float(v) for n, v in zip(names, rng.normal(3, 4, len(names)), strict=True)}
    effects = rng.normal(0, 2, (groups, 1))
    fits: list[Fit | Failure] = []
    judgements: list[Judgement] = []
    comparisons: list[Comparison] = []
    for setting in ("default", "tight"):
        gap = apart if setting == "default" else apart * 1e-4
        rows = {
            engine: [
                Coefficient(
                    name=n,
                    estimate=v * (1 + shift),
                    se=abs(v) * 0.2 * (1 + shift),
                    df=17.0 * (1 + 3 * shift),
                    statistic=5.0,
                    p=min(1.0, 3.26e-6 * (1 + 9 * shift)),
                )
                for n, v in estimates.items()
            ]
            for engine, shift in ((ENGINE, gap), (REFERENCE, 0.0))
        }
        for engine, shift in ((ENGINE, gap), (REFERENCE, 0.0)):
            fits.append(
                fit(
                    engine,
                    setting,
                    rows[engine],
                    data,
                    fitted * (1 + shift),
                    residuals,
                    effects,
                    shift,
                )
            )
            wrong = engine in blamed and verdict == "WRONG_OPTIMUM"
            audit = Audit(
                engine=engine,
                setting=setting,
                certificate="stopped short" if engine in blamed else "interior optimum",
                loglik=-871.8141 - (shift if engine in blamed else 0),
                loglik_error=1e-11,
                gap=shift if engine in blamed else 0.0,
                gradient=shift,
                dual=None,
                ranks=(1,),
                gls_distance=1e-9,
                coefficients=tuple(rows[engine]),
                converged_true=engine not in blamed,
                singular_true=True,
            )
            judgements.append(
                Judgement(
                    engine=engine,
                    setting=setting,
                    verdict="WRONG_OPTIMUM" if wrong and setting == "default" else "RIGHT",
                    finding=Finding(key="right", engines=(engine,)),
                    audit=audit,
                    statements=statements(engine, rows[engine]),
                )
            )
        main = setting == "default"
        comparisons.append(
            Comparison(
                engine=ENGINE,
                reference=REFERENCE,
                setting=setting,
                verdict=verdict if main else "AGREE",
                blamed=blamed if main else (),
                finding=said(sentence) if main else said("Tightened, both agree."),
                evidence=evidence_of(causes) if main else (),
                differences=tuple(compare(setting, rows, gap)),
            )
        )
    fields: dict[str, Any] = {
        "id": name,
        "title": name.split("/", maxsplit=1)[0],
        "group": "Beyond the tutorial",
        "formula": "y ~ x + (1 | g)" if with_x else "y ~ 1 + (1 | g)",
        "criterion": "ML" if name.endswith("ML") and not name.endswith("REML") else "REML",
        "words": "A line in x whose intercept varies between groups g.",
        "spelling": {
            ENGINE: 'MixedLM.from_formula("y ~ x", data, groups="g", re_formula="1")',
            REFERENCE: "lmer(y ~ x + (1 | g), data, REML = TRUE)",
        },
        "focus": names[-1],
        "data": data,
        "fits": tuple(fits),
        "reference": REFERENCE,
        "judgements": tuple(judgements),
        "comparisons": tuple(comparisons),
        "printed": (),
        "certified": scores(apart),
        "best_loglik": -871.8141,
        "seconds": 0.4,
        **changes,
    }
    return CaseRecord(**fields)


def with_audits(record: CaseRecord, change: Any) -> CaseRecord:
    """Return a case whose audits are changed by a function."""
    return msgspec.structs.replace(
        record,
        judgements=tuple(
            j if j.audit is None else msgspec.structs.replace(j, audit=change(j.audit))
            for j in record.judgements
        ),
    )


def with_a_third(record: CaseRecord) -> CaseRecord:
    """Return a case in which another engine prints what the first one does."""
    twice = {
        name: tuple(
            other
            for one in getattr(record, name)
            for other in (one, msgspec.structs.replace(one, engine="another"))
            if one.engine in (other.engine, ENGINE)
        )
        for name in ("fits", "judgements", "comparisons")
    }
    return msgspec.structs.replace(record, **twice)
