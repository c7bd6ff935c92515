"""Labels of the parameters of a residual covariance as programs write them.

==============================================  ====================================================
label                                           is read as
==============================================  ====================================================
``AR(1)``, ``ARH(1)``, ``AR1 rho``, ``Phi``     the correlation of ``ar1``; ``Phi`` of ``car1`` too
``SP(POW)``, ``SP(EXP)``, ``range``             correlation and range of ``car1``
``CS``, ``CS covariance``, ``CSH``, ``Rho``     covariance or correlation of ``cs``
``CS diagonal offset``                          the residual variance less the covariance of ``cs``
``TOEP(2)``, ``TOEPH(1)``                       covariance and correlation at distance 1
``UN(1,1)``, ``Var(1)``, ``var(e1)``            variance at the first visit
``UN(2,1)``, ``Corr(2,1)``, ``cov(e2,e1)``      first and second visit
``visit8``, ``Var: [visit=8]``, ``8``           the level of a factor of variances, or a visit
==============================================  ====================================================

What is only where the number stands goes without saying: ``Repeated Measures``, names of columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal

import numpy as np

from harness.judge.random_labels import words
from harness.model.residual import Residual
from harness.model.residual_design import Codes, ResidualDesign

Section = Literal["variance", "correlation", "covariance", "sd ratio"]

_SPELLINGS = tuple(
    (re.compile(pattern, re.IGNORECASE), text)
    for pattern, text in (
        (r"\barh?\s*\(\s*1\s*\)|\barh?1\b", " ar "),
        (r"\bcs[hr]\b", " cs "),
        (r"\bsp\s*\(\s*pow\s*\)(\s*\([^)]*\))?", " sppow "),
        (r"\bsp\s*\(\s*exp\s*\)(\s*\([^)]*\))?", " range "),
        (r"\bphi\d?\b", " rho "),
        (r"\bvar\s*\(\s*e?(\d+)\s*\)", r" UN(\1,\1) "),
        (r"\bcorr?\s*\(\s*e?(\d+)\s*,\s*e?(\d+)\s*\)", r" UN(\1,\2) "),
        (r"\bcov\s*\(\s*e(\d+)\s*,\s*e(\d+)\s*\)", r" UN(\1,\2) "),
        (r"\btoeph\s*\(\s*(\d+)\s*\)", r" lag\1 "),
    )
)
_TOEPLITZ = re.compile(r"\btoep\s*\(\s*(\d+)\s*\)", re.IGNORECASE)

_PLACE = frozenset(("residual", "repeated", "measures", "errors", "within"))
"""Words that say that a number is of the residuals."""

_BESIDE = frozenset(("subject", "group", "effect", "variance", "function", "structure"))

_OWN = {"ar1": "ar", "car1": "sppow", "cs": "cs"}
"""The word of a structure with one correlation."""


_PROGRAMS = {
    ("ar1", "correlation"): "AR(1) of SAS, AR1 rho of SPSS, Phi of nlme",
    ("car1", "correlation"): "SP(POW) of SAS, Phi of nlme: of one unit of time",
    ("cs", "correlation"): "CSH of SAS, Rho of nlme",
    ("cs", "covariance"): "CS of SAS, CS covariance of SPSS; residual is the variance less it then",
    ("toep", "correlation"): "TOEPH(1), TOEPH(2) of SAS",
    ("toep", "covariance"): "TOEP(2), TOEP(3) of SAS",
    ("us", "covariance"): "UN(2,1) of SAS and SPSS",
    ("us", "variance"): "UN(1,1) of SAS and SPSS",
}


@dataclass(frozen=True)
class ResidualNumber:
    """A number of a residual covariance.

    Attributes
    ----------
    kind : str
        ``"offset"`` is the variance less the covariance of ``cs``, ``"range"`` that of ``car1``,
        -1 / log rho.
    at : tuple of int
        Of a variance the level of each factor of variances; of a correlation or covariance which;
        of a ratio the factor and the level.
    """

    kind: Literal["variance", "offset", "correlation", "covariance", "ratio", "range"]
    at: tuple[int, ...] = ()


@dataclass(frozen=True)
class ResidualLabels:
    """Names of the numbers of a residual covariance, and what labels of programs are of them."""

    residual: Residual
    design: ResidualDesign

    def names(self, section: Section) -> dict[str, ResidualNumber]:
        """Return every number of a section by its name in the user's columns, in order."""
        design = self.design
        if section == "variance":
            if not design.levels:
                return {}
            places = product(*(range(len(levels)) for levels in design.levels))
            return {
                f"residual {' '.join(self._levels(at))}": ResidualNumber("variance", at)
                for at in places
            }
        if section == "sd ratio":
            return {
                self._ratio_name(s, k): ResidualNumber("ratio", (s, k))
                for s, levels in enumerate(design.levels)
                for k in range(len(levels))
            }
        pairwise = design.structure in ("corr", "us")
        if section == "covariance" and not pairwise and design.levels:
            return {}
        return {
            f"residual{self._pair_name(i, section)}": ResidualNumber(section, (i,))
            for i in range(design.correlations)
        }

    def programs(self, section: Section) -> str:
        """Say how programs call the numbers of a section; empty where there is nothing to say."""
        return _PROGRAMS.get((self.design.structure, section), "")

    def number(self, label: str, section: Section) -> ResidualNumber | None:
        """Return what a label is of; None where it is of nothing in the residual covariance."""
        text = _TOEPLITZ.sub(lambda hit: f" lag{int(hit[1]) - 1} ", label)
        for pattern, instead in _SPELLINGS:
            text = pattern.sub(instead, text)
        effects, un, index = words(text).partition("un ")
        found = set(effects.split())
        for left_out in (frozenset(), _PLACE, _PLACE | _BESIDE, _PLACE | _BESIDE | self._columns):
            rest = sorted(found - left_out)
            key = " ".join((*rest, un + index)).strip()
            if key in self._keys[section] and (key or found & _PLACE):
                return self._keys[section][key]
        return None

    def name_of(self, number: ResidualNumber, section: Section) -> str:
        """Return the name of a number in the user's columns."""
        found = {of: name for name, of in self.names(section).items()}
        return found.get(number, "residual")

    @cached_property
    def _columns(self) -> frozenset[str]:
        """Words of the columns that the residual covariance names."""
        return frozenset(
            word for name in self.residual.names() for word in words(name.name).split()
        )

    @cached_property
    def _keys(self) -> Mapping[Section, Mapping[str, ResidualNumber]]:
        sections: tuple[Section, ...] = ("variance", "correlation", "covariance", "sd ratio")
        return {section: dict(self._pairs_of(section)) for section in sections}

    def _pairs_of(self, section: Section) -> Iterator[tuple[str, ResidualNumber]]:
        """Yield words and what they are of; of the same words the last ones count."""
        if section == "variance":
            yield from self._variances()
        elif section == "sd ratio":
            yield from self._ratios()
        elif section == "correlation" or self._has_covariances:
            yield from self._correlations(section)

    def _variances(self) -> Iterator[tuple[str, ResidualNumber]]:
        levels, structure = self.design.levels, self.design.structure
        reference = ResidualNumber("variance", (0,) * len(levels))
        yield "lag0", reference
        if structure in _OWN:
            yield words(f"{_OWN[structure]} diagonal"), reference
        if structure == "cs":
            for words_ in ("cs diagonal offset", "diagonal offset", "cs diagonal"):
                yield words(words_), ResidualNumber("offset")
        for s in range(len(levels)):
            if len(levels) == 1 or self._by_visit(s):
                for k in range(len(levels[s])):
                    at = tuple(k if i == s else 0 for i in range(len(levels)))
                    yield f"un {k} {k}", ResidualNumber("variance", at)
        # Levels of all factors, or of some beside the references of the others.
        for named in product(*((None, *range(len(own))) for own in levels)):
            if all(k is None for k in named):
                continue
            at = tuple(k or 0 for k in named)
            texts = [self._spelled(s, k) for s, k in enumerate(named) if k is not None]
            for spelling in product(*texts):
                yield words(" ".join(spelling)), ResidualNumber("variance", at)

    def _ratios(self) -> Iterator[tuple[str, ResidualNumber]]:
        levels = self.design.levels
        all_levels = [words(level) for own in levels for level in own]
        for s, own in enumerate(levels):
            for k, level in enumerate(own):
                number = ResidualNumber("ratio", (s, k))
                yield words(self._ratio_name(s, k)), number
                for text in self._spelled(s, k):
                    if text != level or all_levels.count(words(level)) == 1:
                        yield words(text), number

    def _correlations(
        self, section: Literal["correlation", "covariance"]
    ) -> Iterator[tuple[str, ResidualNumber]]:
        design = self.design
        one = ResidualNumber(section, (0,))
        if (own := _OWN.get(design.structure)) is not None:
            for text in ("", "rho", own, f"{own} rho"):
                yield words(text), one
            if design.structure == "car1":
                yield "range", ResidualNumber("range")
            return
        pairs = design.pairs.tolist()
        if design.structure == "toep":
            for i, (lag, _) in enumerate(pairs):
                for text in (f"lag{lag}", f"lag {lag}", f"{lag}", f"rho {lag}"):
                    yield words(text), ResidualNumber(section, (i,))
            return
        # Numbers of visits first, so that a label of one counts more.
        for text in ("{} {}", "rho {} {}"):
            for i, (a, b) in enumerate(pairs):
                yield words(text.format(a + 1, b + 1)), ResidualNumber(section, (i,))
        for i, (a, b) in enumerate(pairs):
            number = ResidualNumber(section, (i,))
            yield f"un {a} {b}", number
            for both in product(self._visit(a), self._visit(b)):
                yield words(" ".join(both)), number
                yield words(" ".join(("rho", *both))), number

    @cached_property
    def _has_covariances(self) -> bool:
        """Whether each correlation goes with one covariance."""
        if self.design.structure in ("corr", "us"):
            return True
        return all(self._within_groups(codes) for codes in self.design.strata)

    def _within_groups(self, codes: Codes) -> bool:
        pairs = np.unique(np.column_stack([self.design.group, codes]), axis=0)
        return len(pairs) == len(np.unique(self.design.group))

    def _by_visit(self, s: int) -> bool:
        """Whether a factor of variances is that of the visits."""
        if self.design.structure == "us":
            return s == 0
        at = self.residual.position
        return at is not None and self._stratum_columns(s) == (at.name,)

    def _stratum_columns(self, s: int) -> tuple[str, ...]:
        if self.design.structure == "us":
            if s == 0:
                return () if self.residual.position is None else (self.residual.position.name,)
            s -= 1
        return self.residual.strata[s]

    def _spelled(self, s: int, k: int) -> list[str]:
        """Return how a level is written: alone, behind its column, or joined to it."""
        level = self.design.levels[s][k]
        columns = self._stratum_columns(s)
        more = [f"{columns[0]}{level}"] if len(columns) == 1 else []
        return [level, *more, " ".join((*columns, level))]

    def _visit(self, k: int) -> list[str]:
        level, at = self.design.visits[k], self.residual.position
        return [level] if at is None else [level, f"{at.name}{level}"]

    def _levels(self, at: Sequence[int]) -> list[str]:
        return [levels[k] for levels, k in zip(self.design.levels, at, strict=True)]

    def _ratio_name(self, s: int, k: int) -> str:
        return " ".join((*self._stratum_columns(s), self.design.levels[s][k]))

    def _pair_name(self, i: int, section: Section) -> str:
        if self.design.structure in ("corr", "us"):
            a, b = (self.design.visits[k] for k in self.design.pairs[i])
            return f" {a} {b}"
        if section == "correlation":
            return f" {self.design.names[i]}"
        return f" lag {self.design.pairs[i][0]}" if len(self.design.pairs) else ""
