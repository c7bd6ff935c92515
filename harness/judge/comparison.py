"""Two engines' judgements of one case, set beside each other."""

from __future__ import annotations

from typing import Literal

import msgspec

from harness.base.json import Real
from harness.engines.engine import Setting
from harness.judge.evidence import Evidence, causes_of
from harness.judge.verdict import WITHOUT_CAUSE, Finding, VerdictClass

Unit = Literal["absolute", "SE", "relative", "log10"]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity of an engine beside the reference's.

    Attributes
    ----------
    quantity : str
        Row of the tolerance table: ``loglik``, ``estimate``, ``se``, ``df``, ``statistic``, ``p``,
        ``variance``, ``residual_variance``, ``residual``, ``random_effect``, ``fitted``.
    item : str
        Which one: a coefficient or a variance component; empty for a scalar.
    value, reference : float
        The two values. Where the two engines print the quantity under different definitions,
        ``value`` is the referee's at the engine's point under the reference's definition.
    referee : bool
        Whether ``value`` is the referee's, and not what the engine prints.
    difference : float
        Non-negative, in ``unit``.
    digits : float
        LRE, -log10(|value - reference| / |reference|); ``inf`` when equal.
    within : bool
        ``difference <= tolerance``; a NaN is never within.
    """

    quantity: str
    item: str
    value: Real
    reference: Real
    referee: bool = False
    difference: Real
    unit: Unit
    digits: Real
    tolerance: Real
    within: bool


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine's judgement beside the reference's comes to.

    Attributes
    ----------
    verdict : str
        The class.
    blamed : tuple of str
        The engines that it lays the difference to; empty for none.
    finding : Finding
        Who is right and why.
    evidence : tuple of Evidence
        The causes that held, with their numbers.
    differences : tuple of Difference
        Number by number.
    """

    engine: str
    reference: str
    setting: Setting
    verdict: VerdictClass
    blamed: tuple[str, ...] = ()
    finding: Finding
    evidence: tuple[Evidence, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def causes(self) -> tuple[str, ...]:
        """Keys of known_differences.toml whose predicates held, each once."""
        return causes_of(self.evidence)

    @property
    def sentence(self) -> str:
        """Who is right and why, for a reader who knows no theory."""
        from harness.judge.sentence import finding_sentence

        return finding_sentence(self.finding)

    @property
    def unexplained(self) -> bool:
        """Whether it is a disagreement without a cause.

        A failure whose only cause is the engine's own error is not explained by it, nor is a false
        number by the fact that it is false.
        """
        named = set(self.causes)
        match self.verdict:
            case "UNEXPLAINED" | "DATA_MISMATCH":
                return True
            case "FAILED":
                return named <= {"engine-error"}
            case "FALSE_STATEMENT":
                return self.finding.key in WITHOUT_CAUSE
        return False
