"""The answer in plain sentences, each with a number of the diagnosis behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.base.text import count, listed, whose
from harness.diagnose.bench import Bench
from harness.diagnose.diagnosis import Agreement, Cause, Check, Conclusion, Remedy
from harness.diagnose.found_causes import NO_REASON
from harness.diagnose.headline import SAME, headline, is_wrong, right_engines
from harness.diagnose.singular_term import Singular
from harness.engines.engine import Failure, Fit
from harness.judge.case_verdict import case_verdict
from harness.judge.causes.basis import CODINGS
from harness.judge.causes.predicates import WRONG
from harness.judge.records import CaseRecord
from harness.judge.verdict import VerdictClass


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
    determined = all(c.level != "stop" for c in checks)
    parts = [
        headline(record, bench, engines, determined=determined),
        *_why_no_fit(record, bench, engines, checks),
        *_each(record, engines),
    ]
    parts += _to_strict_tolerances(record)
    truly = [s for s in singular if s.truly]
    for item in truly:
        why = "".join(f" {reason}" for reason in item.reasons)
        parts.append(f"The fit is singular: {item.direction_in_words}.{why}")
    parts += _changes(conclusions, alpha)
    right = right_engines(record, bench, engines) if determined else []
    wrong = [e for e in engines if isinstance(record.fit(e), Fit) and e not in right]
    parts += _why(causes, case_verdict(record).verdict, wrong)
    short = [e for e in wrong if is_wrong(record.audit(e)) and e not in bench.elsewhere]
    parts += _what_to_do(causes, right, wrong, short)
    return tuple(parts)


def advised(causes: Sequence[Cause]) -> tuple[Remedy, ...]:
    """Choose what to do of what helped, one remedy for each engine that was not right.

    First what puts most engines right in the same model, of these what does as they come; then
    another model; a start for one program on these data comes last. What a remedy before has put
    right already needs no other.
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
    if mended:  # by code that leaves out the incomplete rows as well
        chosen = [remedy for remedy in chosen if remedy.kind != "rows"]
    return tuple(chosen)


def _rank(remedy: Remedy) -> tuple[bool, bool, bool, int, bool]:
    as_it_comes = remedy.kind in ("centre", "rescale")
    return (
        remedy.kind == "start",
        not remedy.mends,
        not remedy.same_model,
        -len(remedy.mends),
        not as_it_comes,
    )


def advice(causes: Sequence[Cause]) -> tuple[str, ...]:
    """Say what to do, the most important first."""
    return tuple(f"{r.title}.{_another(r)} It was tried: {r.sentence}." for r in advised(causes))


def _for_whom(remedy: Remedy, wrong: Sequence[str]) -> str:
    """Name the engines that a remedy is for, where others are wrong as well."""
    mends = [e for e in remedy.mends if e in wrong]
    return f" for {listed(mends)}" if mends and set(mends) < set(wrong) else ""


def _another(remedy: Remedy) -> str:
    return "" if remedy.same_model else " This is another model."


def _each(record: CaseRecord, engines: Sequence[str]) -> Iterator[str]:
    """Say of each of several engines what it comes to; of two the first sentence has said it."""
    if len(engines) > 2:
        found = [record.judgement(engine) for engine in engines]
        yield " ".join(judgement.sentence for judgement in found if judgement is not None)


def _to_strict_tolerances(record: CaseRecord) -> Iterator[str]:
    """Say what only the fits to strict tolerances show, where it has no known cause."""
    if any(c.unexplained for c in record.comparisons if c.setting == "default"):
        return
    found = [c.sentence for c in record.comparisons if c.unexplained]
    if found:
        yield f"To strict tolerances there is what has no known cause: {' '.join(found)}"


def _why_no_fit(
    record: CaseRecord, bench: Bench, engines: Sequence[str], checks: Sequence[Check]
) -> Iterator[str]:
    """Say why an engine has no fit, and what that of another is then worth."""
    failed = [f for e in engines if isinstance(f := record.fit(e), Failure)]
    if not failed:
        return
    stops = [c for c in checks if c.level == "stop"]
    yield _sentence(stops[0].sentence if stops else _one_line(failed[0].text))
    own = _able(record, bench)
    if own and own not in engines and {f.reason for f in failed} == {"unsupported"}:
        yield f"{own} can express it: name it by --engine {own}."
    for engine in engines:
        fit = record.fit(engine)
        if stops and isinstance(fit, Fit):
            whole = len(bench.case.design.x_names)
            smaller = len(fit.coefficients) != whole
            yield (
                f"{engine} fits {count(len(fit.coefficients), 'column')} of {whole}, a smaller "
                "model."
                if smaller
                else f"{engine} gives numbers, which these data do not determine as asked."
            )


