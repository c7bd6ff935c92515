"""The first sentence of an answer: who is right, and what differs most, in its own unit.

One clause an engine; what stands behind it follows in other sentences.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.base.text import listed, number, off, p_value, rounded, size, whose
from harness.diagnose.bench import Bench
from harness.diagnose.messages import OPTIMAL
from harness.engines.engine import Failure, Fit
from harness.judge.audit import Audit
from harness.judge.case_verdict import case_verdict, least_digits, told
from harness.judge.comparison import Comparison, Difference
from harness.judge.decision import GLS_DISTANCE
from harness.judge.evidence import Evidence
from harness.judge.judgement import Judgement
from harness.judge.records import CaseRecord
from harness.judge.sentence import QUANTITIES, finding_sentence
from harness.judge.tolerances import load_tolerances

SAME = ("AGREE", "TOLERANCE", "DEFINITION", "CODING", "UNDETERMINED")

MOST_WORDS = 40
"""Words of a headline, less one; clauses lose their numbers until it holds."""

MOST_ENGINES = 3
"""Engines that have a clause of their own."""

_FAILED = {
    "unsupported": "cannot express this model",
    "left-out": "was left out, for its size",
    "refused": "refuses these data",
    "timeout": "ran out of time",
    "memory": "ran out of memory",
    "crash": "crashed",
    "environment": "could not run",
    "data": "did not get the same data",
}


@dataclass(frozen=True)
class Deviation:
    """A number of a fit beside the right one.

    Attributes
    ----------
    off : float
        In standard errors for an estimate, else relative.
    residual : float
        The residual variance, in units of which a variance next to zero is given.
    """

    quantity: str
    item: str
    value: float
    right: float
    off: float
    residual: float = math.nan

    @property
    def words(self) -> str:
        """How far off it is, in its own unit: ``SE of edu 6 % off``."""
        name = {"se": "SE"}.get(self.quantity, QUANTITIES.get(self.quantity, self.quantity))
        group, colon, effect = self.item.partition(": ")
        of = f"{effect} by {group}" if colon else self.item
        return f"{name}{f' of {of}' if of else ''} {self._off()}"

    def _off(self) -> str:
        if not math.isfinite(self.value):
            if self.quantity == "df" and self.value == math.inf:
                return f"infinite (a z test) instead of {number(self.right)}"
            return "not a number" if math.isnan(self.value) else "infinite"
        if math.isnan(self.right):
            return "not what it is at the engine's own point"
        if min(self.value, self.right) < 1e-6 * self.residual:
            two = [size(v / self.residual) for v in (self.value, self.right)]
            return f"{' instead of '.join(two)} times the residual variance"
        match self.quantity:
            case "estimate":
                return f"{size(self.off)} SE off"
            case "p":
                return _p_values(self.value, self.right)
            case "loglik" | "aic" | "bic":
                return f"off by {size(self.value - self.right)}"
        return off(self.value, self.right)


def _p_values(value: float, right: float, between: str = " instead of ") -> str:
    if max(value, right) < 1e-10:
        return "another, though both are below 1e-10"
    return between.join(p_value(p).removeprefix("p ").removeprefix("= ") for p in (value, right))


def headline(
    record: CaseRecord, bench: Bench, engines: Sequence[str], *, determined: bool = True
) -> str:
    """Return the first sentence of an answer.

    ``determined`` says whether the data determine what was asked: where they do not, no fit beside
    a failed one is called right.
    """
    if not determined and any(isinstance(record.fit(engine), Failure) for engine in engines):
        return f"{_failures(record, engines)}."
    if all(isinstance(record.fit(engine), Failure) for engine in engines):
        return f"{_failures(record, engines)}."
    if len(engines) == 1:
        return _alone(record, bench, engines[0])
    if any(isinstance(record.fit(engine), Failure) for engine in engines):
        return _short_enough(record, bench, engines, f"{_failures(record, engines)}.")
    verdict = case_verdict(record)
    if verdict.verdict in SAME:
        return _same(record, engines)
    if not any(_clause(record, bench, engine) for engine in engines):
        return f"No: {listed(list(engines))} are at the same optimum, yet {_unlike(record)}."
    return _short_enough(record, bench, engines, "No: they disagree")


def is_wrong(audit: Audit | None) -> bool:
    """Say whether a fit is not at the best point known."""
    return audit is not None and (
        audit.certificate not in OPTIMAL or not audit.gls_distance <= GLS_DISTANCE
    )


def deviations(record: CaseRecord, bench: Bench, engine: str) -> Iterator[Deviation]:
    """Yield the numbers of a fit that is not at the best point, beside the best point's.

    Standard errors are like for like, so that what the engine defines otherwise is left out; they
    follow from the variances, which come first.
    """
    fit, audit, best = record.fit(engine), record.audit(engine), bench.best
    if not isinstance(fit, Fit) or audit is None or best is None or engine in bench.elsewhere:
        return
    variance = best.sigma**2
    yield _relative("residual_variance", "", fit.residual_variance, variance)
    floor = load_tolerances()["variance"].floor * variance
    for term, psi in zip(fit.random, bench.relative, strict=False):
        for i, name in enumerate(term.names[: len(psi)]):
            item, value, right = (
                f"{term.group}: {name}",
                term.covariance[i][i],
                psi[i, i] * variance,
            )
            far = abs(value - right) / max(right, floor)
            yield Deviation("variance", item, value, float(right), far, residual=variance)
    if [c.name for c in audit.coefficients] == list(bench.case.design.x_names):
        for own, test in zip(audit.coefficients, best.tests, strict=True):
            far = abs(own.estimate - test.estimate) / test.se
            yield Deviation("estimate", own.name, own.estimate, test.estimate, far)
            if own.se is not None:
                yield _relative("se", own.name, own.se, test.se)


def _relative(quantity: str, item: str, value: float, right: float) -> Deviation:
    far = abs(value / right - 1.0) if right else math.inf
    return Deviation(quantity, item, value, right, far)


def _worst(found: Iterator[Deviation]) -> Deviation | None:
    return max(found, key=lambda d: math.inf if math.isnan(d.off) else d.off, default=None)


def _clause(record: CaseRecord, bench: Bench, engine: str, *, whole: bool = True) -> str:
    """Return what is not right of an engine's answer, empty where it is; less unless ``whole``."""
    outcome, judgement, audit = record.fit(engine), record.judgement(engine), record.audit(engine)
    if isinstance(outcome, Failure):
        return ""
    if judgement is None:
        return f"{engine} was not judged"
    other = _other(judgement)
    if other or audit is None:
        return f"{engine} {other or 'could not be judged'}"
    if audit.certificate == "outside the parameter space":
        return f"{whose(engine)} variances are no valid covariance matrix"
    if is_wrong(audit):
        return _stopped(audit, _worst(deviations(record, bench, engine)) if whole else None)
    if judgement.verdict == "FALSE_STATEMENT":
        return f"{engine} states a false number{_false(judgement) if whole else ''}"
    return ""


