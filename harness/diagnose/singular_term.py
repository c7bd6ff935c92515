"""A singular term: what has no variance, why, which group or row carries it, what it changes."""

from __future__ import annotations

from typing import Literal

import msgspec

from harness.base.json import Real, Vector


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """A fixed effect in the full and in the reduced model."""

    name: str
    estimate: Real
    estimate_reduced: Real
    se: Real
    se_reduced: Real
    p: Real | None
    p_reduced: Real | None


class ByChance(msgspec.Struct, frozen=True, kw_only=True):
    """What groups differ by in the direction without variance, beside what chance makes of it.

    Attributes
    ----------
    between, within : float
        Mean squares by least squares, after the fixed effects and all other random ones.
    between_df, within_df : int
    per_variance : float or None
        What a variance of 1 of the effect adds to the expected mean square between, where every
        group tells as much.
    effect : str
        The effect without variance; empty for a combination.
    """

    between: Real
    between_df: int
    within: Real
    within_df: int
    per_variance: Real | None = None
    effect: str = ""


class Without(msgspec.Struct, frozen=True, kw_only=True):
    """The group, or the row, without which a term would not be singular.

    Attributes
    ----------
    kind : {"group", "row"}
    label : str
        The level, or the number of the row in the table, the first is 1.
    rows : int
        How many rows go.
    value_now : float
        The variance, 0, or the correlation, 1 or -1, at the best point of all.
    value : float
        The variance, or the correlation, at the best point of the others.
    about : float
        The same by one scoring step from the best point of all.
    like_it, of : int
        For how many groups or rows one step says so, of how many.
    """

    kind: Literal["group", "row"]
    label: str
    rows: int
    value_now: Real
    value: Real
    about: Real
    like_it: int
    of: int


class Singular(msgspec.Struct, frozen=True, kw_only=True):
    """A random term whose covariance matrix lacks rank at a fit or at the best point.

    Attributes
    ----------
    fit : str
        ``"best"`` for the best point known, else the engine whose fit it is.
    truly : bool
        Whether the best point is singular in this term: False for a false boundary.
    direction : tuple of (str, float)
        Weights of the user's columns in the combination of effects that has no variance, largest
        1, the effects scaled to unit root mean square.
    direction_in_words : str
    proportions : tuple of float
        Share of the term's variance by principal component, largest first (as lme4's rePCA).
    kind : str
        ``"variance 0"``, ``"correlation 1"``, ``"correlation -1"``, ``"combination"``.
    dual : float or None
        Whitened dual eigenvalue along it: negative for a false boundary.
    loglik, loglik_reduced : float or None
        Best log-likelihood of the model, and of the reduced model.
    reduced_formula, reduced_python : str
        The reduced model in both syntaxes; empty where the formula language has none.
    shifts : tuple of Shift
    by_chance : ByChance or None
        Where groups differ no more than by chance.
    without : Without or None
        Where one group or row carries the answer.
    reasons : tuple of str
        Both in words.
    df_warning : str
        Where Satterthwaite's or Kenward and Roger's df cannot be trusted; with numbers, or empty.
    """

    fit: str
    group: str
    names: tuple[str, ...]
    rank: int
    truly: bool
    kind: str
    direction: tuple[tuple[str, Real], ...] = ()
    direction_in_words: str = ""
    proportions: Vector = ()
    dual: Real | None = None
    loglik: Real | None = None
    loglik_reduced: Real | None = None
    reduced_formula: str = ""
    reduced_python: str = ""
    shifts: tuple[Shift, ...] = ()
    by_chance: ByChance | None = None
    without: Without | None = None
    reasons: tuple[str, ...] = ()
    df_warning: str = ""
    sentence: str = ""
