"""What a predicate may look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.engines.engine import Failure, Fit
from harness.judge.audit import Audit
from harness.judge.comparison import Comparison
from harness.judge.tolerances import load_tolerances
from harness.model.case import Case


@dataclass(frozen=True)
class Seen:
    """Everything a predicate may look at: two outcomes in one setting and what was made of them.

    ``tight`` says whether the same two engines agree in the tight setting; None when that is not
    known (it was not run, or this is it).
    """

    case: Case
    left: Fit | Failure
    right: Fit | Failure
    left_audit: Audit | None
    right_audit: Audit | None
    comparisons: tuple[Comparison, ...]
    tight: bool | None = None

    def pairs(self) -> list[tuple[Fit, Audit]]:
        """Return the fits with their audits."""
        out = []
        for fit, audit in ((self.left, self.left_audit), (self.right, self.right_audit)):
            if isinstance(fit, Fit) and audit is not None:
                out.append((fit, audit))
        return out

    def failures(self) -> list[Failure]:
        """Return the outcomes that are no fits."""
        return [o for o in (self.left, self.right) if isinstance(o, Failure)]

    def outside(self, *quantities: str) -> list[Comparison]:
        """Return comparisons beyond their tolerance, of some quantities or of all."""
        return [
            c
            for c in self.comparisons
            if not c.within and (not quantities or c.quantity in quantities)
        ]


def misstated(audit: Audit) -> bool:
    """Whether the log-likelihood an engine states is another than the referee's at its point.

    Held to the default tolerance in every setting: rounding grows with the log-likelihood.
    """
    error = audit.loglik_error
    return error is not None and not abs(error) <= load_tolerances()["loglik"].default


def joined(lines: Iterable[str]) -> str | None:
    """Join the evidence for several fits; None when there is none."""
    return "; ".join(lines) or None


def ranks_in_words(audit: Audit) -> str:
    """``rank 1``, or ``ranks 1 and 0`` for several terms."""
    return f"rank{'s' if len(audit.ranks) > 1 else ''} {' and '.join(map(str, audit.ranks))}"
