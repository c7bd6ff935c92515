"""What the ends of a printed interval may be: Wald's by each rule and error, or a profile's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from scipy import stats

from harness.judge.listing import PrintedInterval
from harness.judge.listing_model import ListingModel
from harness.judge.parameter_intervals import profile_ends, wald_ends
from harness.referee.standpoint import Standpoint
from harness.referee.variance_errors import scaled_errors
from harness.referee.variance_parameter import Parameter

Ends = tuple[float, float]


def t_ends(estimate: float, se: float, df: float, level: float, factor: float | None) -> Ends:
    """Return the ends of a t interval, printed as ``factor * exp(end)`` where there is a factor."""
    tail = 0.5 * (1.0 - level)
    q = float(stats.norm.isf(tail) if math.isinf(df) else stats.t.isf(tail, df))
    return scaled((estimate - q * se, estimate + q * se), factor)


def scaled(ends: Ends, factor: float | None) -> Ends:
    """Return ends as they are printed."""
    if factor is None:
        return ends
    low, high = (factor * math.exp(min(end, 700.0)) for end in ends)
    return low, high


def fixed_profiles(
    models: Mapping[str, ListingModel], j: int, printed: PrintedInterval
) -> Iterator[tuple[str, Ends]]:
    """Yield the profile interval of a fixed effect by each criterion."""
    for criterion, model in models.items():
        low, high = model.profile(j, printed.level)
        if low is not None and high is not None:
            yield f"profile {criterion}", scaled((low, high), printed.factor)


def spread_ends(
    models: Mapping[str, ListingModel],
    at: Standpoint,
    parameter: Parameter,
    kind: str,
    level: float,
) -> Iterator[tuple[str, Ends]]:
    """Yield what the ends of an interval of a variance, SD or correlation may be.

    Profiles by each criterion; symmetric in the logarithm, or in Fisher's z (nlme, Stata);
    symmetric as they are; by chi-square with Satterthwaite's df, 2 (v / se)^2 (PROC MIXED, CL).

    Parameters
    ----------
    kind : str
        ``"variance"``, ``"sd"`` or ``"correlation"``, as printed.
    """
    power = 2.0 if kind == "variance" else 1.0

    def raised(name: str, ends: Ends) -> Iterator[tuple[str, Ends]]:
        if not any(math.isnan(end) for end in ends):
            yield name, (ends[0] ** power, ends[1] ** power)

    log = "Fisher's z" if kind == "correlation" else "symmetric in the logarithm"
    yield from raised(log, wald_ends(parameter, at.point, at.sigma, level))
    factors = at.point.likelihood.factors(at.point.theta)
    value = parameter.value([at.sigma**2 * f @ f.T for f in factors], at.sigma)
    (error,) = scaled_errors(at.point, at.sigma, (parameter,))
    if math.isfinite(error) and not math.isnan(value):
        z = float(stats.norm.isf(0.5 * (1.0 - level)))
        # The derivative of tanh, of exp, and of the square.
        change = 1.0 - value**2 if kind == "correlation" else power * value**power
        printed = value if kind == "correlation" else value**power
        yield "symmetric", (printed - z * change * error, printed + z * change * error)
        if kind != "correlation" and error > 0.0:
            df = 0.5 / error**2
            tails = (stats.chi2.isf(0.5 * (1.0 - level), df), stats.chi2.ppf(0.5 * (1 - level), df))
            low, high = ((df * value**2 / float(tail)) ** (0.5 * power) for tail in tails)
            yield "chi-square", (low, high)
    for criterion, model in models.items():
        ends = profile_ends(parameter, model.design, model.best, level)
        yield from raised(f"profile {criterion}", ends)
