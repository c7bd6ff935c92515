"""What a program printed, read from a TOML or CSV file: numbers with their printed digits.

A printed number is an interval, half a unit of its last digit to each side.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any, Literal

from harness.base.errors import BadInput
from harness.base.text import listed
from harness.judge.covariance_parameter import section_of
from harness.judge.listing_table import is_table, lacks_header, mapping_of_table
from harness.judge.printed_text import may_be_either, plain_number, with_points

LIKELIHOODS = ("loglik", "minus_two", "aic", "bic")
TESTS = ("estimate", "se", "df", "statistic", "f", "p")
RATIOS = ("statistic", "df", "p")
_TOP = (
    "program",
    "criterion",
    "alpha",
    "rows",
    "log_likelihood",
    "coefficient",
    "variance",
    "correlation",
    "covariance",
    "sd_ratio",
    "covariance_parameter",
    "comparison",
)


@dataclass(frozen=True)
class PrintedValue:
    """A number as printed.

    Attributes
    ----------
    text : str
    low, high : float
        The values that are printed so; ``"<.0001"`` is from 0 to 0.0001.
    """

    text: str
    low: float
    high: float

    @property
    def value(self) -> float:
        """The middle."""
        return 0.5 * (self.low + self.high)

    @property
    def half(self) -> float:
        """Half the width."""
        return 0.5 * (self.high - self.low)

    def holds(self, value: float, slack: float = 0.0) -> bool:
        """Whether a value is printed so, a tie in either direction; never for NaN."""
        room = slack + 1e-9 * max(abs(self.low), abs(self.high), self.half)
        return self.low - room <= value <= self.high + room


@dataclass(frozen=True)
class PrintedInterval:
    """A confidence interval; with ``factor`` its ends are printed as ``factor * exp(end)``."""

    level: float
    lower: PrintedValue
    upper: PrintedValue
    factor: float | None = None


@dataclass(frozen=True)
class PrintedSpread:
    """A variance, or the standard deviation that stands for it."""

    kind: Literal["variance", "sd"]
    printed: PrintedValue

    @property
    def variances(self) -> tuple[float, float]:
        """Least and largest variance that is printed so; 0 where it is a negative one."""
        low, high = max(self.printed.low, 0.0), max(self.printed.high, 0.0)
        return (low**2, high**2) if self.kind == "sd" else (low, high)


@dataclass(frozen=True)
class Listing:
    """The numbers of one fit, any subset of them, under the labels of the program.

    Attributes
    ----------
    criterion : str
        ``"REML"``, ``"ML"`` or, where it is not said, empty.
    rows : int or None
        Observations used, where that is printed.
    likelihoods : dict
        Of ``loglik``, ``minus_two`` (-2 log L, or the REML criterion), ``aic``, ``bic``.
    coefficients : dict of dict
        By label; of ``estimate``, ``se``, ``df``, ``statistic``, ``f`` (1 numerator df), ``p``.
    intervals : dict
        By label of a coefficient.
    spreads, correlations, covariances : dict
        By label of a random effect; the residual's is ``residual``.
    spread_intervals, correlation_intervals : dict
        By the same labels, in the unit in which the spread is printed.
    ratios, ratio_intervals : dict
        By the level of a factor of residual variances: standard deviations over that of another
        level, as nlme's varIdent has them.
    comparisons : dict of dict
        By the formula of the other model; of ``statistic`` (the likelihood ratio), ``df``, ``p``.
    deviations : dict
        Standard deviations that are printed beside variances, by the label of the variance.
    alpha : float or None
        Level of its tests, where that is said.
    """

    program: str
    criterion: str
    rows: int | None
    likelihoods: Mapping[str, PrintedValue]
    coefficients: Mapping[str, Mapping[str, PrintedValue]]
    intervals: Mapping[str, PrintedInterval]
    spreads: Mapping[str, PrintedSpread]
    correlations: Mapping[str, PrintedValue]
    spread_intervals: Mapping[str, PrintedInterval] = field(default_factory=dict)
    correlation_intervals: Mapping[str, PrintedInterval] = field(default_factory=dict)
    covariances: Mapping[str, PrintedValue] = field(default_factory=dict)
    comparisons: Mapping[str, Mapping[str, PrintedValue]] = field(default_factory=dict)
    deviations: Mapping[str, PrintedValue] = field(default_factory=dict)
    alpha: float | None = None
    ratios: Mapping[str, PrintedValue] = field(default_factory=dict)
    ratio_intervals: Mapping[str, PrintedInterval] = field(default_factory=dict)


def read_listing(text: str) -> Listing:
    """Read a listing in TOML, or in CSV where its first line is that of a table.

    Raises
    ------
    BadInput
        In one line, for what is neither, a key that is not known, and a number that is none.
    """
    text = text.removeprefix("\ufeff")
    if is_table(text):
        return listing_of(mapping_of_table(text))
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if lacks_header(text):
            why = "the table of numbers has no first line that names its columns: begin it with"
            raise BadInput(f"{why} quantity,item,value") from None
        raise BadInput(
            f"the numbers are neither TOML ({error}) nor a table, whose first line is "
            "quantity,item,value"
        ) from error
    return listing_of(found)


def listing_of(found: Mapping[str, Any]) -> Listing:
    """Read a listing from what its TOML file holds.

    Raises
    ------
    BadInput
        As :func:`read_listing`.
    """
    _known(found, _TOP, "the listing")
    found = _sorted_out(with_points(found))
    criterion = str(found.get("criterion", "")).upper()
    if criterion not in ("", "REML", "ML"):
        raise BadInput(f"criterion is REML or ML, not {found['criterion']!r}")
    rows = _rows(found.get("rows"))
    likelihoods = _table(found, "log_likelihood")
    _known(likelihoods, LIKELIHOODS, "log_likelihood")
    coefficients, intervals = {}, {}
    for label, given in _table(found, "coefficient").items():
        where = f"coefficient {label!r}"
        if not isinstance(given, dict):
            raise BadInput(f"{where} is a table of {listed(TESTS)} or interval")
        _known(given, (*TESTS, "interval"), where)
        if _is_reference(given):
            continue
        coefficients[label] = {
            k: _test(k, v, f"{k} of {where}") for k, v in given.items() if k in TESTS
        }
        if "interval" in given:
            intervals[label] = _interval(given["interval"], where)
    spreads, spread_intervals, deviations = {}, {}, {}
    for label, given in _table(found, "variance").items():
        where = f"variance {label!r}"
        spreads[label], beside = _spread(given, where)
        if beside is not None:
            deviations[label] = beside
        if isinstance(given, dict) and "interval" in given:
            spread_intervals[label] = _interval(given["interval"], where)
    correlations, correlation_intervals = _with_intervals(found, "correlation")
    ratios, ratio_intervals = _with_intervals(found, "sd_ratio")
    covariances = {
        label: _number(given, f"covariance {label!r}")
        for label, given in _table(found, "covariance").items()
    }
    comparisons = {}
    for formula, given in _table(found, "comparison").items():
        where = f"comparison with {formula!r}"
        if not isinstance(given, dict) or not given:
            raise BadInput(f"{where} is a table of {listed(RATIOS)}")
        _known(given, RATIOS, where)
        comparisons[formula] = {k: _test(k, v, f"{k} of {where}") for k, v in given.items()}
    listing = Listing(
        program=str(found.get("program", "")) or "the listing",
        criterion=criterion,
        rows=rows,
        likelihoods={k: _number(v, k) for k, v in likelihoods.items()},
        coefficients=coefficients,
        intervals=intervals,
        spreads=spreads,
        correlations=correlations,
        spread_intervals=spread_intervals,
        correlation_intervals=correlation_intervals,
        covariances=covariances,
        comparisons=comparisons,
        deviations=deviations,
        alpha=_alpha(found),
        ratios=ratios,
        ratio_intervals=ratio_intervals,
    )
    pairs = correlations or covariances or ratios
    if not (listing.likelihoods or coefficients or spreads or pairs or comparisons):
        raise BadInput("the listing has no number: give coefficients, variances or log_likelihood")
    return listing


def _with_intervals(
    found: Mapping[str, Any], key: str
) -> tuple[dict[str, PrintedValue], dict[str, PrintedInterval]]:
    """Read numbers that are printed alone, or as a value with its interval."""
    values, intervals = {}, {}
    for label, given in _table(found, key).items():
        where = f"{key} {label!r}"
        value = given
        if isinstance(given, dict):
            _known(given, ("value", "interval"), where)
            if "value" not in given:
                raise BadInput(f"{where} has no value")
            value = given["value"]
            if "interval" in given:
                intervals[label] = _interval(given["interval"], where)
        values[label] = _number(value, where)
    return values, intervals


def _sorted_out(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put each number of a table of covariance parameters where its label says that it is of."""
    given = _table(found, "covariance_parameter")
    if not given:
        return found
    out = {key: value for key, value in found.items() if key != "covariance_parameter"}
    for label, value in given.items():
        section = section_of(label)
        own = dict(_table(out, section))
        if label in own:
            raise BadInput(f"covariance_parameter {label!r} is a {section}, too; give it once")
        own[label] = value
        out[section] = own
    return out


