"""What came of checking one property of an engine on one case."""

from __future__ import annotations

from typing import Literal

import msgspec

from harness.base.json import Real
from harness.engines.engine import Setting
from harness.judge.evidence import Evidence
from harness.judge.verdict import VerdictClass

Status = Literal["holds", "fails", "unexplained", "not applicable"]
"""``fails``: it does not hold, and a named cause says why; ``unexplained``: it does not hold and no
cause was found; ``not applicable``: the case cannot show it, or an engine has no fit for it."""


class PropertyOutcome(
    msgspec.Struct, frozen=True, kw_only=True, tag="property", tag_field="record"
):
    """A property of an engine, checked on one case.

    Attributes
    ----------
    property : str
        Its name in ``lmm-parity conformance --list``.
    case, group : str
        Id of the case, and the heading under which it stands (the shape of a generated one).
    verdict : str or None
        Class of the verdict behind it, where there is one.
    engines : tuple of str
        The engines to which the failure is laid; empty for none.
    causes : tuple of str
        Keys of known_differences.toml whose predicates held.
    sentence : str
        What was found, for a reader who knows no theory.
    evidence : tuple of Evidence
        What was found for each cause.
    notes : tuple of str
        More lines to show.
    discrepancy : float
        How far it is from holding, in units of what is tolerated: above 1 it does not hold. NaN
        where it is not applicable.
    seconds : float
        Wall time of the check, fits included.
    """

    property: str
    case: str
    group: str
    engine: str
    reference: str
    setting: Setting
    status: Status
    verdict: VerdictClass | None = None
    engines: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    sentence: str = ""
    evidence: tuple[Evidence, ...] = ()
    notes: tuple[str, ...] = ()
    discrepancy: Real = 0.0
    seconds: float = 0.0
