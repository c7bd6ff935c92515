"""Structures of the covariance matrix of a random-effects term: ``cs(0 + f | g)``.

The names are glmmTMB's. lme4 2.0 has ``us``, ``diag``, ``cs`` and ``ar1``, and ``hom = TRUE`` or
``FALSE`` says whether the variances are one: not of ``diag`` and ``cs`` as a rule, but of ``ar1``
(its vignette "Covariance Structures"); so do those of the same name of glmmTMB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.base.errors import BadInput


@dataclass(frozen=True)
class Structure:
    """What a structure says of the standard deviations and the correlations.

    Attributes
    ----------
    one_variance : bool
        Whether all effects have the same variance.
    correlation : {"", "cs", "ar1"}
        None; one for all pairs of effects; one to the power of their distance.
    lme4 : tuple of str
        Name in lme4 2.0, and the option after the group where that is not the default.
    in_words : str
    """

    one_variance: bool
    correlation: str
    lme4: tuple[str, str]
    in_words: str


STRUCTURES: Mapping[str, Structure] = {
    "diag": Structure(False, "", ("diag", ""), "uncorrelated"),
    "homdiag": Structure(True, "", ("diag", "TRUE"), "uncorrelated, with one variance"),
    "cs": Structure(False, "cs", ("cs", ""), "equally correlated"),
    "homcs": Structure(True, "cs", ("cs", "TRUE"), "equally correlated, with one variance"),
    "ar1": Structure(
        True, "ar1", ("ar1", ""), "correlated by first-order autoregression, with one variance"
    ),
    "hetar1": Structure(False, "ar1", ("ar1", "FALSE"), "correlated by first-order autoregression"),
}
"""By name; ``us``, any covariance matrix, is what a term without a name has."""


def structure_named(name: str, given: Sequence[tuple[str, object]], *, double: bool) -> str:
    """Return the structure that is written as ``name(... | g, hom = TRUE)``; empty for ``us``.

    Raises
    ------
    BadInput
        When there is none; one line.
    """
    if name != "us" and name not in STRUCTURES:
        known = ", ".join(["us", *STRUCTURES])
        raise BadInput(f"{name}() is no structure of a random term; known are {known}")
    if double:
        raise BadInput(f"{name}() takes '|'; uncorrelated effects are diag()")
    if not given:
        return "" if name == "us" else name
    option, value = given[0]
    if option not in ("", "hom") or not isinstance(value, bool) or len(given) > 1:
        raise BadInput(f"{name}() takes one option, hom = TRUE or hom = FALSE")
    base = name if name == "us" else STRUCTURES[name].lme4[0]
    for key, structure in STRUCTURES.items():
        if structure.lme4[0] == base == name and structure.one_variance == value:
            return key
    raise BadInput(f"{name}() has no option hom")


def parameter_count(structure: str, q: int) -> int:
    """Return how many parameters the covariance matrix of q effects has."""
    if not structure:
        return q * (q + 1) // 2
    own = STRUCTURES[structure]
    return (1 if own.one_variance else q) + bool(own.correlation)


def require_effects(structure: str, names: Sequence[str]) -> None:
    """Refuse a correlation of one effect.

    Raises
    ------
    BadInput
        When there is no pair to be correlated; one line.
    """
    if structure and STRUCTURES[structure].correlation and len(names) < 2:
        one = names[0]
        raise BadInput(
            f"formula: {structure}() correlates the effects of a term, and {one!r} is one effect"
            f"; a column of visits has to be a factor: {structure}(0 + factor(visit) | g)"
        )
