"""Verdicts, settings and quantities in words, and the sentence that sums up a run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.campaign.records import CaseRecord, Run
from harness.verdicts.audit import Certificate
from harness.verdicts.verdict import Verdict, VerdictClass

Family = Literal["agree", "differ", "silent", "unexplained"]


@dataclass(frozen=True)
class VerdictWords:
    """How a verdict class is shown; each has an icon of its own, so colour is never alone."""

    label: str
    plain: str
    family: Family
    icon: str


@dataclass(frozen=True)
class CertificateWords:
    """How the referee's finding is shown."""

    label: str
    family: Family
    icon: str


VERDICTS: dict[VerdictClass, VerdictWords] = {
    "AGREE": VerdictWords("AGREE", "the same answer", "agree", "check"),
    "TOLERANCE": VerdictWords("TOLERANCE", "the same once both stop later", "agree", "about"),
    "DEFINITION": VerdictWords("DEFINITION", "the same fit, defined otherwise", "agree", "equals"),
    "CODING": VerdictWords("CODING", "the same fit, coded otherwise", "agree", "swap"),
    "WRONG_OPTIMUM": VerdictWords("WRONG OPTIMUM", "an engine stopped short", "differ", "warning"),
    "DIFFERENT_MODEL": VerdictWords("DIFFERENT MODEL", "not the same model", "differ", "fork"),
    "DATA_MISMATCH": VerdictWords("DATA MISMATCH", "not the same data", "differ", "fork"),
    "UNEXPLAINED": VerdictWords("UNEXPLAINED", "no cause found", "unexplained", "question"),
    "UNSUPPORTED": VerdictWords("UNSUPPORTED", "an engine cannot express it", "silent", "bar"),
    "FAILED": VerdictWords("FAILED", "an engine gave no answer", "silent", "cross"),
    "ENVIRONMENT": VerdictWords("ENVIRONMENT", "the engine did not run", "silent", "cross"),
}
"""In the order in which they are shown."""

CERTIFICATES: dict[Certificate, CertificateWords] = {
    "interior optimum": CertificateWords("interior optimum", "agree", "bowl"),
    "boundary optimum": CertificateWords("boundary optimum (singular)", "agree", "edge"),
    "closed form": CertificateWords("closed form", "agree", "closed"),
    "stopped short": CertificateWords("stopped short", "differ", "slope"),
    "false boundary": CertificateWords("false boundary", "differ", "wall"),
    "outside the parameter space": CertificateWords("outside the model", "differ", "cross"),
}
"""What the referee calls a fit, in the words of the page."""

QUIET: frozenset[VerdictClass] = frozenset({"AGREE", "TOLERANCE", "UNSUPPORTED"})
"""Verdicts whose cards start closed."""

QUANTITIES: dict[str, str] = {
    "loglik": "log-lik",
    "estimate": "estimate",
    "se": "SE",
    "df": "df",
    "statistic": "t",
    "p": "p",
    "variance": "variance",
    "residual_variance": "σ²",
    "random_effect": "random",
    "fitted": "fitted",
}
"""Rows of the tolerance table, in the order in which they are shown."""

SHORT: dict[str, str] = {"estimate": "coef", "variance": "var", "random_effect": "BLUP"}
"""Heads of the heat map's narrow columns, where they differ from :data:`QUANTITIES`."""

REASONS: dict[str, str] = {
    "unsupported": "cannot express this model",
    "refused": "refused the data",
    "error": "raised an error",
    "crash": "crashed",
    "timeout": "took too long",
    "memory": "ran out of memory",
    "environment": "could not be run",
    "data": "received other data than were sent",
}

_TIMES = ("never", "once", "twice", "three times", "four times", "five times", "six times")


@dataclass(frozen=True)
class Headline:
    """The run in a sentence, and what could not be compared in another."""

    lead: str
    rest: str


