"""What the labels in a table of covariance parameters are of: PROC MIXED and SPSS print all in one.

Variances, covariances and correlations stand there under one heading, and the label says which a
number is (SAS/STAT User's Guide, The MIXED Procedure, Covariance Structures).
"""

from __future__ import annotations

import re
from typing import Literal

_CORRELATIONS = re.compile(
    r"\bar1\s+rho|\barh1\s+rho|\bcsh\s+rho|\barh?\s*\(\s*1\s*\)|\bcsh\b|\bsp\s*\(|\btoeph\s*\("
    r"|\bcorr\b|\bcorrelation\b|\brho\b|\bphi\d?\b",
    re.IGNORECASE,
)
_COVARIANCES = re.compile(r"\bcov(ariance)?\b|\bcs\b(?!\s+diagonal)|\btoep\s*\(", re.IGNORECASE)
_UNSTRUCTURED = re.compile(r"\bun\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)", re.IGNORECASE)


def section_of(label: str) -> Literal["variance", "correlation", "covariance"]:
    """Return what a number in a table of covariance parameters is by its label."""
    if (un := _UNSTRUCTURED.search(label)) is not None:
        return "variance" if un[1] == un[2] else "covariance"
    if _CORRELATIONS.search(label):
        return "correlation"
    return "covariance" if _COVARIANCES.search(label) else "variance"
