"""The answer in plain sentences, each with a number of the diagnosis behind it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec

from harness.base.text import count, listed, number, whose
from harness.diagnose.bench import Bench
from harness.diagnose.diagnosis import Agreement, Cause, Check, Conclusion, Remedy, Singular
from harness.diagnose.messages import OPTIMAL
from harness.engines.engine import Failure, Fit
from harness.judge.audit import Audit
from harness.judge.case_verdict import case_verdict, least_digits
from harness.judge.records import CaseRecord
from harness.judge.sentence import finding_sentence
from harness.judge.verdict import Finding

SAME = ("AGREE", "TOLERANCE", "DEFINITION", "CODING")


def agreement(record: CaseRecord, engines: Sequence[str]) -> Agreement:
    """Say whether the user's engines agree."""
    fits = [record.fit(engine) for engine in engines]
    if not any(isinstance(fit, Fit) for fit in fits):
        return "no fit"
    if len(engines) == 1:
        return "one engine"
    return "agree" if case_verdict(record).verdict in SAME else "differ"


def answer(
    record: CaseRecord,
    bench: Bench,
    engines: Sequence[str],
    causes: Sequence[Cause],
    checks: Sequence[Check],
    conclusions: Sequence[Conclusion],
    singular: Sequence[Singular],
    alpha: float,
) -> tuple[str, ...]:
    """Write the answer: do they agree, who is right, what it changes, why, what to do."""
    parts = [_first(record, bench, engines, checks), *_each(record, engines)]
    truly = [s for s in singular if s.truly]
    for item in truly:
        parts.append(f"The fit is singular: {item.direction_in_words}.")
    parts += _changes(conclusions, alpha)
    if causes and case_verdict(record).verdict not in ("AGREE", "RIGHT"):
        parts.append(f"Why: {_lower(causes[0].title)}.")
    parts += _what_to_do(causes)
    return tuple(parts)


def advised(causes: Sequence[Cause]) -> tuple[Remedy, ...]:
    """Choose what to do of what helped, one remedy for each engine that was not right.

    First what puts most engines right as they come, in the same model; then what puts one right by
    another optimizer; then another model; a start for one program on these data comes last. What
    a remedy before has put right already needs no other.
    """
    helped = [(i, r) for i, cause in enumerate(causes) for r in cause.remedies if r.helped]
    order = sorted(helped, key=lambda item: (_rank(item[1]), item[0]))
    chosen: list[Remedy] = []
    mended: set[str] = set()
    answered: set[int] = set()
    for i, remedy in order:
        if any(remedy.title == other.title for other in chosen):
            answered.add(i)  # one may cure several causes
            continue
        news = set(remedy.mends) - mended
        if remedy.mends and not news:
            continue
        if not remedy.mends and i in answered:
            continue
        chosen.append(remedy)
        mended |= news
        answered.add(i)
    return tuple(chosen)


def _rank(remedy: Remedy) -> tuple[bool, int, int]:
    plain = remedy.kind in ("centre", "rescale")
    order = 0 if plain else 1 if remedy.same_model and remedy.kind != "start" else 2
    return remedy.kind == "start", order, -len(remedy.mends)


def advice(causes: Sequence[Cause]) -> tuple[str, ...]:
    """Say what to do, the most important first."""
    return tuple(f"{r.title}.{_another(r)} It was tried: {r.sentence}." for r in advised(causes))


def _another(remedy: Remedy) -> str:
    return "" if remedy.same_model else " This is another model."


def _first(
    record: CaseRecord, bench: Bench, engines: Sequence[str], checks: Sequence[Check]
) -> str:
    stops = [c for c in checks if c.level == "stop"]
    fits = {e: record.fit(e) for e in engines}
    failed = {e: f for e, f in fits.items() if isinstance(f, Failure)}
    if failed:
        return _without_fit(record, bench, failed, [e for e in engines if e not in failed], stops)
    if len(engines) == 1:
        return _alone(record, bench, engines[0])
    verdict = case_verdict(record)
    everyone = listed(list(engines))
    both, neither = ("both", "neither") if len(engines) == 2 else ("all", "none")
    wrong = [e for e in engines if _is_wrong(record.audit(e))]
    match verdict.verdict:
        case "AGREE":
            digits = min(least_digits(record), 15.9)
            exact = f" to {digits:.1f} digits or more" if math.isfinite(digits) else ""
            return (
                f"Yes: {everyone} agree{exact} in estimates, standard errors and degrees of "
                f"freedom like for like, and {both} are right{_best(record, engines)}."
            )
        case "TOLERANCE" | "DEFINITION" | "CODING":
            but = " ".join(dict.fromkeys(map(_but, verdict.findings)))
            return f"Yes: {everyone} are at the same optimum{_best(record, engines)}. {but}"
        case "WRONG_OPTIMUM" if wrong:
            right = [e for e in engines if e not in wrong]
            short = listed([_short(record.audit(e)) for e in wrong])
            if right:
                return f"No: they disagree, and {listed(right)} {_is(right)} right. {short}."
            return f"No: they disagree, and {neither} is right. {short}."
        case _:
            return f"No: {verdict.sentence}"


def _each(record: CaseRecord, engines: Sequence[str]) -> Iterator[str]:
    """Say of each of several engines what it comes to; of two the first sentence has said it."""
    if len(engines) > 2:
        found = [record.judgement(engine) for engine in engines]
        yield " ".join(judgement.sentence for judgement in found if judgement is not None)


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _is_wrong(audit: Audit | None) -> bool:
    return audit is not None and (
        audit.certificate not in OPTIMAL or not audit.gls_distance <= 1e-3
    )