def _other(judgement: Judgement) -> str:
    """Say what an engine did that was not asked for."""
    numbers = judgement.finding.numbers
    match judgement.finding.key:
        case "other-rows":
            return f"used {numbers[judgement.engine]:.0f} of {numbers['complete']:.0f} rows"
        case "other-checksum" | "other-data-sent":
            return "did not get the same data"
        case "other-fixed-effects":
            return "fitted other fixed effects"
        case "other-random-effects":
            return "fitted other random effects than the formula asks for"
    return "states what the data do not determine" if judgement.verdict == "UNDETERMINED" else ""


def _stopped(audit: Audit, worst: Deviation | None) -> str:
    engine = audit.engine
    text = f"{engine} stopped {size(0.5 * audit.gap)} short in log-likelihood"
    if audit.certificate == "false boundary":
        short = f"{size(0.5 * audit.gap)} short in log-likelihood"
        text = f"{engine} is stuck at a false boundary, {short}"
    if audit.certificate in OPTIMAL:
        text = f"{engine} has the right variances but not the fixed effects that follow from them"
    return f"{text}, its {worst.words}" if worst is not None else text


_FOLLOWS = (("loglik", "aic", "bic"), ("se", "df", "statistic", "p"))
"""Each number is judged beside those before it as they are printed."""