_LARGEST = 1e100
"""Beyond it no likelihood of a printed variance can be evaluated."""


def printed(text: str, what: str) -> PrintedValue:
    """Read a number as it is printed: ``"0.0363"``, ``"1,234.5"``, ``"4.4e-16"``, ``"<.0001 ***"``.

    A comma that may be of thousands or of decimals is refused.

    Raises
    ------
    BadInput
        For what is no number.
    """
    if may_be_either(text):
        thousands, decimals = text.replace(",", ""), text.replace(",", ".")
        raise BadInput(f"{what} may be {thousands} or {decimals}: write one of them, not {text!r}")
    plain = plain_number(text)
    bound = plain[:1] if plain[:1] in ("<", ">") else ""
    try:
        number = Decimal(plain.lstrip("<> "))
        exponent = number.as_tuple().exponent
    except InvalidOperation as error:
        raise BadInput(_no_number(text, what)) from error
    if not isinstance(exponent, int):
        if number.is_infinite() and "df" in what.split()[:1]:
            return PrintedValue(text, math.inf, math.inf)
        raise BadInput(f"{what} is no number: {text!r}")
    if abs(number) > _LARGEST:
        raise BadInput(f"{what} is larger than {_LARGEST:g}: {text!r}")
    if bound == "<":
        return PrintedValue(text, 0.0, float(number))
    if bound:
        if what.partition(" of ")[0].split()[-1] != "p":
            raise BadInput(f"{what} is a bound, which only a p may be: {text!r}")
        return PrintedValue(text, float(number), 1.0)
    half = 0.5 * float(Decimal(1).scaleb(exponent))
    return PrintedValue(text, float(number) - half, float(number) + half)


