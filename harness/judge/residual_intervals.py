"""Intervals of the parameters of a residual covariance: correlations, and ratios of deviations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from scipy import stats

from harness.model.residual_design import ResidualDesign
from harness.referee.deviance import Point
from harness.referee.likelihood_profile import rise_of
from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import ResidualPoint
from harness.referee.residual_matrix import least_correlation, stated
from harness.referee.residual_profile import ResidualProfile
from harness.referee.variance_errors import covariance_of

Ends = tuple[float, float]


@dataclass(frozen=True)
class ResidualInterval:
    """An interval of a residual parameter.

    Attributes
    ----------
    label : str
        ``"residual rho"``, ``"residual sd ratio 2"``.
    notes : tuple of str
        That an end is the boundary, or that there is none.
    """

    label: str
    quantity: Literal["correlation", "ratio"]
    estimate: float
    ends: Ends
    notes: tuple[str, ...] = ()


def profiled(best: Optimum, level: float) -> Iterator[ResidualInterval]:
    """Yield the profile interval of each residual parameter, none without a residual covariance."""
    if not isinstance(best.point, ResidualPoint):
        return
    for i, name in enumerate(best.point.likelihood.residual.names):
        profile = ResidualProfile(best, i)
        curve = profile.curve(level=level, furthest=rise_of(level))
        label, notes = f"residual {name}", []
        least, most = profile.ends
        if curve.low is None:
            notes.append(f"the interval of the {label} starts on the boundary, {least:.4g}")
        if curve.high is None:
            notes.append(f"the interval of the {label} ends on the boundary, {most:.4g}")
        yield ResidualInterval(
            label,
            "correlation" if profile.correlation else "ratio",
            curve.best,
            (least if curve.low is None else curve.low, most if curve.high is None else curve.high),
            tuple(notes),
        )


def wald(point: Point, sigma: float, level: float) -> Iterator[ResidualInterval]:
    """Yield the Wald interval of each residual parameter.

    Symmetric where ``intervals`` of nlme has it so: ratios in the logarithm, correlations in
    log((r - a) / (1 - r)) with a their lower bound. Those of ``corr`` and ``us``, which nlme holds
    in spherical coordinates, in Fisher's z.
    """
    if not isinstance(point, ResidualPoint):
        return
    residual = point.likelihood.residual
    values = stated(residual, point.phi)
    covariance = covariance_of(point, sigma)
    first = len(point.likelihood.layout)
    z = float(stats.norm.isf(0.5 * (1.0 - level)))
    for i, (name, value) in enumerate(zip(residual.names, values.tolist(), strict=True)):
        label, correlation = f"residual {name}", i < residual.correlations
        error = math.sqrt(max(float(covariance[first + i, first + i]), 0.0))
        if correlation:
            ends = _between(residual, value, z * error)
        else:
            ends = (value * math.exp(-z * error), value * math.exp(min(z * error, 700.0)))
        known = all(map(math.isfinite, ends))
        yield ResidualInterval(
            label,
            "correlation" if correlation else "ratio",
            value,
            ends if known else (math.nan, math.nan),
            () if known else (f"no Wald interval of the {label}: it is on the boundary",),
        )


def _between(residual: ResidualDesign, value: float, half: float) -> Ends:
    """Return the ends of a correlation's interval; ``half`` is its half width in phi."""
    least = least_correlation(residual)
    if residual.structure == "car1":
        half *= value  # phi is the logarithm
    below, above = value - least, 1.0 - value
    if not (below > 0.0 and above > 0.0 and math.isfinite(half)):
        return math.nan, math.nan
    width = half * (1.0 / below + 1.0 / above)
    low, high = (
        (least + odds) / (1.0 + odds)
        for odds in (below / above * math.exp(max(min(s * width, 700.0), -700.0)) for s in (-1, 1))
    )
    return low, high