def _false(judgement: Judgement) -> str:
    """Name the statement that is farthest off; one without a cause before one with.

    t is judged by the standard error that is printed beside it: where both are off alike, the
    standard error is named. AIC is off by twice what the log-likelihood is.
    """
    texts, numbers = judgement.finding.texts, judgement.finding.numbers
    worst = _stated(texts["quantity"], texts["item"], numbers["value"], numbers["truth"])
    chain = next((c for c in _FOLLOWS if worst.quantity in c), (worst.quantity,))
    for name in chain[: chain.index(worst.quantity)]:
        before = judgement.statement(name, worst.item)
        if before is not None and before.truth == "false" and before.right is not None:
            first = _stated(name, worst.item, before.value, before.right)
            if not first.off < 0.4 * worst.off:
                return f", its {first.words}"
    return f", its {worst.words}"


def _stated(quantity: str, item: str, value: float, right: float) -> Deviation:
    if quantity == "p" and min(value, right) >= 0.0:
        logs = [math.log10(max(p, 1e-300)) for p in (value, right)]
        far = abs(logs[0] - logs[1]) / max(1.0, abs(logs[1]))
        return Deviation(quantity, item, value, right, far)
    if quantity in _FOLLOWS[0]:
        return Deviation(quantity, item, value, right, abs(value - right))
    return _relative(quantity, item, value, right)


def right_engines(record: CaseRecord, bench: Bench, engines: Sequence[str]) -> list[str]:
    """Choose the engines whose answer has nothing wrong in it."""
    return [
        e
        for e in engines
        if isinstance(record.fit(e), Fit) and not _clause(record, bench, e, whole=False)
    ]


def _short_enough(record: CaseRecord, bench: Bench, engines: Sequence[str], lead: str) -> str:
    """Join a clause for each engine, numbers of as many as there is room for."""
    right = right_engines(record, bench, engines)
    wrong = [e for e in engines if isinstance(record.fit(e), Fit) and e not in right]
    none = "neither" if len(engines) == 2 else "none"
    who = (
        f"{listed(right)} {'is' if len(right) == 1 else 'are'} right"
        if right
        else f"{none} is right"
    )
    ended = f" {who}." if right else ""
    who = ended if lead.endswith(".") else f", and {who}."
    more = f", and {len(wrong) - MOST_ENGINES} more" if len(wrong) > MOST_ENGINES else ""
    for numbers in range(len(wrong), -1, -1):
        clauses = "; ".join(
            _clause(record, bench, e, whole=i < numbers) for i, e in enumerate(wrong[:MOST_ENGINES])
        )
        text = f"{lead}{who}" + (f" {clauses}{more}." if clauses else "")
        if len(text.split()) < MOST_WORDS:
            break
    return text


def _failures(record: CaseRecord, engines: Sequence[str]) -> str:
    said = []
    for engine in engines:
        outcome = record.fit(engine)
        if isinstance(outcome, Failure):
            said.append(f"{engine} {_FAILED.get(outcome.reason, 'gives no answer')}")
    more = f", and {len(said) - MOST_ENGINES} more give none" if len(said) > MOST_ENGINES else ""
    return listed(said[:MOST_ENGINES]) + more


def _same(record: CaseRecord, engines: Sequence[str]) -> str:
    everyone, all_ = listed(list(engines)), "both" if len(engines) == 2 else "all"
    verdict = case_verdict(record)
    if verdict.verdict == "AGREE":
        digits = min(least_digits(record), 15.9)
        exact = f" to {digits:.1f} digits or more" if math.isfinite(digits) and digits > 0 else ""
        return (
            f"Yes: {everyone} agree{exact} in estimates, standard errors and degrees of freedom "
            f"like for like, and {all_} are right."
        )
    if verdict.verdict == "UNDETERMINED":
        if "no-maximum" in verdict.causes:
            return f"{everyone} have stopped where there is no optimum: {_open(verdict.evidence)}."
        return f"{everyone} are at points that are equally good: {_open(verdict.evidence)}."
    if verdict.verdict == "CODING":
        return f"Yes: {everyone} are at the same optimum. {finding_sentence(verdict.findings[0])}"
    kind = {"DEFINITION": "by definition"}.get(verdict.verdict, "within what stopping rules allow")
    if any(f.key == "no-df" for f in verdict.findings):
        kind = "and neither df is reliable"
    return f"Yes: {everyone} are at the same optimum, but {_unlike(record)}, {kind}."


