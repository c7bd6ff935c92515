"""What a case comes to, engine by engine and together: the gravest leads."""

from __future__ import annotations

from dataclasses import dataclass

from harness.engines.engine import Fit, Setting
from harness.judge.causes.predicates import ACCOMPANYING
from harness.judge.comparison import Comparison
from harness.judge.definition_notes import DefinitionNote, definition_notes
from harness.judge.evidence import Evidence, causes_of
from harness.judge.judgement import Judgement
from harness.judge.pair_decision import ACCOMPANYING_DATA
from harness.judge.records import CaseRecord
from harness.judge.verdict import GRAVITY, Finding, VerdictClass, graver

Told = Comparison | Judgement
"""An engine beside the reference, or judged by itself."""


@dataclass(frozen=True)
class CaseVerdict:
    """The comparisons of a case in one setting, or the judgement of its only engine, as one.

    Attributes
    ----------
    verdict : str
        The gravest.
    blamed : tuple of str
        The engines that the gravest ones lay it to, whichever engine they stand beside.
    findings : tuple of Finding
        Of the gravest ones, each once.
    evidence : tuple of Evidence
        Of all, the gravest first and what is said whatever the verdict last; what is of the data
        is there once.
    """

    verdict: VerdictClass
    blamed: tuple[str, ...]
    findings: tuple[Finding, ...]
    evidence: tuple[Evidence, ...]

    @property
    def causes(self) -> tuple[str, ...]:
        """The causes that held, each once."""
        return causes_of(self.evidence)

    @property
    def sentence(self) -> str:
        """The gravest findings in words."""
        from harness.judge.sentence import finding_sentence

        return " ".join(dict.fromkeys(map(finding_sentence, self.findings)))


def told(case: CaseRecord, setting: Setting | None = None) -> tuple[Told, ...]:
    """Return what is told of a case: its comparisons, or of one engine alone its judgements."""
    found: tuple[Told, ...] = case.comparisons or case.judgements
    return tuple(one for one in found if setting in (None, one.setting))


def case_verdict(case: CaseRecord, setting: Setting | None = "default") -> CaseVerdict:
    """Return what a case comes to in a setting; None is the one that counts."""
    found = told(case, setting) if setting is not None else that_count(case)
    worst = graver(*(one.verdict for one in found))
    grave = [one for one in found if one.verdict == worst]
    seen: list[Evidence] = []
    for one in (*grave, *(f for f in found if f.verdict != worst)):
        for item in one.evidence:
            of_data = item.cause in ACCOMPANYING_DATA and item.cause in causes_of(tuple(seen))
            if item not in seen and not of_data:
                seen.append(item)
    return CaseVerdict(
        verdict=worst,
        blamed=tuple(dict.fromkeys(e for one in grave for e in blamed(one))),
        findings=tuple(one.finding for one in grave),
        evidence=tuple(sorted(seen, key=lambda one: one.cause in ACCOMPANYING)),
    )


def that_count(case: CaseRecord) -> tuple[Told, ...]:
    """Return what is told in the default setting, or the only one there is."""
    found = told(case)
    return told(case, found[0].setting) if found else ()


def main_verdict(case: CaseRecord) -> Told:
    """Return the gravest of those that count."""
    first = that_count(case)
    gravest = graver(*(one.verdict for one in first))
    return next(one for one in first if one.verdict == gravest)


def blamed(one: Told) -> tuple[str, ...]:
    """Return the engines to which a verdict is laid; empty for none."""
    if isinstance(one, Comparison):
        return one.blamed
    return () if one.verdict == "RIGHT" else (one.engine,)


def unexplained(case: CaseRecord) -> bool:
    """Say whether an engine disagrees without a cause in any setting, or none has a fit for one.

    Where one engine cannot express a model, or is left out, the failure of the other counts alone.
    """
    failed = [j for j in case.judgements if j.verdict == "FAILED"]
    if failed and not any(isinstance(fit, Fit) for fit in case.fits):
        return any(set(j.causes) <= {"engine-error"} for j in failed)
    return any(one.unexplained for one in told(case))


def misled(case: CaseRecord, setting: Setting = "default") -> tuple[str, ...]:
    """Return the engines whose fit is not of the model, not at its optimum, or states falsely."""
    found = [c for c in case.comparisons if c.setting == setting]
    grave = [c for c in found if GRAVITY[c.verdict] > GRAVITY["DEFINITION"]]
    return tuple(dict.fromkeys(engine for c in grave for engine in c.blamed))


def least_digits(case: CaseRecord) -> float:
    """Return how many digits agree of estimates, standard errors and df; NaN without any."""
    found = [
        d.digits
        for c in case.comparisons
        if c.setting == "default"
        for d in c.differences
        if d.quantity in ("estimate", "se", "df")
    ]
    return min(found, default=float("nan"))


def definitions(case: CaseRecord) -> tuple[DefinitionNote, ...]:
    """Return where any engine defines otherwise than the reference what it prints."""
    return tuple(note for engine in case.engines for note in definition_notes(case, engine))


def examples(case: CaseRecord) -> tuple[DefinitionNote, ...]:
    """Return a note for each engine and definition, of the effect of interest where it has one."""
    out: dict[tuple[str, str], DefinitionNote] = {}
    for note in definitions(case):
        if (note.engine, note.cause) not in out or note.item == case.focus:
            out[note.engine, note.cause] = note
    return tuple(out.values())
