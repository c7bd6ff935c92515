"""What a case comes to, engine by engine, as every page tells it."""

from __future__ import annotations

from harness.judge.comparison import Comparison
from harness.judge.definition_notes import DefinitionNote, definition_notes
from harness.judge.judgement import Judgement
from harness.judge.records import CaseRecord
from harness.judge.verdict import graver
from harness.page.appearance import VERDICTS

Told = Comparison | Judgement
"""An engine beside the reference, or judged by itself."""


def told(case: CaseRecord) -> tuple[Told, ...]:
    """Return what is told of a case: its comparisons, or of one engine alone its judgements."""
    return case.comparisons or case.judgements


def main_verdict(case: CaseRecord) -> Told:
    """Return what counts: in the default setting, or the only one there is, the gravest."""
    first = _that_count(case)
    gravest = graver(*(one.verdict for one in first))
    return next(one for one in first if one.verdict == gravest)


def main_blamed(case: CaseRecord) -> tuple[str, ...]:
    """Return the engines that the main verdict is laid to, whichever engine they stand beside."""
    gravest = main_verdict(case).verdict
    found = (one for one in _that_count(case) if one.verdict == gravest)
    return tuple(dict.fromkeys(name for one in found for name in blamed(one)))


def blamed(one: Told) -> tuple[str, ...]:
    """Return the engines to which a verdict is laid; empty for none."""
    if isinstance(one, Comparison):
        return one.blamed
    return () if one.verdict == "RIGHT" else (one.engine,)


def unexplained(case: CaseRecord) -> bool:
    """Say whether an engine disagrees without a cause, in any setting."""
    return any(
        one.unexplained if isinstance(one, Comparison) else one.verdict == "UNEXPLAINED"
        for one in told(case)
    )


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


def severity(case: CaseRecord) -> int:
    """Return how soon a reader wants to see a case: its worst verdict in any setting."""
    return max(VERDICTS[one.verdict].interest for one in told(case))


def _that_count(case: CaseRecord) -> tuple[Told, ...]:
    found = told(case)
    return tuple(one for one in found if one.setting == found[0].setting)