def headline(run: Run) -> Headline:
    """Return the sentence at the top of the report, composed from the verdicts alone."""
    verdicts = [main_verdict(case) for case in run.cases]
    counts = Counter(VERDICTS[v.verdict].family for v in verdicts)
    total = len(verdicts)
    if not total:
        return Headline("No model was compared.", "")
    compared = total - counts["silent"]
    lead = f"{total} {_plural(total, 'model')}, "
    if total == 1:
        lead = "1 model: "
    if not compared:
        lead += "none could be compared"
    elif compared == total == counts["agree"]:
        lead += "all agree" if total > 1 else "the engines agree"
    else:
        lead += f"{counts['agree']} agree{'s' if counts['agree'] == 1 else ''}"
    differ = counts["differ"] + counts["unexplained"]
    if differ:
        lead += f"; {differ} {_plural(differ, 'differs', 'differ')}, " + _explained(
            [v for v in verdicts if VERDICTS[v.verdict].family == "differ"], counts["unexplained"]
        )
    rest = _not_compared([v for v in verdicts if VERDICTS[v.verdict].family == "silent"])
    return Headline(lead + ".", rest)


def main_verdict(case: CaseRecord) -> Verdict:
    """Return the verdict that counts: the default setting's, or the only one there is."""
    for verdict in case.verdicts:
        if verdict.setting == "default":
            return verdict
    if case.verdicts:
        return case.verdicts[0]
    return Verdict(setting="default", verdict="UNEXPLAINED", sentence="No verdict was recorded.")


def times(number: int) -> str:
    """Return ``once``, ``twice``, ..."""
    return _TIMES[number] if number < len(_TIMES) else f"{number} times"


def join(parts: Sequence[str]) -> str:
    """Return parts as a person lists them."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def anchor(prefix: str, name: str, taken: Iterable[str] = ()) -> str:
    """Return an id for a link, unique among ``taken``."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "x"
    candidate, number = f"{prefix}-{slug}", 1
    while candidate in taken:
        number += 1
        candidate = f"{prefix}-{slug}-{number}"
    return candidate


def _explained(differing: Sequence[Verdict], unexplained: int) -> str:
    if not differing:
        return "unexplained" if unexplained == 1 else "none of them explained"
    reasons = _reasons(differing)
    if not unexplained:
        return f"{'all ' if len(differing) > 1 else ''}explained: {reasons}"
    return f"{len(differing)} explained ({reasons}) and {unexplained} unexplained"


def _reasons(differing: Sequence[Verdict]) -> str:
    phrases = []
    stopped = Counter(
        join(v.engines) if v.engines else "an engine"
        for v in differing
        if v.verdict == "WRONG_OPTIMUM"
    )
    for place, (engine, number) in enumerate(stopped.most_common()):
        phrases.append(f"{engine} {'stopped short ' if place == 0 else ''}{times(number)}")
    others = Counter(v.verdict for v in differing if v.verdict != "WRONG_OPTIMUM")
    if others["DIFFERENT_MODEL"]:
        phrases.append(f"the models were not the same {times(others['DIFFERENT_MODEL'])}")
    if others["DATA_MISMATCH"]:
        phrases.append(f"the data were not the same {times(others['DATA_MISMATCH'])}")
    return ", ".join(phrases)


def _not_compared(silent: Sequence[Verdict]) -> str:
    if not silent:
        return ""
    verbs = {
        "UNSUPPORTED": "cannot express {}",
        "FAILED": "gave no answer for {}",
        "ENVIRONMENT": "could not be run for {}",
    }
    phrases = [
        f"{engine} {verbs[kind].format(number)}"
        for (kind, engine), number in Counter(
            (v.verdict, join(v.engines) if v.engines else "an engine") for v in silent
        ).items()
    ]
    return f"{len(silent)} could not be compared: {'; '.join(phrases)}."


def _plural(number: int, one: str, many: str | None = None) -> str:
    return one if number == 1 else (many or one + "s")
