"""Which numbers of a listing are of which quantity of a model: labels are matched, never places.

A label is read as the program may have written it: ``treatment T``, ``treatmentT``,
``treatment[T.T]``, ``(Intercept)``; the parts of an interaction in any order. Where a label is of a
level that is the reference, the model is coded with another reference, as SAS takes the last one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import islice, product
from typing import Protocol, TypeVar

from harness.base.errors import BadInput
from harness.base.text import listed
from harness.data.rungs import Rung
from harness.judge.factor_codings import codings_of, numbered, open_factors, recoded
from harness.judge.listing import TESTS, Listing
from harness.judge.random_labels import Places, hint, key_of, pair_places, spread_places
from harness.judge.residual_labels import ResidualLabels, ResidualNumber, Section
from harness.model.formula import names_in
from harness.model.table import FactorColumn

RESIDUAL = "residual"
_CODINGS = 200
"""Codings that are tried before a label is given up."""

_KEPT = 6
"""Codings that a listing is judged by."""

T = TypeVar("T")


class Make(Protocol):
    """Builds the case with level orders, or that of another formula."""

    def __call__(self, levels: Mapping[str, tuple[str, ...]], *, formula: str = "") -> Rung:
        """Return the case; ``formula`` in place of the model's where it is given."""
        ...


@dataclass(frozen=True)
class Matched:
    """A model in the coding of a listing.

    Attributes
    ----------
    coefficients : dict
        Column of X by label.
    spreads : dict
        ``(term, effect)`` by label; ``(-1, 0)`` for the residual.
    correlations, covariances : dict
        ``(term, effect, effect)`` by label.
    references : dict
        Reference level of each factor that is not its first.
    residual : dict
        Number of the residual covariance by section and label.
    codings : dict
        Coding of each factor that has not the model's own: ``"sum"``, ``"helmert"``, ``"poly"``.
    """

    rung: Rung
    coefficients: Mapping[str, int]
    spreads: Mapping[str, tuple[int, int]]
    correlations: Mapping[str, tuple[int, int, int]]
    covariances: Mapping[str, tuple[int, int, int]]
    references: Mapping[str, str]
    residual: Mapping[tuple[Section, str], ResidualNumber] = field(default_factory=dict)
    codings: Mapping[str, str] = field(default_factory=dict)


def matched(
    listing: Listing, make: Make, given: Mapping[str, tuple[str, ...]]
) -> tuple[Matched, ...]:
    """Match every label of a listing, in each coding of the factors that has them all.

    The model's own coding comes first.

    Parameters
    ----------
    make : callable
    given : dict
        Level orders that the user has stated; these stay as they are.

    Raises
    ------
    BadInput
        For a label that is of nothing in the model, with what it may be; and two labels of one.
    """
    rung = make(given)
    labels = list(listing.coefficients)
    fitting: list[Matched] = []
    refused: BadInput | None = None
    for orders in islice(_orders(rung, given), _CODINGS):
        coded = make({**given, **orders}) if orders else rung
        found = _coefficients(labels, coded)
        if found is None:
            continue
        references = {name: order[0] for name, order in orders.items()}
        try:
            fitting.append(_whole(listing, coded, found, references))
        except BadInput as error:
            refused = refused or error
    recodings: list[Matched] = []
    names = rung.case.design.x_names
    columns = [names[j] for j in fitting[0].coefficients.values()] if fitting else ()
    for codings in codings_of(open_factors(rung, columns)):
        coded = make(given, formula=recoded(rung.case.model.formula.text, codings))
        if (found := _coefficients(labels, coded)) is not None:
            recodings.append(replace(_whole(listing, coded, found, {}), codings=codings))
    if not (fitting or recodings):
        raise refused or BadInput(_unknown(labels, rung))
    return (*fitting[:_KEPT], *recodings[:_KEPT])


def _whole(
    listing: Listing, coded: Rung, coefficients: Mapping[str, int], references: Mapping[str, str]
) -> Matched:
    """Match the labels of random effects and residuals in a coding that has the coefficients.

    Raises
    ------
    BadInput
        As :func:`matched`.
    """
    terms = coded.case.design.random
    pairs, own = pair_places(terms), residual_labels(coded)
    residual: dict[tuple[Section, str], ResidualNumber] = {}
    spreads = _placed(listing.spreads, spread_places(terms), "variance", own, residual)
    correlations = _placed(listing.correlations, pairs, "correlation", own, residual)
    covariances = _placed(listing.covariances, pairs, "covariance", own, residual)
    none: Places[tuple[int, ...]] = {}
    _placed(listing.ratios, none, "sd ratio", own, residual)
    return Matched(coded, coefficients, spreads, correlations, covariances, references, residual)


def residual_labels(rung: Rung) -> ResidualLabels | None:
    """Return the labels of a model's residual covariance; None without one."""
    of, design = rung.case.model.residual, rung.case.design.residual
    return None if of is None or design is None else ResidualLabels(of, design)


def _placed(
    given: Mapping[str, object],
    places: Places[T],
    section: Section,
    own: ResidualLabels | None,
    residual: dict[tuple[Section, str], ResidualNumber],
) -> dict[str, T]:
    """Return the place of each label of a section; those of the residual covariance join theirs.

    Raises
    ------
    BadInput
        For a label that is of nothing in the model, or of two things, with the names that there
        are; and for two labels of one number.
    """
    out: dict[str, T] = {}
    found: dict[str, ResidualNumber] = {}
    names = dict.fromkeys(name for name, _ in places.values())
    for label in given:
        key = key_of(label, places)
        number = None if own is None else own.number(label, section)
        if own is not None and number is not None and key is not None:
            (one, _), other = places[key], own.name_of(number, section)
            if one != "residual":
                raise BadInput(
                    f"{section} {label!r} is that of a random effect or of the residuals; write "
                    f"{one!r} or {other!r}"
                )
        if key is not None:
            out[label] = places[key][1]
        elif number is not None:
            found[label] = number
        else:
            all_names = [*names, *(own.names(section) if own is not None else ())]
            raise BadInput(f"no {section} is called {label!r}; {hint(label, all_names)}")
    _distinct(out, section)
    _distinct(found, section)
    residual |= {(section, label): number for label, number in found.items()}
    return out


