"""A record as rows of flat tables, for analysis elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from harness.engines.engine import Coefficient, Failure, Fit
from harness.judge.case_verdict import blamed, main_verdict, told
from harness.judge.comparison import Comparison
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.records import CaseRecord, Header
from harness.judge.sentence import sentences
from harness.page.number_table import printed

Kind = Literal["text", "integer", "number", "flag"]
Cell = str | int | float | bool | None
Row = tuple[Cell, ...]

SEPARATOR = "; "
"""Between the parts of a cell that holds several."""


@dataclass(frozen=True)
class Column:
    """A column: its name, the kind of its cells, and what it holds."""

    name: str
    kind: Kind
    about: str


@dataclass(frozen=True)
class FlatTable:
    """A table: what a row is, its columns, and the rows of a record."""

    row: str
    columns: tuple[Column, ...]
    rows: Callable[[Header, CaseRecord | PropertyOutcome], Iterator[Row]]


_CASE = (
    Column("case", "text", "id of the case"),
    Column("group", "text", "heading under which it stands; the shape of a generated case"),
    Column("criterion", "text", "REML, ML or OLS"),
)


def _of_case(case: CaseRecord) -> Row:
    return (case.id, case.group, case.criterion)


def _verdicts(_: Header, record: CaseRecord | PropertyOutcome) -> Iterator[Row]:
    if not isinstance(record, CaseRecord):
        return
    data = record.data
    main = main_verdict(record)
    for verdict in told(record):
        compared = verdict.differences if isinstance(verdict, Comparison) else ()
        audits = [
            j.audit
            for j in record.judgements
            if j.audit is not None and j.setting == verdict.setting
        ]
        digits = [d.digits for d in compared]
        yield (
            *_of_case(record),
            record.formula,
            data.name,
            data.rows,
            data.rows_used,
            max(data.groups.values(), default=0),
            any(column.missing for column in data.columns),
            verdict.engine,
            verdict.reference if isinstance(verdict, Comparison) else None,
            verdict.setting,
            verdict is main,
            verdict.verdict,
            SEPARATOR.join(blamed(verdict)),
            SEPARATOR.join(verdict.causes),
            verdict.sentence,
            any(a.certificate == "boundary optimum" for a in audits) if audits else None,
            len(compared),
            sum(not d.within for d in compared),
            (math.nan if any(map(math.isnan, digits)) else min(digits)) if digits else None,
            record.best_loglik,
            record.seconds,
        )


def _comparisons(_: Header, record: CaseRecord | PropertyOutcome) -> Iterator[Row]:
    if not isinstance(record, CaseRecord):
        return
    for one in record.comparisons:
        for d in one.differences:
            yield (
                *_of_case(record),
                one.engine,
                one.reference,
                one.setting,
                d.quantity,
                d.item,
                printed(record, one, d),
                d.reference,
                d.value if d.referee else None,
                d.difference,
                d.unit,
                d.digits,
                d.tolerance,
                d.within,
            )


def _judgements(_: Header, record: CaseRecord | PropertyOutcome) -> Iterator[Row]:
    if not isinstance(record, CaseRecord):
        return
    for j in record.judgements:
        truths = [s.truth for s in j.statements]
        yield (
            *_of_case(record),
            j.engine,
            j.setting,
            j.verdict,
            SEPARATOR.join(j.causes),
            j.sentence,
            len(truths),
            *(truths.count(t) for t in ("true", "other definition", "false")),
        )


def _fits(_: Header, record: CaseRecord | PropertyOutcome) -> Iterator[Row]:
    if not isinstance(record, CaseRecord):
        return
    for outcome in record.fits:
        said = SEPARATOR.join(m.text for m in outcome.messages if m.kind in ("warning", "error"))
        start = (*_of_case(record), outcome.engine, outcome.setting)
        if isinstance(outcome, Failure):
            nothing = (None,) * 9
            yield (*start, outcome.reason, outcome.text, *nothing, said, outcome.seconds)
            continue
        yield (
            *start,
            None,
            None,
            outcome.fitter,
            outcome.n_obs,
            outcome.residual_variance,
            outcome.loglik,
            outcome.aic,
            outcome.bic,
            outcome.df_residual,
            outcome.converged,
            outcome.singular,
            said,
            outcome.seconds,
        )


def _coefficients(_: Header, record: CaseRecord | PropertyOutcome) -> Iterator[Row]:
    if not isinstance(record, CaseRecord):
        return
    for fit in record.fits:
        if not isinstance(fit, Fit):
            continue
        audit = record.audit(fit.engine, fit.setting)
        alike = {c.name: c for c in audit.coefficients} if audit is not None else {}
        for c in fit.coefficients:
            like = alike.get(c.name, Coefficient(c.name, c.estimate))
            yield (
                *_of_case(record),
                fit.engine,
                fit.setting,
                c.name,
                c.estimate,
                c.se,
                c.df,
                c.statistic,
                c.p,
                like.se,
                like.df,
                like.statistic,
                like.p,
            )


def _audits(_: Header, record: CaseRecord | PropertyOutcome) -> Iterator[Row]:
    if not isinstance(record, CaseRecord):
        return
    for j in record.judgements:
        a = j.audit
        if a is None:
            continue
        item, distance = max(a.distances, key=lambda pair: pair[1], default=(None, None))
        yield (
            *_of_case(record),
            a.engine,
            a.setting,
            a.certificate,
            a.loglik,
            a.loglik_error,
            a.gap,
            a.gradient,
            a.dual,
            SEPARATOR.join(map(str, a.ranks)),
            a.gls_distance,
            item,
            distance,
            a.converged_true,
            a.singular_true,
        )


def _listings(_: Header, record: CaseRecord | PropertyOutcome) -> Iterator[Row]:
    if not isinstance(record, CaseRecord) or record.listing is None:
        return
    for f in record.listing.findings:
        yield (
            *_of_case(record),
            record.listing.program,
            f.quantity,
            f.item,
            f.text,
            f.right,
            f.truth,
            SEPARATOR.join(f.definitions),
            f.mistake,
        )


def _properties(_: Header, record: CaseRecord | PropertyOutcome) -> Iterator[Row]:
    if not isinstance(record, PropertyOutcome):
        return
    yield (
        record.property,
        record.case,
        record.group,
        record.engine,
        record.reference,
        record.setting,
        record.status,
        record.verdict,
        SEPARATOR.join(record.engines),
        SEPARATOR.join(record.causes),
        record.sentence,
        SEPARATOR.join((*sentences(record.evidence), *record.notes)),
        record.discrepancy,
        record.seconds,
    )


_SETTING = Column("setting", "text", "default or tight")
_ENGINE = Column("engine", "text", "name of the engine")
_REFERENCE = Column("reference", "text", "engine that it is compared with")

TABLES: dict[str, FlatTable] = {
    "verdicts": FlatTable(
        "an engine beside the reference, in a case and a setting; an engine alone, by itself",
        (
            *_CASE,
            Column("formula", "text", "the model in lme4's syntax"),
            Column("data", "text", "name of the data set"),
            Column("rows", "integer", "rows of the data"),
            Column("rows_used", "integer", "rows without missing values"),
            Column("levels", "integer", "levels of the largest grouping factor; 0 for none"),
            Column("missing", "flag", "whether the data have missing values"),
            _ENGINE,
            _REFERENCE,
            _SETTING,
            Column("counts", "flag", "whether this is the verdict that counts for the case"),
            Column("verdict", "text", "verdict class"),
            Column("blamed", "text", "engines to which the difference is laid"),
            Column("causes", "text", "keys of known_differences.toml"),
            Column("sentence", "text", "who is right and why"),
            Column("singular", "flag", "whether the referee finds an optimum on the boundary"),
            Column("compared", "integer", "numbers compared"),
            Column("outside", "integer", "how many of them are outside their tolerances"),
            Column("least_digits", "number", "fewest digits of agreement among them (LRE)"),
            Column("best_loglik", "number", "log-likelihood of the best point known"),
            Column("seconds", "number", "wall time of the case, the same in each of its rows"),
        ),
        _verdicts,
    ),
    "comparisons": FlatTable(
        "a number that two fits share",
        (
            *_CASE,
            _ENGINE,
            _REFERENCE,
            _SETTING,
            Column("quantity", "text", "row of the tolerance table"),
            Column("item", "text", "coefficient or variance component; empty for a scalar"),
            Column("value", "number", "what the engine prints"),
            Column("reference_value", "number", "what the reference prints"),
            Column(
                "referee_value",
                "number",
                "the referee's value at the engine's point under the reference's definition: what "
                "is compared where the two define the number otherwise; null elsewhere",
            ),
            Column("difference", "number", "size of the difference, in unit"),
            Column("unit", "text", "absolute, SE, relative or log10"),
            Column("digits", "number", "digits of agreement (LRE); inf when equal"),
            Column("tolerance", "number", "what is tolerated, in unit"),
            Column("within", "flag", "whether the difference is tolerated"),
        ),
        _comparisons,
    ),
    "judgements": FlatTable(
        "an engine judged by itself, in a case and a setting",
        (
            *_CASE,
            _ENGINE,
            _SETTING,
            Column("verdict", "text", "verdict class; RIGHT when nothing is wrong"),
            Column("causes", "text", "keys of known_differences.toml"),
            Column("sentence", "text", "what it came to"),
            Column("statements", "integer", "numbers that it states and the referee judged"),
            Column("true", "integer", "how many are true as declared"),
            Column("other_definition", "integer", "how many are true under another definition"),
            Column("false", "integer", "how many are false"),
        ),
        _judgements,
    ),
    "fits": FlatTable(
        "a fit, or the failure in its place",
        (
            *_CASE,
            _ENGINE,
            _SETTING,
            Column("reason", "text", "why there is no fit; null where there is one"),
            Column("text", "text", "what the engine said when it failed"),
            Column("fitter", "text", "function that fitted"),
            Column("n_obs", "integer", "rows used by the engine"),
            Column("residual_variance", "number", "sigma squared"),
            Column("loglik", "number", "ML or REML log-likelihood as the engine states it"),
            Column("aic", "number", "AIC as the engine states it"),
            Column("bic", "number", "BIC as the engine states it"),
            Column("df_residual", "number", "residual degrees of freedom"),
            Column("converged", "flag", "as the engine states it"),
            Column("singular", "flag", "as the engine states it"),
            Column("warnings", "text", "warnings and errors while fitting"),
            Column(
                "seconds",
                "number",
                "wall time inside the engine: the fit, its tests and random effects, without the "
                "data frame and its checks",
            ),
        ),
        _fits,
    ),
    "coefficients": FlatTable(
        "a fixed effect of a fit",
        (
            *_CASE,
            _ENGINE,
            _SETTING,
            Column("name", "text", "name of the coefficient"),
            Column("estimate", "number", "estimate"),
            Column("se", "number", "standard error that the engine prints"),
            Column("df", "number", "degrees of freedom that it prints; inf for a z test"),
            Column("statistic", "number", "t or z that it prints"),
            Column("p", "number", "p value that it prints"),
            Column("like_for_like_se", "number", "standard error computed alike for all engines"),
            Column("like_for_like_df", "number", "Satterthwaite's df at the engine's variances"),
            Column("like_for_like_t", "number", "t of these two"),
            Column("like_for_like_p", "number", "p value of that t"),
        ),
        _coefficients,
    ),
    "audits": FlatTable(
        "a fit that the referee examined",
        (
            *_CASE,
            _ENGINE,
            _SETTING,
            Column("certificate", "text", "what the point is"),
            Column("loglik", "number", "the referee's log-likelihood at the engine's variances"),
            Column("loglik_error", "number", "the engine's less the referee's"),
            Column("gap", "number", "deviance above the best point known"),
            Column("gradient", "number", "largest scaled derivative of the deviance"),
            Column("dual", "number", "smallest dual eigenvalue; null when no variance is zero"),
            Column("ranks", "text", "rank of each term's covariance matrix"),
            Column("gls_distance", "number", "fixed effects from the GLS ones, in SE"),
            Column("farthest_item", "text", "parameter farthest from the best point"),
            Column("farthest", "number", "its distance, in SE"),
            Column("converged_true", "flag", "whether what it says of convergence is true"),
            Column("singular_true", "flag", "whether what it says of singularity is true"),
        ),
        _audits,
    ),
    "listings": FlatTable(
        "a number that a program printed and that was audited",
        (
            *_CASE,
            Column("program", "text", "who printed it"),
            Column("quantity", "text", "estimate, se, df, statistic, p, variance, sd, ..."),
            Column("item", "text", "of what, under the label of the program"),
            Column("printed", "text", "as printed"),
            Column("right", "number", "by the first definition that fits, or the commonest"),
            Column(
                "truth",
                "text",
                "true to its digits; stopping: within what optimizers leave; mistake: false, and "
                "known what it is; false",
            ),
            Column("definitions", "text", "all that give the printed digits"),
            Column("mistake", "text", "what it is instead, where that is known"),
        ),
        _listings,
    ),
    "properties": FlatTable(
        "a property checked on a case",
        (
            Column("property", "text", "name of the property"),
            Column("case", "text", "id of the case"),
            Column("group", "text", "heading under which it stands; the shape of a generated case"),
            _ENGINE,
            Column("reference", "text", "engine that it is held against"),
            _SETTING,
            Column("status", "text", "holds, fails, unexplained or not applicable"),
            Column("verdict", "text", "class of the verdict behind it, if any"),
            Column("engines", "text", "engines to which the failure is laid"),
            Column("causes", "text", "keys of known_differences.toml"),
            Column("sentence", "text", "what was found"),
            Column("evidence", "text", "the numbers behind it"),
            Column("discrepancy", "number", "how far from holding; above 1 it does not"),
            Column("seconds", "number", "wall time of the check"),
        ),
        _properties,
    ),
}
"""Every table by its name, the one that is exported unless asked otherwise first."""