def _no_number(text: str, what: str) -> str:
    if text.strip() in ("", "."):
        return f"{what} is empty: leave it out"
    if "%" in text:
        return f"{what} has a percent sign: {text!r}; write 4.1 % of a whole as 0.041"
    return f"{what} is no number: {text!r}"


def _number(given: Any, what: str) -> PrintedValue:
    if isinstance(given, bool) or not isinstance(given, (str, int, float)):
        raise BadInput(f"{what} is no number: {given!r}")
    return printed(given if isinstance(given, str) else repr(given), what)


def _test(key: str, given: Any, what: str) -> PrintedValue:
    """Read a number of a test: standard errors and df are not negative, p is a probability."""
    value = _number(given, what)
    if key == "p":
        return _within(value, 0.0, 1.0, what)
    return _within(value, 0.0, math.inf, what) if key in ("se", "df", "f") else value


def _within(value: PrintedValue, least: float, most: float, what: str) -> PrintedValue:
    if value.high < least or value.low > most:
        if most == math.inf:
            raise BadInput(f"{what} cannot be negative: {value.text}")
        raise BadInput(f"{what} lies between {least:g} and {most:g}, not {value.text}")
    return value


def _is_reference(given: Mapping[str, Any]) -> bool:
    """Whether a row is that of a reference level: 0, or SPSS's 0b, and no test."""
    estimate = re.fullmatch(r"0\s?[a-z]?", str(given.get("estimate", "")).strip())
    rest = [str(v).strip() for k, v in given.items() if k != "estimate"]
    return estimate is not None and all(text in ("", ".") for text in rest)