def _best(record: CaseRecord, engines: Sequence[str]) -> str:
    gaps = [a.gap / 2.0 for e in engines if (a := record.audit(e)) is not None]
    if not gaps or record.criterion == "OLS":
        return ""
    return f" (at most {number(max(*gaps, 0.0))} below the best log-likelihood known)"


def _short(audit: Audit | None) -> str:
    assert audit is not None
    if audit.certificate == "outside the parameter space":
        return f"{whose(audit.engine)} variances are no valid covariance matrix"
    if audit.certificate in OPTIMAL:
        return (
            f"{whose(audit.engine)} fixed effects are {number(audit.gls_distance)} SE from those "
            "that its own variances give"
        )
    text = f"{audit.engine} stopped {number(0.5 * audit.gap)} short in log-likelihood"
    if audit.certificate == "false boundary":
        text = (
            f"{audit.engine} is stuck at a false boundary, {number(0.5 * audit.gap)} short in "
            "log-likelihood"
        )
    if audit.distances:
        name, far = max(audit.distances, key=lambda d: d[1])
        text += f"; its {_quantity(name)} is {number(far)} SE from the right one"
    return text


def _quantity(name: str) -> str:
    group, colon, effect = name.partition(": ")
    return f"variance of {effect} by {group}" if colon else f"estimate of {name}"


def _alone(record: CaseRecord, bench: Bench, engine: str) -> str:
    audit, judgement = record.audit(engine), record.judgement(engine)
    assert judgement is not None
    if judgement.verdict in ("DIFFERENT_MODEL", "DATA_MISMATCH"):
        return f"No, {whose(engine)} answer is not right: {judgement.sentence}"
    if audit is None:
        return (
            f"{engine} has a fit, and nothing can be said of whether it is right: the referee "
            f"could not evaluate it ({bench.reason})."
        )
    if _is_wrong(audit):
        return f"No, {whose(engine)} answer is not right: {_short(audit)}."
    if judgement.verdict == "FALSE_STATEMENT":
        return f"No, not all that {engine} states is right: {judgement.sentence}"
    if record.criterion == "OLS":
        return f"Yes: {whose(engine)} answer is right; least squares has a closed form."
    gap = number(max(0.5 * audit.gap, 0.0))
    return (
        f"Yes: {whose(engine)} answer is right. It is the optimum, {gap} "
        f"below the best log-likelihood that the referee knows ({audit.certificate})."
    )


def _without_fit(
    record: CaseRecord,
    bench: Bench,
    failed: dict[str, Failure],
    others: list[str],
    stops: Sequence[Check],
) -> str:
    what = {
        "unsupported": "cannot express this model",
        "left-out": "was left out, for its size",
        "refused": "refuses these data",
    }
    said = listed([f"{e} {what.get(f.reason, 'gives no answer')}" for e, f in failed.items()])
    first = next(iter(failed.values()))
    why = _sentence(stops[0].sentence if stops else _one_line(first.text))
    rest = ""
    for engine in others:
        audit, fit = record.audit(engine), record.fit(engine)
        if stops and isinstance(fit, Fit):
            rest = f" {engine} gives numbers, which these data do not determine as asked."
            if len(fit.coefficients) != len(bench.case.design.x_names):
                rest = (
                    f" {engine} fits {count(len(fit.coefficients), 'column')} of "
                    f"{len(bench.case.design.x_names)}, a smaller model."
                )
        elif audit is not None:
            rest = (
                f" {whose(engine)} answer is not right: {_short(audit)}."
                if _is_wrong(audit)
                else f" {whose(engine)} answer is right: {number(max(0.5 * audit.gap, 0.0))} below "
                "the best log-likelihood known."
            )
    return f"{said[0].upper() if said[0].isupper() else said[0]}{said[1:]}. {why}{rest}"


def _changes(conclusions: Sequence[Conclusion], alpha: float) -> Iterator[str]:
    changed = [c for c in conclusions if c.changed]
    if changed:
        yield from (f"This changes a conclusion. {c.sentence}" for c in changed)
        return
    seen = [c for c in conclusions if len(c.printed) + (c.right is not None) > 1]
    if seen:
        what = {1: "the p value of the fixed effect", 2: "the p values of both fixed effects"}.get(
            len(seen), f"the p values of all {len(seen)} fixed effects"
        )
        yield (
            f"No conclusion changes: {what} "
            f"{'are' if len(seen) > 1 else 'is'} on the same side of {alpha:g} for everyone."
        )


def _what_to_do(causes: Sequence[Cause]) -> Iterator[str]:
    chosen = advised(causes)
    if chosen:
        yield f"What to do: {advice(causes)[0]}"
        for remedy in chosen[1:3]:
            yield f"Besides: {remedy.title}.{_another(remedy)} It was tried: {remedy.outcome}."
        return
    tried = [r for c in causes for r in c.remedies]
    if tried:
        many = (
            f"of {len(tried)} remedies tried none helped. The last was"
            if len(tried) > 1
            else "the one remedy tried did not help, which was"
        )
        yield f"What to do is not known: {many}: {tried[-1].title} ({tried[-1].sentence})."


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    if text.startswith("the "):  # what begins with a column's name stays as it is
        text = f"T{text[1:]}"
    return text if text.endswith((".", "!")) else f"{text}."


def _but(finding: Finding) -> str:
    """Put a finding into words after a sentence that has said that the optimum is the same."""
    return finding_sentence(
        msgspec.structs.replace(finding, texts={**finding.texts, "but": "same optimum"})
    )


def _lower(text: str) -> str:
    return (
        text if text[1:2].isupper() or text.startswith("MixedLM") else (text[0].lower() + text[1:])
    )
