"""What the pictures of a diagnosis show, as data: profiles, a contour, intervals."""

from __future__ import annotations

import msgspec

from harness.base.json import Matrix, Real, Vector


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Deviance profiled over all parameters but one.

    ``grid`` is in ``scale`` (``"sd"``, ``"correlation"``, ``"sigma"``, or ``"ratio"`` of standard
    deviations); ``low`` and ``high`` bound the likelihood-ratio interval, None where it has no
    bound inside the parameter space.
    """

    parameter: str
    scale: str
    grid: Vector
    deviance: Vector
    best: Real
    minimum: Real
    level: Real = 0.95
    low: Real | None = None
    high: Real | None = None
    engines: tuple[tuple[str, Real, Real], ...] = ()
    """Engine, its value of the parameter, its deviance."""
    ml_best: Real | None = None
    """Best value by ML where the criterion is REML; None where that was not looked for."""
    ml_low: Real | None = None
    ml_high: Real | None = None
    least: Real | None = None
    """Lowest correlation that there is, where it is not -1."""


class FixedInterval(msgspec.Struct, frozen=True, kw_only=True):
    """Intervals of a fixed effect.

    ``low`` and ``high`` are those of t with Satterthwaite's df at the best point, None where the
    data do not determine the standard error; ``ml_low`` and ``ml_high`` are those of the profiled
    ML deviance, None where that has no bound.
    """

    name: str
    estimate: Real
    low: Real | None
    high: Real | None
    ml_low: Real | None
    ml_high: Real | None
    level: Real = 0.95


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """Best points so far of an optimizer, in the plane of a :class:`Contour`, with the deviance."""

    engine: str
    optimizer: str
    x: Vector
    y: Vector
    deviance: Vector


class Contour(msgspec.Struct, frozen=True, kw_only=True):
    """Deviance over two variance parameters, profiled over all others.

    ``deviance`` has a row for each value of ``y``; ``engines`` are (engine, x, y, deviance) at its
    own estimates.
    """

    x_name: str
    y_name: str
    x: Vector
    y: Vector
    deviance: Matrix
    best: tuple[Real, Real]
    minimum: Real
    engines: tuple[tuple[str, Real, Real, Real], ...] = ()
    paths: tuple[Path, ...] = ()


class EngineEffects(msgspec.Struct, frozen=True, kw_only=True):
    """One random effect of every level by one engine.

    ``effects`` are its conditional modes; where it gives none (``own`` is false) those of its
    variances. ``errors`` are the referee's conditional standard deviations at its variances.
    """

    engine: str
    own: bool
    effects: Vector
    errors: Vector


class EffectIntervals(msgspec.Struct, frozen=True, kw_only=True):
    """One random effect of every level of a group, by each engine; vectors are as ``levels``."""

    group: str
    name: str
    levels: tuple[str, ...]
    engines: tuple[EngineEffects, ...]
