"""What the pictures of a diagnosis show, computed: nothing is left to whoever draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.diagnose.bench import Bench
from harness.diagnose.contour import contour
from harness.diagnose.diagnosis import OptimizerRun
from harness.diagnose.graphs import Contour, EffectIntervals, FixedInterval, Profile
from harness.diagnose.intervals import effect_intervals
from harness.diagnose.ml_intervals import ml_intervals
from harness.diagnose.optimizer_path import statsmodels_path
from harness.diagnose.profile import profiles, residual_profiles
from harness.diagnose.singular_term import Singular
from harness.judge.records import CaseRecord


@dataclass(frozen=True)
class Pictured:
    """Profiles, contours and intervals; ``notes`` say what was left out and why."""

    profiles: tuple[Profile, ...] = ()
    fixed: tuple[FixedInterval, ...] = ()
    contours: tuple[Contour, ...] = ()
    effects: tuple[EffectIntervals, ...] = ()
    notes: tuple[str, ...] = ()


def pictured(
    bench: Bench,
    record: CaseRecord,
    engines: Sequence[str],
    singular: Sequence[Singular],
    runs: Sequence[OptimizerRun],
    *,
    few: bool = False,
) -> Pictured:
    """Compute what the pictures show, as far as it does not take long.

    Parameters
    ----------
    few : bool
        Only the profiles of a residual covariance.
    """
    residuals, longer = residual_profiles(bench, record, engines)
    if few:
        return Pictured(profiles=residuals, notes=(longer,) if longer else ())
    curves, note = profiles(bench, record, engines)
    curves += residuals
    went = statsmodels_path(bench.case) if curves and "statsmodels" in engines else []
    curves, fixed, by_ml = ml_intervals(bench, curves)
    plane, more = contour(bench, record, engines, curves, singular, runs, went)
    return Pictured(
        profiles=curves,
        fixed=fixed,
        contours=() if plane is None else (plane,),
        effects=effect_intervals(bench, record, engines),
        notes=tuple(n for n in (note, longer, *by_ml, more) if n),
    )
