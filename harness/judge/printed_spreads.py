"""Printed variances, standard deviations, correlations and covariances beside the optimum's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.judge.listing import PrintedInterval, PrintedSpread, PrintedValue
from harness.judge.listing_model import ListingModel
from harness.judge.number_verdict import Finding, judged, open_finding
from harness.judge.printed_intervals import LEVELS, both_ends, spread_ends
from harness.judge.printed_residuals import PrintedResiduals
from harness.referee.standpoint import Standpoint
from harness.referee.variance_parameter import Parameter

_CURVATURE_SHARE = 5e-3
"""Of an interval of a variance: programs difference the information numerically, or expect it."""
_SPREAD_SHARE = 5e-3
"""Of a variance or a correlation: what optimizers leave of it."""


@dataclass(frozen=True)
class PrintedSpreads:
    """The numbers of a listing that are of its random effects and of the residual.

    Attributes
    ----------
    model, rival : ListingModel
        By the criterion the listing is read as, and by the other one.
    at : Standpoint
        Where intervals are judged.
    inside : bool or None
        Whether the box of the printed variances holds the optimum.
    """

    model: ListingModel
    rival: ListingModel
    at: Standpoint
    inside: bool | None

    def findings(self) -> Iterator[Finding]:
        """Yield every number judged, with the ends of its interval behind it."""
        yield from self._variances()
        if self.residuals is not None:
            yield from self.residuals.findings()
        yield from self._correlations()
        yield from self._covariances()

    @cached_property
    def residuals(self) -> PrintedResiduals | None:
        """The numbers of the residual covariance; None where the model has none."""
        own = self.model.design.residual is not None
        return PrintedResiduals(self.model, self.rival) if own else None

    def _judged(
        self,
        quantity: str,
        label: str,
        printed: PrintedValue,
        right: float,
        mistakes: Sequence[tuple[str, float]],
        unit: float,
    ) -> Finding:
        # Where the box holds the optimum, what is beyond the digits is what optimizers leave.
        slack = math.inf if self.inside else _SPREAD_SHARE * unit
        return judged(quantity, label, printed, [("data-units", right)], mistakes, slack, sign=True)

    def _variances(self) -> Iterator[Finding]:
        listing = self.model.listing
        for label, (t, k) in self.model.matched.spreads.items():
            spread = listing.spreads[label]
            variance, rival = (_variance(at, t, k) for at in (self._best, self.rival.at_best))
            sd = math.sqrt(variance)
            is_sd = spread.kind == "sd"
            right, instead = (sd, variance) if is_sd else (variance, sd)
            mistakes = [
                ("variance-for-sd" if is_sd else "sd-for-variance", instead),
                ("other-criterion", math.sqrt(rival) if is_sd else rival),
            ]
            if t >= 0 or self.residuals is None:
                yield self._judged(spread.kind, label, spread.printed, right, mistakes, right)
                if label in listing.deviations:
                    yield self._beside(label, spread, sd, [("variance-for-sd", variance)])
            elif any(self.residuals.bases):
                continue
            if label in listing.spread_intervals:
                parameter = Parameter("sigma") if t < 0 else Parameter("sd", t, (k,))
                yield from self._interval(
                    label, parameter, spread.kind, listing.spread_intervals[label]
                )

    def _beside(
        self, label: str, spread: PrintedSpread, sd: float, mistakes: Sequence[tuple[str, float]]
    ) -> Finding:
        """Judge the SD beside a variance: with it, where it is its root, else by itself."""
        printed = self.model.listing.deviations[label]
        low, high = (math.sqrt(end) for end in spread.variances)
        if printed.low <= high and low <= printed.high:
            return self._judged("sd", label, printed, sd, mistakes, sd)
        candidates = [("data-units", sd)]
        return judged("sd", label, printed, candidates, mistakes, _SPREAD_SHARE * sd, sign=True)

    def _correlations(self) -> Iterator[Finding]:
        listing = self.model.listing
        for label, (t, a, b) in self.model.matched.correlations.items():
            both = float(self._psi[t][a, a] * self._psi[t][b, b])
            r = float(self._psi[t][a, b]) / math.sqrt(both) if both > 0.0 else math.nan
            printed = listing.correlations[label]
            if math.isnan(r):
                # Of a variance of zero any correlation is as good.
                yield open_finding("correlation", label, printed)
                continue
            yield self._judged("correlation", label, printed, r, [], 1.0)
            if label in listing.correlation_intervals:
                parameter = Parameter("correlation", t, (a, b))
                interval = listing.correlation_intervals[label]
                yield from self._interval(label, parameter, "correlation", interval)

    def _covariances(self) -> Iterator[Finding]:
        for label, (t, a, b) in self.model.matched.covariances.items():
            both = math.sqrt(float(self._psi[t][a, a] * self._psi[t][b, b]))
            c = float(self._psi[t][a, b])
            mistakes = [("correlation", c / both if both > 0.0 else math.nan)]
            printed = self.model.listing.covariances[label]
            yield self._judged("covariance", label, printed, c, mistakes, both)

    def _interval(
        self, label: str, parameter: Parameter, kind: str, printed: PrintedInterval
    ) -> Iterator[Finding]:
        models: dict[str, ListingModel] = {m.criterion: m for m in (self.model, self.rival)}
        if kind != "correlation" and printed.lower.value == 0.0:
            # A limit that is printed as 0 is no rounded negative one.
            zero = replace(printed.lower, low=0.0)
            printed = replace(printed, lower=zero)
        chosen = dict(spread_ends(models, self.at, parameter, kind, printed.level))
        others = (
            (f"level {level:g}", ends)
            for level in LEVELS
            if not math.isclose(level, printed.level)
            for _, ends in spread_ends({}, self.at, parameter, kind, level)
        )
        yield from both_ends(f"{kind} ", label, printed, chosen, others, _CURVATURE_SHARE)

    @property
    def _best(self) -> Standpoint:
        return self.model.at_best

    @cached_property
    def _psi(self) -> list[NDArray[np.float64]]:
        return covariances(self._best)


def covariances(at: Standpoint) -> list[NDArray[np.float64]]:
    """Return the covariance matrices of the terms at a point, in squared units of the data."""
    return [at.sigma**2 * f @ f.T for f in at.point.likelihood.factors(at.point.theta)]


def _variance(at: Standpoint, t: int, k: int) -> float:
    return at.sigma**2 if t < 0 else float(covariances(at)[t][k, k])
