"""Why what is printed of a random term is no covariance matrix, in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.base.text import listed, number
from harness.judge.listing_verdict import ListingVerdict
from harness.judge.printed_matrix import Impossible


def impossible_sentences(found: ListingVerdict) -> Iterator[str]:
    """Say what cannot be, and how near to the possible its printed digits come."""
    for one in found.impossible:
        yield _sentence(one)
    if found.impossible:
        yield "So these variances are no point of the model; the rest is judged at the optimum."


def _sentence(one: Impossible) -> str:
    effects = listed(one.effects)
    if one.what == "variance":
        what = f"of {effects} by {one.group}" if one.group else "of the residual"
        return (
            f"The variance {what} is printed as {number(one.value)}, and no variance is negative: "
            "an estimate without that bound (SAS's NOBOUND) is of another model."
        )
    begin = f"What is printed for {one.group} is no covariance matrix: "
    if one.what == "eigenvalue":
        return (
            f"{begin}the correlations of {effects} have an eigenvalue of {number(one.value)}, and "
            f"no numbers that are printed so have one above {number(one.nearest)}; it is never "
            "negative."
        )
    if one.what == "covariance" and math.isinf(one.nearest):
        return f"{begin}{effects} have a covariance, and one of them has a variance of 0."
    made = "by its covariance " if one.what == "covariance" else ""
    within = (
        f", and by no digits that are printed so below {number(abs(one.nearest))} in size"
        if number(one.nearest) != number(one.value)
        else ", which no rounding explains"
    )
    return f"{begin}{made}the correlation of {effects} is {number(one.value)}{within}."
