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
from harness.judge.printed_text import may_be_either

_HEADER = ("quantity", "item", "value")
_MORE = ("level", "scale")
_WHOLE = ("program", "criterion", "alpha", "rows")
_LIKELIHOODS = ("loglik", "minus_two", "aic", "bic")
_TESTS = ("estimate", "se", "df", "statistic", "f", "p")
_ENDS = ("lower", "upper")
_SPREADS = ("variance", "sd")
_RATIOS = ("ratio", "ratio df", "ratio p")
_PLACES = {"": "coefficient", "correlation": "correlation", "sd ratio": "sd_ratio"}
"""Where a value, or an interval, stands in the mapping; elsewhere it is of a variance."""

QUANTITIES = (
    *_WHOLE,
    *_LIKELIHOODS,
    *_TESTS,
    *_ENDS,
    *_SPREADS,
    *(f"{kind} {end}" for kind in (*_SPREADS, "correlation", "sd ratio") for end in _ENDS),
    "correlation",
    "covariance",
    "sd ratio",
    "covariance parameter",
    *_RATIOS,
)


def is_table(text: str) -> bool:
    """Whether a listing is a table: its first line, comments left out, is that of one."""
    cells = _first_cells(text)
    return cells[0] == "quantity" or {"quantity", "value"} <= set(cells)


def lacks_header(text: str) -> bool:
    """Whether a listing is a table but for its first line: that is one of numbers already."""
    cells = _first_cells(text)
    return len(cells) > 1 and " ".join(cells[0].split()) in QUANTITIES


def _first_cells(text: str) -> list[str]:
    first = next((line for _, line in _lines(text)), "")
    return [cell.strip(' "').lower() for cell in first.replace(";", ",").split(",")]


def mapping_of_table(text: str) -> dict[str, Any]:
    """Return what the TOML file of the same listing holds.

    Raises
    ------
    BadInput
        In one line, for a column or quantity that is not known, and a number that is there twice,
        with the number of the line in the file.
    """
    numbers, lines = zip(*_lines(text), strict=True)
    delimiter = ";" if lines[0].count(";") > lines[0].count(",") else ","
    header, *rows = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    columns = [name.strip().lower() for name in header]
    for name in columns:
        if name not in (*_HEADER, *_MORE):
            raise BadInput(f"the numbers have a column {name!r}; there are {_columns()}")
    for name in _HEADER:
        if name not in columns:
            raise BadInput(f"the numbers have no column {name!r}; there are {_columns()}")
    if delimiter == ";":
        rows = _with_points(rows, columns.index("value"))
    found: dict[str, Any] = {}
    seen: set[tuple[str, str]] = set()
    # A cell that goes over several lines is of none of the quantities there are.
    for number, row in zip(numbers[1:], rows, strict=False):
        try:
            _add(found, seen, columns, [cell.strip() for cell in row])
        except BadInput as error:
            raise BadInput(f"line {number}: {error}") from None
    return found


def _with_points(rows: list[list[str]], value: int) -> list[list[str]]:
    """Return the rows with points for commas where no number of them has a point."""
    if any("." in row[value] for row in rows if len(row) > value):
        return rows
    return [[c.replace(",", ".") if may_be_either(c) else c for c in row] for row in rows]


def _add(
    found: dict[str, Any], seen: set[tuple[str, str]], columns: list[str], row: list[str]
) -> None:
    """Read a line; the places of those before are in ``seen``."""
    surplus = [cell for cell in row[len(columns) :] if cell]
    if surplus:
        raise BadInput(
            f"{surplus[0]!r} has no column; the first line names {len(columns)}: {listed(columns)}"
            ". Quote a cell that has a comma in it"
        )
    cells = dict(zip(columns, row, strict=False))
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


def _lines(text: str) -> list[tuple[int, str]]:
    """Return the lines with something in them, with their numbers; comments left out."""
    lines = enumerate(text.removeprefix("\ufeff").splitlines(), 1)
    return [(n, line) for n, line in lines if line.strip() and not line.lstrip().startswith("#")]


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
        place = _PLACES.get(kind, "variance")
        own = found.setdefault(place, {}).setdefault(item, {})
        interval = own.setdefault("interval", {})
        interval[end] = value
        for key in _MORE:
            if cells.get(key):
                _agree(interval, key, cells[key], item)
    elif quantity in ("correlation", "sd ratio"):
        found.setdefault(_PLACES[quantity], {}).setdefault(item, {})["value"] = value
    elif quantity in ("covariance", "covariance parameter"):
        found.setdefault(quantity.replace(" ", "_"), {})[item] = value
    else:
        found.setdefault("variance", {}).setdefault(item, {})[quantity] = value


def _agree(interval: dict[str, Any], key: str, text: str, item: str) -> None:
    """Keep the level or the scale of an interval, which both of its lines have."""
    if interval.get(key, text) != text:
        raise BadInput(f"the ends of the interval of {item} have two {key}s")
    interval[key] = text
