"""Classes of verdicts, in the order in which they are tried."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from harness.base.json import Real

VerdictClass = Literal[
    "ENVIRONMENT",
    "UNSUPPORTED",
    "FAILED",
    "DATA_MISMATCH",
    "DIFFERENT_MODEL",
    "WRONG_OPTIMUM",
    "FALSE_STATEMENT",
    "UNEXPLAINED",
    "UNDETERMINED",
    "CODING",
    "DEFINITION",
    "TOLERANCE",
    "AGREE",
    "RIGHT",
]
"""Of one engine all but CODING to AGREE, of two engines all but RIGHT; the gravest first."""

GRAVITY: dict[VerdictClass, int] = {
    "RIGHT": 0,
    "AGREE": 0,
    "TOLERANCE": 1,
    "DEFINITION": 2,
    "CODING": 2,
    "FALSE_STATEMENT": 3,
    "WRONG_OPTIMUM": 3,
    "DIFFERENT_MODEL": 3,
    "UNEXPLAINED": 4,
    "DATA_MISMATCH": 4,
    "UNDETERMINED": 5,
    "UNSUPPORTED": 5,
    "FAILED": 5,
    "ENVIRONMENT": 6,
}
"""How far a verdict is from agreement; a remedy that lowers it has helped."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a judgement or a comparison came to, as data; a template makes a sentence of it.

    Attributes
    ----------
    key : str
        Of the template in findings.toml.
    engines : tuple of str
        The engines that it speaks of.
    numbers, texts : dict
        What the template has under these names.
    """

    key: str
    engines: tuple[str, ...] = ()
    numbers: dict[str, Real] = {}
    texts: dict[str, str] = {}


WITHOUT_CAUSE = ("false-statement-unknown", "listing-false-unknown")
"""Findings of a number that is false for no known reason."""


def graver(*verdicts: VerdictClass) -> VerdictClass:
    """Return the gravest of some classes."""
    return min(verdicts, key=get_args(VerdictClass).index)
