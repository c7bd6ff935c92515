"""Quantities and failures in words, and the sentence that sums up a run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.base.text import listed
from harness.judge.property_outcome import Status
from harness.judge.verdict import VerdictClass
from harness.page import appearance
from harness.page.appearance import Family
from harness.page.numbers import count
from harness.page.run_summary import Blamed, PropertyCount

QUANTITIES: dict[str, str] = {
    "loglik": "log-lik",
    "estimate": "estimate",
    "se": "SE",
    "df": "df",
    "statistic": "t",
    "p": "p",
    "variance": "variance",
    "residual_variance": "σ²",
    "residual": "residual",
    "random_effect": "random",
    "fitted": "fitted",
}
"""Rows of the tolerance table, in the order in which they are shown."""

LONG: dict[str, str] = {
    "residual_variance": "residual variance",
    "random_effect": "random effects",
}
"""Heads of lines, where they differ from :data:`QUANTITIES`."""

SHORT: dict[str, str] = {"estimate": "coef", "variance": "var", "random_effect": "BLUP"}
"""Heads of the heat map's narrow columns, where they differ from :data:`QUANTITIES`."""

REASONS: dict[str, str] = {
    "unsupported": "cannot express this model",
    "left-out": "was left out, for its size",
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


def quantity(name: str) -> str:
    """Return what a quantity is called."""
    return QUANTITIES.get(name, name)


def headline_of(blamed: Mapping[Blamed, int]) -> Headline:
    """Return the sentence at the top, for cases counted by main verdict and engines blamed."""
    counts: Counter[Family] = Counter()
    for (verdict, _), number in blamed.items():
        counts[appearance.VERDICTS[verdict].family] += number
    total = counts.total()
    if not total:
        return Headline("No model was compared.", "")
    compared = total - counts["silent"]
    lead = f"{count(total)} {plural(total, 'model')}, "
    if total == 1:
        lead = "1 model: "
    if not compared:
        lead += "none could be compared"
    elif compared == total == counts["agree"]:
        lead += "all agree" if total > 1 else "the engines agree"
    else:
        lead += f"{count(counts['agree'])} agree{'s' if counts['agree'] == 1 else ''}"
    differ = counts["differ"] + counts["unexplained"]
    if differ:
        lead += f"; {count(differ)} {plural(differ, 'differs', 'differ')}, " + _explained(
            _of_family(blamed, "differ"), counts["unexplained"]
        )
    return Headline(lead + ".", _not_compared(_of_family(blamed, "silent")))


def headline_of_properties(counts: Mapping[str, PropertyCount]) -> str:
    """Return what came of the properties checked, in a sentence."""
    statuses: Counter[Status] = Counter()
    for found in counts.values():
        statuses.update(found.statuses)
    checked = statuses.total() - statuses["not applicable"]
    if not checked:
        return "No property could be checked."
    lead = f"{count(checked)} {plural(checked, 'check')} of {count(len(counts))} "
    lead += plural(len(counts), "property", "properties")
    broken = statuses["fails"] + statuses["unexplained"]
    if not broken:
        return lead + (", all hold." if checked > 1 else ": it holds.")
    lead += f", {count(statuses['holds'])} {plural(statuses['holds'], 'holds', 'hold')}; "
    lead += f"{count(broken)} {plural(broken, 'fails', 'fail')}, "
    if not statuses["unexplained"]:
        return lead + ("all for a named cause." if broken > 1 else "for a named cause.")
    if not statuses["fails"]:
        return lead + ("unexplained." if broken == 1 else "none of them explained.")
    return (
        lead + f"{count(statuses['fails'])} for a named cause and "
        f"{count(statuses['unexplained'])} unexplained."
    )


def times(number: int) -> str:
    """Return ``once``, ``twice``, ..."""
    return _TIMES[number] if number < len(_TIMES) else f"{count(number)} times"


def anchor(prefix: str, name: str, taken: Iterable[str] = ()) -> str:
    """Return an id for a link, unique among ``taken``."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "x"
    candidate, number = f"{prefix}-{slug}", 1
    while candidate in taken:
        number += 1
        candidate = f"{prefix}-{slug}-{number}"
    return candidate


def _of_family(blamed: Mapping[Blamed, int], family: Family) -> Counter[Blamed]:
    return Counter({k: n for k, n in blamed.items() if appearance.VERDICTS[k[0]].family == family})


def _explained(differing: Counter[Blamed], unexplained: int) -> str:
    total = differing.total()
    if not total:
        return "unexplained" if unexplained == 1 else "none of them explained"
    reasons = _reasons(differing)
    if not unexplained:
        return f"{'all ' if total > 1 else ''}explained: {reasons}"
    return f"{count(total)} explained ({reasons}) and {count(unexplained)} unexplained"


def _reasons(differing: Counter[Blamed]) -> str:
    phrases = []
    stopped: Counter[str] = Counter()
    others: Counter[VerdictClass] = Counter()
    stating: Counter[str] = Counter()
    for (verdict, engines), number in differing.items():
        if verdict == "WRONG_OPTIMUM":
            stopped[listed(engines) if engines else "an engine"] += number
        elif verdict == "FALSE_STATEMENT":
            stating[listed(engines) if engines else "an engine"] += number
        else:
            others[verdict] += number
    for place, (engine, number) in enumerate(stopped.most_common()):
        phrases.append(f"{engine} {'stopped short ' if place == 0 else ''}{times(number)}")
    phrases += [
        f"{engine} states a false number {times(number)}"
        for engine, number in stating.most_common()
    ]
    if others["DIFFERENT_MODEL"]:
        phrases.append(f"the models were not the same {times(others['DIFFERENT_MODEL'])}")
    if others["DATA_MISMATCH"]:
        phrases.append(f"the data were not the same {times(others['DATA_MISMATCH'])}")
    return ", ".join(phrases)


def _not_compared(silent: Counter[Blamed]) -> str:
    if not silent:
        return ""
    verbs: dict[VerdictClass, str] = {
        "UNSUPPORTED": "{be} not judged for {}",
        "FAILED": "gave no answer for {}",
        "ENVIRONMENT": "could not be run for {}",
    }
    undetermined = sum(n for (kind, _), n in silent.items() if kind == "UNDETERMINED")
    phrases = [
        f"{listed(engines) if engines else 'an engine'} "
        f"{verbs[kind].format(count(number), be='are' if len(engines) > 1 else 'is')}"
        for (kind, engines), number in silent.items()
        if kind != "UNDETERMINED"
    ]
    if undetermined:
        phrases.append(f"the data of {count(undetermined)} do not determine the parameters")
    return f"{count(silent.total())} could not be compared: {'; '.join(phrases)}."


def plural(number: int, one: str, many: str | None = None) -> str:
    """Return the word for so many."""
    return one if number == 1 else (many or one + "s")
