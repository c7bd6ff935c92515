"""Labels of variances, covariances and correlations as programs write them, in the user's names.

==========================================  =========================================
label                                       is read as
==========================================  =========================================
``UN(2,1)``, ``UN (2,1)``                   the second and the first effect of a term
``Intercept [subject = id]``                ``id Intercept`` (SPSS)
``Variety %in% Block (Intercept)``          ``Block:Variety Intercept`` (nlme)
``var(_cons)``, ``sd(x)``, ``cov(x,_cons)``  ``Intercept``, ``x``, both (Stata)
``Group Var``, ``x Var``                    ``Intercept``, ``x`` (statsmodels)
``Residual``, ``sd(Residual)``, ``Scale``   ``residual``
``sexmale``, ``sex male``                   ``sex[T.male]`` (R, SAS)
==========================================  =========================================

Words come in any order; the group may be left out where one term only has the effect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

from harness.base.text import listed
from harness.model.design import RandomDesign
from harness.model.structure import STRUCTURES

T = TypeVar("T")

_WORDS = frozenset(
    ("var", "variance", "sd", "stddev", "std.dev.", "std.dev", "vc", "estimate")
).union(("cov", "covariance", "corr", "correlation"))
"""Words that say which quantity it is, not what of."""

_SAID = 12
"""Names, at most, that a hint has."""

_INTERCEPT = frozenset(("_cons", "cons", "const", "intr", "int"))
_RESIDUAL = frozenset(("scale", "sigma", "resid", "error"))
_UNSTRUCTURED = re.compile(r"\bUN\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)", re.IGNORECASE)
_SUBJECT = re.compile(r"\[\s*subject\s*=\s*([^\]]*)\]", re.IGNORECASE)

Places = Mapping[str, tuple[str, T]]
"""By the words of a label, the name in the user's columns, and the place."""


def spread_places(terms: Sequence[RandomDesign]) -> dict[str, tuple[str, tuple[int, int]]]:
    """Return the places of variances: ``(term, effect)``, ``(-1, 0)`` of the residual."""
    found: dict[str, tuple[str, tuple[int, int]]] = {"residual": ("residual", (-1, 0))}
    short: dict[str, list[tuple[str, tuple[int, int]]]] = {}
    for t, term in enumerate(terms):
        for k, effect in enumerate(term.names):
            one = (f"{term.group} {effect}", (t, k))
            for key in _spelled(one[0]):
                found[key] = one
            single = bool(term.structure) and STRUCTURES[term.structure].one_variance
            if effect == "Intercept" or len(term.names) == 1 or (single and k == 0):
                found.setdefault(words(term.group), one)
            for key in _spelled(effect):
                short.setdefault(key, []).append(one)
            short.setdefault(f"un {k} {k}", []).append(one)
            short.setdefault(f"{words(term.group)} un {k} {k}", []).append(one)
    return _with_short(found, short)


_OF_STRUCTURE = {"ar1": ("AR(1)", "ARH(1)", "AR1 rho", "rho"), "cs": ("CS", "CSH", "rho")}
"""Labels of the one correlation that a structure of a random term has."""


def _correlation_of(term: RandomDesign) -> str:
    return STRUCTURES[term.structure].correlation if term.structure else ""


def pair_places(terms: Sequence[RandomDesign]) -> dict[str, tuple[str, tuple[int, int, int]]]:
    """Return the places of covariances and correlations: ``(term, effect, effect)``."""
    found: dict[str, tuple[str, tuple[int, int, int]]] = {}
    short: dict[str, list[tuple[str, tuple[int, int, int]]]] = {}
    for t, term in enumerate(terms):
        for label in _OF_STRUCTURE.get(_correlation_of(term), ()):
            # The first two effects are neighbours: theirs is the correlation of all.
            one = (f"{term.group} {term.names[0]} {term.names[1]}", (t, 0, 1))
            short.setdefault(words(label), []).append(one)
            short.setdefault(words(f"{term.group} {label}"), []).append(one)
        for b in range(len(term.names)):
            for a in range(b):
                both = f"{term.names[a]} {term.names[b]}"
                one = (f"{term.group} {both}", (t, a, b))
                for key in _spelled(one[0]):
                    found[key] = one
                if len(term.names) == 2:
                    found.setdefault(words(term.group), one)
                    for key in _spelled(f"{term.group} {term.names[1]}"):
                        found.setdefault(key, one)
                    short.setdefault("", []).append(one)
                    # nlme's row of x, and its column (Intr).
                    for key in (*_spelled(term.names[0]), *_spelled(term.names[1])):
                        short.setdefault(key, []).append(one)
                for key in _spelled(both):
                    short.setdefault(key, []).append(one)
                short.setdefault(f"un {a} {b}", []).append(one)
                short.setdefault(f"{words(term.group)} un {a} {b}", []).append(one)
    return _with_short(found, short)


def _with_short(
    found: dict[str, tuple[str, T]], short: Mapping[str, Sequence[tuple[str, T]]]
) -> dict[str, tuple[str, T]]:
    """Add labels without the group, where one term only has them."""
    for key, ones in short.items():
        if len(ones) == 1:
            found.setdefault(key, ones[0])
    return found


def _spelled(name: str) -> tuple[str, ...]:
    """Return the words of a name, its levels as R writes them, ``fb``, and as SAS does, ``f b``."""
    level = re.compile(r"\[T\.([^\]]*)\]")
    ways = (name, level.sub(r"\1", name), level.sub(r" \1", name))
    return tuple(dict.fromkeys(words(way) for way in ways))


def words(label: str) -> str:
    """Return the words of a label in one order: ``Subject(Intercept)`` is ``intercept subject``."""
    text = _SUBJECT.sub(r" \1 ", label).replace("%in%", " ")
    text = re.sub(r"\be\.\w+", "residual", text)  # Stata's sem
    effects = ""
    if (un := _UNSTRUCTURED.search(text)) is not None:
        i, j = sorted(int(number) - 1 for number in un.groups())
        effects = f"un {i} {j}"
        text = _UNSTRUCTURED.sub(" ", text)
    found = [word for word in re.findall(r"[0-9a-z_.]+", text.lower()) if word not in _WORDS]
    found = ["intercept" if word in _INTERCEPT else word for word in found]
    found = ["residual" if word in _RESIDUAL else word for word in found]
    return " ".join((*sorted(found), effects)).strip()


def hint(label: str, names: Sequence[str]) -> str:
    """Say what there is in place of a label."""
    if not names:
        return "the model has none"
    by_words = {words(name): name for name in names}
    near = get_close_matches(words(label), by_words, 1)
    if near:
        return f"is {by_words[near[0]]!r} meant?"
    if len(names) > _SAID:
        return f"there are {', '.join(names[:_SAID])} and {len(names) - _SAID} more"
    return f"there are {listed(names)}"


def key_of(label: str, places: Mapping[str, object]) -> str | None:
    """Return the words of a label that are those of a place; of ``Group Var``, the group named."""
    found = words(label)
    if found in places:
        return found
    if _UNSTRUCTURED.search(label):
        # SPSS writes the effects of the term before its UN.
        parts = found.partition(" un ")
        own = f"un {parts[2]}"
        if parts[2] and own in places:
            return own
    bare = " ".join(word for word in found.split() if word not in ("group", "x"))
    if bare in places and bare != found:
        return bare
    if found == "group" and "intercept" in places:
        return "intercept"
    return None
