"""A listing as a table: a line for each number, with what it is and what it is of.

    quantity,item,value,level
    criterion,,REML
    estimate,Days,10.467
    lower,Days,7.206,0.95
    sd,Subject Days,5.922

It becomes the mapping that the TOML file of the same listing holds, and is checked as that.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from harness.base.errors import BadInput
from harness.base.text import listed

_HEADER = ("quantity", "item", "value")
_MORE = ("level", "scale")
_WHOLE = ("program", "criterion", "rows")
_LIKELIHOODS = ("loglik", "minus_two", "aic", "bic")
_TESTS = ("estimate", "se", "df", "statistic", "p")
_ENDS = ("lower", "upper")
_SPREADS = ("variance", "sd")
_RATIOS = ("ratio", "ratio df", "ratio p")
QUANTITIES = (
    *_WHOLE,
    *_LIKELIHOODS,
    *_TESTS,
    *_ENDS,
    *_SPREADS,
    *(f"{kind} {end}" for kind in (*_SPREADS, "correlation") for end in _ENDS),
    "correlation",
    "covariance",
    *_RATIOS,
)


def is_table(text: str) -> bool:
    """Whether a listing is a table: its first line, comments left out, is that of one."""
    first = next(iter(_lines(text)), "")
    return first.replace('"', "").replace(";", ",").lower().startswith("quantity,")


def mapping_of_table(text: str) -> dict[str, Any]:
    """Return what the TOML file of the same listing holds.

    Raises
    ------
    BadInput
        In one line, for a column or quantity that is not known, and a number that is there twice.
    """
    lines = _lines(text)
    delimiter = ";" if lines[0].count(";") > lines[0].count(",") else ","
    header, *rows = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    columns = [name.strip().lower() for name in header]
    for name in columns:
        if name not in (*_HEADER, *_MORE):
            raise BadInput(f"the numbers have a column {name!r}; there are {_columns()}")
    for name in _HEADER:
        if name not in columns:
            raise BadInput(f"the numbers have no column {name!r}; there are {_columns()}")
    found: dict[str, Any] = {}
    seen = set()
    for row in rows:
        cells = dict(zip(columns, (cell.strip() for cell in row), strict=False))
        quantity = " ".join(cells.get("quantity", "").lower().split())
        item, value = cells.get("item", ""), cells.get("value", "")
        if quantity not in QUANTITIES:
            raise BadInput(f"no quantity is called {quantity!r}; there are {listed(QUANTITIES)}")
        of = f" of {item}" if item else ""
        if (quantity, item) in seen:
            raise BadInput(f"{quantity}{of} is there twice; give it once")
        seen.add((quantity, item))
        if not value:
            raise BadInput(f"{quantity}{of} has no value")
        _put(found, quantity, item, value, cells)
    return found


def _lines(text: str) -> list[str]:
    lines = text.removeprefix("\ufeff").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _columns() -> str:
    return listed([*_HEADER, *_MORE])


def _put(
    found: dict[str, Any], quantity: str, item: str, value: str, cells: dict[str, str]
) -> None:
    """Put a line where it stands in the mapping."""
    if quantity in (*_WHOLE, *_LIKELIHOODS):
        if item:
            raise BadInput(f"{quantity} is of the whole model, not of {item!r}")
        if quantity in _LIKELIHOODS:
            found.setdefault("log_likelihood", {})[quantity] = value
        else:
            found[quantity] = int(value) if quantity == "rows" and value.isdigit() else value
        return
    if not item:
        raise BadInput(f"{quantity} is of an item, which its line does not name")
    kind, _, end = quantity.rpartition(" ")
    if quantity in _RATIOS:
        key = {"ratio": "statistic"}.get(quantity, end)
        found.setdefault("comparison", {}).setdefault(item, {})[key] = value
    elif quantity in _TESTS:
        found.setdefault("coefficient", {}).setdefault(item, {})[quantity] = value
    elif end in _ENDS:
        place = {"": "coefficient", "correlation": "correlation"}.get(kind, "variance")
        own = found.setdefault(place, {}).setdefault(item, {})
        interval = own.setdefault("interval", {})
        interval[end] = value
        for key in _MORE:
            if cells.get(key):
                _agree(interval, key, cells[key], item)
    elif quantity == "correlation":
        found.setdefault("correlation", {}).setdefault(item, {})["value"] = value
    elif quantity == "covariance":
        found.setdefault("covariance", {})[item] = value
    else:
        found.setdefault("variance", {}).setdefault(item, {})[quantity] = value


def _agree(interval: dict[str, Any], key: str, text: str, item: str) -> None:
    """Keep the level or the scale of an interval, which both of its lines have."""
    if interval.get(key, text) != text:
        raise BadInput(f"the ends of the interval of {item} have two {key}s")
    interval[key] = text
