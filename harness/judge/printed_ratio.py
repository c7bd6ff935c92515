"""A printed number of a likelihood ratio test: by which criterion, and which null distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.base.text import significant
from harness.judge.likelihood_ratio import Ratio
from harness.judge.listing import PrintedValue
from harness.judge.number_verdict import Finding, judged

_P_SHARE = 0.02
"""Of p, what optimizers leave of it."""


def judged_ratio(
    ratios: Mapping[str, Ratio],
    criteria: Sequence[str],
    formula: str,
    quantity: str,
    printed: PrintedValue,
) -> Finding:
    """Judge a number of a likelihood ratio test.

    Parameters
    ----------
    ratios : dict
        By criterion.
    criteria : sequence of str
        In the order in which they are tried.
    formula : str
        Of the other model.
    quantity : str
        ``"statistic"``, ``"df"`` or ``"p"``.
    """
    found = [(criterion, ratios[criterion]) for criterion in criteria if criterion in ratios]
    candidates: list[tuple[str, float]]
    mistakes: list[tuple[str, float]] = []
    slack = 2e-4
    if quantity == "statistic":
        candidates = [(str(criterion), ratio.statistic) for criterion, ratio in found]
        mistakes = [("not-doubled", 0.5 * ratio.statistic) for _, ratio in found]
    elif quantity == "df":
        candidates = [("parameters", float(found[0][1].nesting.parameters))]
        slack = 0.0
    else:
        candidates = []
        for criterion, ratio in found:
            low, high = ratio.p_bounds
            plain = f"chi-square({ratio.nesting.parameters})"
            if ratio.null == plain:
                candidates.append((f"{plain} by {criterion}", low))
                continue
            if low == high:
                candidates.append((f"{ratio.null} by {criterion}", low))
                better = f"{significant(low, 3)} by the mixture"
            else:
                better = f"between {significant(low, 3)} and {significant(high, 3)}"
            name = f"{plain} by {criterion}, though a variance is tested: p is {better}"
            candidates.append((name, ratio.p_chi_square))
        slack = _P_SHARE * printed.value
    return judged(f"ratio {quantity}", formula, printed, candidates, mistakes, slack)