def _able(record: CaseRecord, bench: Bench) -> str:
    """Return a ready engine that has a model which statsmodels and lme4 have not; or nothing."""
    # glmmTMB is not given a residual covariance here.
    names = ("nlme",) if bench.case.model.residual is not None else ("nlme", "glmmtmb")
    return next((name for name in names if name in record.spelling), "")


def _why(causes: Sequence[Cause], verdict: VerdictClass, wrong: Sequence[str]) -> Iterator[str]:
    """Name the cause of what was found, and where a fit has another coding besides, both.

    Of several wrong engines each has its cause named.
    """
    reasons = [c for c in causes if c.key not in NO_REASON]
    if not reasons or verdict in ("AGREE", "RIGHT"):
        return
    first, coded = reasons[0], reasons[0].key in CODINGS
    second = [c for c in reasons[1:] if c.key in (WRONG if coded else CODINGS)]
    named = [(first, ""), *((c, "") for c in second[:1])]
    told = {e for c, _ in named for e in c.engines} or set(wrong)
    for engine in wrong:
        own = next((c for c in reasons if engine in c.engines and c.key in WRONG), None)
        if engine not in told and own is not None:
            named.append((own, "" if engine in own.title else f"in {engine} "))
            told |= set(own.engines)
    yield f"Why: {', and '.join(f'{who}{_lower(c.title)}' for c, who in named)}."


MOST_OPEN = 2
"""Effects whose p the data do not determine that have a sentence each; of more the p are below."""


def _changes(conclusions: Sequence[Conclusion], alpha: float) -> Iterator[str]:
    changed = [c for c in conclusions if c.changed]
    if changed:
        yield from (f"This changes a conclusion. {c.sentence}" for c in changed)
        return
    open_ = [c for c in conclusions if c.because == "undetermined"]
    if len(open_) > MOST_OPEN:
        yield f"The data do not determine p of {listed([c.name for c in open_])}."
    else:
        yield from (c.sentence for c in open_)
    left = [c for c in conclusions if c.because != "undetermined"]
    seen = [c for c in left if len(c.printed) + (c.right is not None) > 1]
    if seen and left != list(conclusions):
        names = listed([c.name for c in seen])
        yield f"No other conclusion changes: p of {names} is on one side of {alpha:g} for everyone."
    elif seen:
        what = {1: "the p value of the fixed effect", 2: "the p values of both fixed effects"}.get(
            len(seen), f"the p values of all {len(seen)} fixed effects"
        )
        yield (
            f"No conclusion changes: {what} "
            f"{'are' if len(seen) > 1 else 'is'} on the same side of {alpha:g} for everyone."
        )


def _what_to_do(
    causes: Sequence[Cause], right: Sequence[str], wrong: Sequence[str], short: Sequence[str]
) -> Iterator[str]:
    """Say what helps whom, and which of the engines that are ``short`` nothing helps."""
    chosen = advised(causes)
    if chosen:
        yield f"What to do{_for_whom(chosen[0], wrong)}: {advice(causes)[0]}"
        for remedy in chosen[1:3]:
            outcome = remedy.outcome or remedy.sentence
            who = _for_whom(remedy, wrong)
            yield f"Besides{who}: {remedy.title}.{_another(remedy)} It was tried: {outcome}."
        same = {e for c in causes for r in c.remedies if r.helped and r.same_model for e in r.mends}
        still = [e for e in short if e not in same]
        if still:
            stay = "stays" if len(still) == 1 else "stay"
            yield f"In the model as asked {listed(still)} {stay} wrong, whatever was tried."
        return
    tried = [r for c in causes for r in c.remedies]
    if not tried:
        return
    many = (
        f"of {len(tried)} remedies tried none helped; what each did is below"
        if len(tried) > 1
        else f"the one remedy tried did not help: {tried[0].title} ({tried[0].sentence})"
    )
    if right:
        keep = f"{whose(listed(right))} {'fit, which is' if len(right) == 1 else 'fits, which are'}"
        yield f"Keep {keep} right: {many}."
    else:
        yield f"What to do is not known: {many}."


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    if text.startswith("the "):  # what begins with a column's name stays as it is
        text = f"T{text[1:]}"
    return text if text.endswith((".", "!")) else f"{text}."


def _lower(text: str) -> str:
    return (
        text if text[1:2].isupper() or text.startswith("MixedLM") else (text[0].lower() + text[1:])
    )
