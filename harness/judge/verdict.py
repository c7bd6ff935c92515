"""The classified outcome of comparing two audited fits."""

from __future__ import annotations

from typing import Literal

import msgspec

from harness.base.json import Real
from harness.engines.engine import Setting

VerdictClass = Literal[
    "ENVIRONMENT",
    "UNSUPPORTED",
    "FAILED",
    "DATA_MISMATCH",
    "DIFFERENT_MODEL",
    "CODING",
    "WRONG_OPTIMUM",
    "DEFINITION",
    "TOLERANCE",
    "AGREE",
    "UNEXPLAINED",
]
"""In the order in which they are tried."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison came to.

    Attributes
    ----------
    verdict : str
        The class.
    engines : tuple of str
        The engines that it lays the difference to; empty for none.
    causes : tuple of str
        Keys of known_differences.toml whose predicates held.
    sentence : str
        Who is right and why, for a reader who knows no theory.
    evidence : tuple of str
        The numbers behind it, a line each.
    """

    setting: Setting
    verdict: VerdictClass
    engines: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    sentence: str = ""
    evidence: tuple[str, ...] = ()


def is_unexplained(verdict: Verdict) -> bool:
    """Return whether a verdict is a disagreement without a cause.

    A failure whose only cause is the engine's own error is not explained by it.
    """
    return verdict.verdict in ("UNEXPLAINED", "DATA_MISMATCH") or (
        verdict.verdict == "FAILED" and set(verdict.causes) <= {"engine-error"}
    )


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """Two quantities under one name: not a disagreement, but printed differently by definition.

    ``cause`` is a key of known_differences.toml; ``left`` and ``right`` are what the two engines
    print for ``item``; None where the second prints nothing of the kind.
    """

    cause: str
    item: str
    left: Real
    right: Real | None
    like_for_like: Real | None = None
