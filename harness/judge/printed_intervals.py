"""What the ends of a printed interval may be: Wald's by each rule and error, or a profile's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import msgspec
from scipy import stats

from harness.judge.listing import PrintedInterval
from harness.judge.listing_model import ListingModel
from harness.judge.number_verdict import Finding, judged, near
from harness.judge.parameter_intervals import profile_ends, wald_ends
from harness.referee.standpoint import Standpoint
from harness.referee.variance_errors import scaled_errors
from harness.referee.variance_parameter import Parameter

Ends = tuple[float, float]

LEVELS = (0.9, 0.95, 0.99, 0.8)
"""Levels of which the interval may be that is said to be of another one."""

NEITHER = ((False, False), (False, False))


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


def both_ends(
    of: str,
    label: str,
    printed: PrintedInterval,
    chosen: Mapping[str, Ends],
    others: Iterable[tuple[str, Ends]],
    share: float,
) -> Iterator[Finding]:
    """Judge the ends of an interval, both by one definition.

    It is one that gives both ends; else one that gives an end, by which the other is wrong.

    Parameters
    ----------
    of : str
        What goes before the names of the ends; empty for a coefficient's.
    chosen : dict of (float, float)
        Ends by each definition, the commonest first.
    others : iterable of (str, (float, float))
        Ends of what the interval may be instead; computed where no definition gives both.
    share : float
        Of the interval, what is left of its ends.
    """
    if printed.lower.value > printed.upper.value:
        turned = replace(printed, lower=printed.upper, upper=printed.lower)
        straight = list(both_ends(of, label, turned, chosen, (), share))
        if {one.truth for one in straight} <= {"true", "stopping"}:
            for one, end in zip(straight, (printed.lower, printed.upper), strict=True):
                yield msgspec.structs.replace(
                    one, text=end.text, definitions=(), truth="mistake", mistake="ends"
                )
            return
    kept, whole = _fitting(printed, chosen, share)
    instead = () if whole else [(k, ends) for k, ends in others if all(fit(printed, ends, share))]
    span = _span(next(iter(kept.values())))
    for place, (name, value) in enumerate((("lower", printed.lower), ("upper", printed.upper))):
        candidates = [(key, ends[place]) for key, ends in kept.items()]
        mistakes = [(key, ends[place]) for key, ends in instead]
        yield judged(of + name, label, value, candidates, mistakes, share * span, sign=True)


def _fitting(
    printed: PrintedInterval, chosen: Mapping[str, Ends], share: float
) -> tuple[dict[str, Ends], bool]:
    """Return the definitions that give the same and most of an interval, and if that is all."""
    fits = {
        name: (fit(printed, ends, share), fit(printed, ends, 0.0)) for name, ends in chosen.items()
    }
    best = max(fits.values(), key=lambda fit: (sum(fit[0]), sum(fit[1])), default=NEITHER)
    kept = {name: ends for name, ends in chosen.items() if fits[name] == best}
    return kept or {"none": (math.nan, math.nan)}, all(best[0])


def fit(printed: PrintedInterval, ends: Ends, share: float) -> tuple[bool, bool]:
    """Return which ends are printed so: within a share of the interval, beside arithmetic."""
    slack = share * _span(ends)
    lower, upper = (
        value.holds(end, slack + near(value.value))
        for value, end in zip((printed.lower, printed.upper), ends, strict=True)
    )
    return lower, upper


def _span(ends: Ends) -> float:
    """Return the length of an interval; 0 of one that has no end."""
    span = abs(ends[1] - ends[0])
    return span if math.isfinite(span) else 0.0