def _open(evidence: Sequence[Evidence]) -> str:
    """Say which variances, and with them which tests, the data leave open; a few by name."""
    endless = [e.texts["message"] for e in evidence if e.cause == "no-maximum"]
    if endless:
        return endless[0]
    lists = next(e.lists for e in evidence if e.cause == "undetermined-variance")
    variances, effects = ([*lists.get(key, ())] for key in ("open", "effects"))
    text = f"the data do not determine the variance of {_few(variances)}"
    return f"{text}, nor the standard error and p of {_few(effects)}" if effects else text


def _few(names: list[str]) -> str:
    return listed(names) if len(names) <= 2 else f"{names[0]} and {len(names) - 1} more"


def _unlike(record: CaseRecord) -> str:
    """Name the number that is farthest beyond its tolerance, of the comparisons that count."""
    outside = [
        (d, one)
        for one in told(record, "default")
        if isinstance(one, Comparison)
        for d in one.differences
        if not d.within
    ]
    if not outside:
        return "nothing could be compared"
    worst, one = max(outside, key=lambda pair: _excess(pair[0]))
    who = f"{one.engine} against {one.reference}: " if len(record.engines) > 2 else ""
    return who + _apart(worst)


def _excess(d: Difference) -> float:
    ratio = d.difference / d.tolerance if d.tolerance > 0 else math.inf
    return math.inf if math.isnan(ratio) else ratio


def _apart(d: Difference) -> str:
    name = {"se": "SE"}.get(d.quantity, QUANTITIES.get(d.quantity, d.quantity))
    group, colon, effect = d.item.partition(": ")
    of = f"{effect} by {group}" if colon else d.item
    what = f"the {name}{f' of {of}' if of else ''}"
    many = d.quantity in ("random_effect", "fitted", "df")
    if not math.isfinite(d.value) or not math.isfinite(d.reference):
        return f"{what} {'are' if many else 'is'} {number(d.value)} against {number(d.reference)}"
    differ = "differ" if many else "differs"
    match d.quantity:
        case "p":
            return f"{what} is {_p_values(d.value, d.reference, ' against ')}"
        case "estimate":
            return f"{what} differs by {size(d.difference)} SE"
        case "random_effect" | "fitted":
            return f"{what} {differ} by {size(d.difference)} residual SD"
        case "loglik":
            return f"{what} differs by {size(d.difference)}"
    if not math.isfinite(d.difference) or d.difference > 1.0:
        return f"{what} {'are' if many else 'is'} {rounded(d.value)} against {rounded(d.reference)}"
    return f"{what} {differ} by {size(100.0 * d.difference)} %"


def _alone(record: CaseRecord, bench: Bench, engine: str) -> str:
    judgement, audit = record.judgement(engine), record.audit(engine)
    assert judgement is not None
    if "no-maximum" in judgement.causes:
        return f"{engine} has stopped where there is no optimum: {_open(judgement.evidence)}."
    if audit is None and judgement.verdict not in ("DIFFERENT_MODEL", "DATA_MISMATCH"):
        return (
            f"{engine} has a fit, and nothing can be said of whether it is right: the referee "
            "could not evaluate it."
        )
    if judgement.verdict == "UNDETERMINED":
        return (
            f"{engine} is at one of many points that are equally good: {_open(judgement.evidence)}."
        )
    wrong = _clause(record, bench, engine)
    if wrong:
        not_all = judgement.verdict == "FALSE_STATEMENT"
        lead = (
            f"No, not all that {engine} states is right"
            if not_all
            else f"No, {whose(engine)} answer is not right"
        )
        return f"{lead}: {wrong}."
    if judgement.verdict == "UNEXPLAINED":
        return f"No: {judgement.sentence}"
    if audit is None or record.criterion == "OLS":
        return f"Yes: {whose(engine)} answer is right; least squares has a closed form."
    return f"Yes: {whose(engine)} answer is right: it is the optimum ({audit.certificate})."
