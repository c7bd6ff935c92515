"""The diagnosis of a case under other names, labels and values, held against that of the case."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.base.errors import BadInput
from harness.data.anonymisation import STRENGTHS, Key, Strength, anonymise
from harness.data.rungs import Rung
from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.diagnosis_cost import refuse_or_size
from harness.diagnose.headline import SAME
from harness.diagnose.pipeline import standard_run
from harness.diagnose.user_engines import Opened
from harness.judge.case_record import case_record
from harness.judge.case_verdict import case_verdict
from harness.judge.records import CaseRecord
from harness.model.table import NumericColumn, are_codes

TRIED: tuple[Strength, ...] = (
    STRENGTHS[0],
    STRENGTHS[1],
    STRENGTHS[2],
    STRENGTHS[2],
    STRENGTHS[3],
    STRENGTHS[0],
    STRENGTHS[1],
)
"""What is tried in turn, numbers drawn anew each time. Names and labels alone are not enough."""


@dataclass(frozen=True)
class Hidden:
    """An anonymised case, its own diagnosis, and the key to it."""

    rung: Rung
    found: Diagnosis
    key: Key


def hidden(
    rung: Rung,
    found: Diagnosis,
    with_engines: Opened,
    again: Callable[[Rung], Diagnosis],
    *,
    seed: int | None = None,
) -> Hidden:
    """Anonymise a case so that its diagnosis stays what it is, by diagnosing it again.

    Parameters
    ----------
    with_engines : Opened
        Fit each form of the case before it is diagnosed.
    again : callable
        Diagnoses a case as ``found`` was had.
    seed : int, optional
        For the numbers drawn; from the operating system without it.

    Raises
    ------
    BadInput
        When no form that hides every value keeps the diagnosis.
    """
    wanted, reasons = _outcome(found), []
    chance = random.SystemRandom() if seed is None else random.Random(seed)
    for strength in TRIED:
        drawn = anonymise(rung, strength, chance)
        kept = kept_values(rung, drawn.rung)
        if kept:
            reasons.append(f"values of {', '.join(map(repr, kept))} stay")
            continue
        judged = standard_run(drawn.rung, with_engines, refuse_or_size(drawn.rung.case))
        record = case_record(judged, drawn.rung)
        outcome = _of_record(record)
        if outcome == _of_record(found.case):
            diagnosis = again(drawn.rung)
            outcome = _outcome(diagnosis)
            if outcome == wanted:
                return Hidden(drawn.rung, diagnosis, drawn.key)
        what = next(name for name in outcome if outcome[name] != wanted[name])
        reasons.append(f"{what} {_said(wanted[what])} became {_said(outcome[what])}")
    first = "; ".join(list(dict.fromkeys(reasons))[:2])
    raise BadInput(
        f"cannot be anonymised: none of {len(TRIED)} ways hides every value and leaves the "
        f"diagnosis ({first})"
    )


def kept_values(rung: Rung, other: Rung) -> tuple[str, ...]:
    """Return the numeric columns with a value, neither zero nor a code, that was left as it is."""
    out = []
    pairs = zip(rung.case.table.columns, other.case.table.columns, strict=True)
    for old, new in pairs:
        if not isinstance(old, NumericColumn) or not isinstance(new, NumericColumn):
            continue
        if are_codes(old.values[~old.missing]):
            continue
        # Mixing what is constant within a group gives the constant again but for rounding.
        same = np.isclose(old.values, new.values, rtol=1e-9, atol=0.0) & (old.values != 0.0)
        if same.any():
            out.append(old.name)
    return tuple(out)


def _outcome(found: Diagnosis) -> dict[str, tuple[Any, ...]]:
    """Return what anonymising must not change, by name."""
    return {
        **_of_record(found.case),
        "the answer": (found.agreement,),
        "the causes": tuple(sorted({c.key for c in found.causes})),
        "singular terms": tuple((s.fit, s.rank, s.truly) for s in found.singular),
        "changed conclusions": tuple(i for i, c in enumerate(found.conclusions) if c.changed),
    }


def _of_record(record: CaseRecord) -> dict[str, tuple[Any, ...]]:
    """Return the verdict of the programs as they come, and whether they agree when tight."""
    first, *others = (case_verdict(record, setting) for setting in record.settings)
    return {
        "the verdict": (first.verdict,),
        "its causes": tuple(sorted(first.causes)),
        "agreement when tight": tuple(
            "the same" if v.verdict in SAME else v.verdict for v in others
        ),
    }


def _said(value: tuple[Any, ...]) -> str:
    return ", ".join(map(str, value)) or "none"
