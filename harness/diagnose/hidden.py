"""The diagnosis of a case under other names, labels and units, held against that of the case."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.cases.anonymise import STRENGTHS, Key, anonymise
from harness.cases.ladder import Rung
from harness.cases.table import NumericColumn
from harness.diagnose.diagnosis import Diagnosis
from harness.errors import BadInput

DRAWS = 2
"""Units and origins drawn for each strength before the next one is tried."""


@dataclass(frozen=True)
class Hidden:
    """An anonymised case, its own diagnosis, and the key to it."""

    rung: Rung
    found: Diagnosis
    key: Key


def hidden(
    rung: Rung,
    found: Diagnosis,
    again: Callable[[Rung], Diagnosis],
    *,
    seed: int | None = None,
) -> Hidden:
    """Anonymise a case so that its diagnosis stays what it is, by diagnosing it again each time.

    Origins stay where they are when moving them changes the diagnosis; names, labels and units
    are always others.

    Parameters
    ----------
    again : callable
        Diagnoses a case as ``found`` was had.
    seed : int, optional
        For the units and origins drawn; from the operating system without it.

    Raises
    ------
    BadInput
        When no units that were drawn keep the diagnosis, or a column occurs where another unit
        would make another model.
    """
    wanted, other = _outcome(found), ""
    chance = random.SystemRandom() if seed is None else random.Random(seed)
    for strength in STRENGTHS[:2]:
        for _ in range(DRAWS):
            drawn = anonymise(rung, strength, chance)
            _require_other_units(rung, drawn.key)
            diagnosis = again(drawn.rung)
            outcome = _outcome(diagnosis)
            if outcome == wanted:
                return Hidden(drawn.rung, diagnosis, drawn.key)
            what = next(name for name in wanted if outcome[name] != wanted[name])
            other = f"{what} {_said(wanted[what])} became {_said(outcome[what])}"
    raise BadInput(
        f"cannot be anonymised: in all of {2 * DRAWS} changes of units the diagnosis became "
        f"another one (in the last, {other})"
    )


def _require_other_units(rung: Rung, key: Key) -> None:
    numeric = [c.name for c in rung.case.table.columns if isinstance(c, NumericColumn)]
    kept = [name for name in numeric if name not in key.values]
    if kept:
        raise BadInput(
            f"cannot be anonymised: in other units of {', '.join(map(repr, kept))} this would be "
            "another model, and as they are its values could tell whose data these are"
        )


def _outcome(found: Diagnosis) -> dict[str, tuple[Any, ...]]:
    """Return what anonymising must not change, by name."""
    return {
        "the answer": (found.agreement,),
        "the verdict": tuple(v.verdict for v in found.case.verdicts),
        "the causes": tuple(sorted({c.key for c in found.causes})),
        "the causes of the verdict": tuple(tuple(sorted(v.causes)) for v in found.case.verdicts),
        "singular terms": tuple((s.fit, s.rank, s.truly) for s in found.singular),
        "changed conclusions": tuple(
            place for place, c in enumerate(found.conclusions) if c.changed
        ),
    }


def _said(value: tuple[Any, ...]) -> str:
    return ", ".join(map(str, value)) or "none"