def template(rung: Rung) -> str:
    """Return a form to fill in: every number that a listing of a model may have."""
    terms = rung.case.design.random
    lines = [
        "# Fill in what is printed, as it is printed, and leave out the rest.",
        'program = ""',
        f'criterion = "{rung.case.model.criterion}"',
        f"rows = {len(rung.case.design.y)}",
        '# log_likelihood = { minus_two = "" }    # or loglik, aic, bic',
    ]
    for name in rung.case.design.x_names:
        lines += [
            "",
            f"[coefficient.{json.dumps(name)}]",
            *(f'# {key} = ""' for key in TESTS),
            '# interval = { level = 0.95, lower = "", upper = "" }    # scale = "100 * exp"',
        ]
    lines += ["", '[variance]    # "1.02", or { sd = "1.01" }']
    for term in terms:
        lines += _fields(f"{term.group} {effect}" for effect in term.names)
    lines += ['# residual = ""']
    own = residual_labels(rung)
    if own is not None:
        lines += [*_said(own, "variance"), *_fields(own.names("variance"))]
    sections: tuple[Section, ...] = ("correlation", "covariance")
    pairs = [
        f"{term.group} {term.names[a]} {term.names[b]}"
        for term in terms
        for b in range(len(term.names))
        for a in range(b)
    ]
    for section in sections:
        more = _fields(pairs)
        if own is not None and (names := own.names(section)):
            more += [*_said(own, section), *_fields(names)]
        lines += ["", f"[{section}]", *more] if more else []
    if own is not None and (ratios := own.names("sd ratio")):
        lines += ["", "[sd_ratio]    # of residual SDs; 1 of the level that is the reference"]
        lines += _fields(ratios)
    return "\n".join(lines) + "\n"


def _said(own: ResidualLabels, section: Section) -> list[str]:
    text = own.programs(section)
    return [f"# {text}:"] if text else []


def _fields(names: Iterable[str]) -> list[str]:
    return [f'# {json.dumps(name)} = ""' for name in names]


def _coefficients(labels: Sequence[str], rung: Rung) -> dict[str, int] | None:
    names = rung.case.design.x_names
    for key in (_exact, _squashed):
        places: dict[str, list[int]] = {}
        for j, name in enumerate(names):
            places.setdefault(key(name), []).append(j)
        found = {label: places.get(key(numbered(label, rung)), []) for label in labels}
        if all(len(js) == 1 for js in found.values()):
            out = {label: js[0] for label, js in found.items()}
            _distinct(out, "coefficient")
            return out
    return None


def _distinct(found: Mapping[str, object], what: str) -> None:
    first: dict[object, str] = {}
    for label, place in found.items():
        if place in first:
            raise BadInput(f"{first[place]!r} and {label!r} are one {what}; give it once")
        first[place] = label


def _exact(name: str) -> str:
    """Return a name without signs of coding, its letters as they are."""
    bare = re.sub(r"\[T\.([^]]*)\]", r"\1", _plain(name))
    parts = (re.sub(r"[^0-9A-Za-z.]+", "", part) for part in re.split(r"[:*]", bare))
    joined = ":".join(sorted(parts))
    return "intercept" if joined.lower() in ("intercept", "const", "constant", "cons") else joined


def _plain(name: str) -> str:
    """Return a name without the coding of its factor: R prints ``f1`` and ``f.L``."""
    return re.sub(r"\bC\(([^(),]+)(,([^()]|\([^()]*\))*)?\)", r"\1", name)


def _squashed(name: str) -> str:
    return re.sub(r"[^0-9a-z:]+", "", _exact(name).lower())


def _orders(
    rung: Rung, given: Mapping[str, tuple[str, ...]]
) -> Iterator[dict[str, tuple[str, ...]]]:
    """Yield level orders with other references, the last levels first as SAS has them."""
    table = rung.case.table
    names = {node.name for node in rung.case.model.names()}
    grouping = {part for term in rung.case.design.random for part in term.group.split(":")}
    if rung.case.model.residual is not None:
        grouping |= set(rung.case.model.residual.group)
    # The whole plots of a split plot are grouped by a factor that is in the fixed part, too.
    fixed = {node.name for node in names_in(rung.case.model.formula.fixed)}
    factors = [
        column
        for name in sorted((names - grouping) | fixed)
        if isinstance(column := table[name], FactorColumn) and name not in given
    ]
    choices = [(f.levels[0], f.levels[-1], *f.levels[1:-1]) for f in factors if len(f.levels) > 1]
    factors = [f for f in factors if len(f.levels) > 1]
    for references in product(*choices):
        yield {
            factor.name: (first, *(level for level in factor.levels if level != first))
            for factor, first in zip(factors, references, strict=True)
            if first != factor.levels[0]
        }


def _unknown(labels: Sequence[str], rung: Rung) -> str:
    names = [_plain(name) for name in rung.case.design.x_names]
    known = {_squashed(name): name for name in names}
    for label in labels:
        if _squashed(label) not in known:
            near = get_close_matches(_squashed(label), known, 1)
            hint = f"; is {known[near[0]]!r} meant?" if near else "."
            return f"no coefficient is called {label!r}{hint} The model has {listed(names)}"
    return f"the labels {listed(labels)} are not those of one coding of {listed(names)}"