def _table(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    given = found.get(key, {})
    if not isinstance(given, dict):
        raise BadInput(f"{key} is a table, [{key}]")
    return given


def _known(given: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in keys:
            near = get_close_matches(key, keys, 1)
            hint = f"; is {near[0]} meant?" if near else f"; it has {listed(keys)}"
            raise BadInput(f"{where} has no {key!r}{hint}")


def _spread(given: Any, where: str) -> tuple[PrintedSpread, PrintedValue | None]:
    """Read a variance or a standard deviation; where both are there, the latter comes second."""
    if not isinstance(given, dict):
        return PrintedSpread("variance", _number(given, where)), None
    _known(given, ("variance", "sd", "interval"), where)
    found = {key: _number(value, where) for key, value in given.items() if key != "interval"}
    if not found:
        raise BadInput(f"{where} has a variance or an sd, or both")
    if len(found) == 2 and "interval" in given:
        raise BadInput(f"{where} has an interval of the variance or of the sd: give one of them")
    if "variance" not in found:
        return PrintedSpread("sd", found["sd"]), None
    return PrintedSpread("variance", found["variance"]), found.get("sd")


def _interval(given: Any, where: str) -> PrintedInterval:
    where = f"interval of {where}"
    if not isinstance(given, dict):
        raise BadInput(f"{where} is a table of level, lower, upper")
    _known(given, ("level", "lower", "upper", "scale"), where)
    for key in ("lower", "upper"):
        if key not in given:
            raise BadInput(f"{where} has no {key}")
    return PrintedInterval(
        _share(given.get("level", 0.95), f"the level of {where}"),
        _number(given["lower"], f"lower end of {where}"),
        _number(given["upper"], f"upper end of {where}"),
        _factor(str(given["scale"]), where) if "scale" in given else None,
    )


def _share(given: Any, what: str) -> float:
    """Read a level or an alpha: ``0.95``, ``95`` and ``"95 %"`` are one."""
    text = str(given).strip()
    bare = text.removesuffix("%").strip()
    try:
        value = float(bare)
    except ValueError as error:
        raise BadInput(f"{what} is no number: {given!r}") from error
    if bare != text or 1.0 < value < 100.0:
        value /= 100.0
    if not 0.0 < value < 1.0:
        raise BadInput(f"{what} lies between 0 and 1, not {text}")
    return value


def _rows(given: Any) -> int | None:
    if given is None:
        return None
    text = str(given).strip().replace(",", "").removesuffix(".0")
    if isinstance(given, bool) or not text.isdecimal() or int(text) < 1:
        raise BadInput(f"rows is a whole number, not {given!r}")
    return int(text)


def _alpha(found: Mapping[str, Any]) -> float | None:
    return _share(found["alpha"], "alpha") if "alpha" in found else None


def _factor(text: str, where: str) -> float:
    """Read ``exp`` or ``100 * exp``."""
    front, _, last = text.rpartition("exp")
    number = front.strip().removesuffix("*").strip() or "1"
    try:
        if last.strip() or "exp" not in text:
            raise ValueError
        return float(number)
    except ValueError as error:
        raise BadInput(f'scale of {where} is "exp" or "100 * exp", not {text!r}') from error
