"""Numbers, labels and names of generated data: the parts that a recipe is built from.

Every random number is a function of (seed, stream, group, row), so that rows and groups can be
taken away without changing those that stay. numpy's generators cannot do that without one generator
per row, and their distributions may change between releases of numpy. Here a word is a hash of its
place, and what is made of it needs only integer arithmetic, division and square roots, which are
the same on every platform.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

Labels = Literal["plain", "integers", "digits", "locale", "awkward"]
"""How levels are called. ``digits`` are strings such as "10", "9", "2"; labels of ``locale`` are
sorted differently by R and by Python; ``awkward`` ones hold spaces, colons and quotes."""

Names = Literal["plain", "spaces", "dots", "unicode", "functions", "reserved", "quotes"]
"""How columns are called. ``functions`` are names that formulas give a meaning to (C, I, Q);
``reserved`` are reserved words of R or Python."""

NAMES: dict[Names, dict[str, str]] = {
    "plain": {r: r for r in "yxvwfbgh"},
    "spaces": {
        "y": "the outcome",
        "x": "dose in mg",
        "v": "2nd dose",
        "w": "school size ",
        "f": "treatment arm",
        "b": "per cent (%)",
        "g": "class room",
        "h": "a / b",
    },
    "dots": {
        "y": "y.1",
        "x": ".x",
        "v": "v..v",
        "w": "w_w.",
        "f": "f.T.1",
        "b": "b.b",
        "g": "g.id",
        "h": "h.id",
    },
    "unicode": {
        "y": "größe",
        "x": "dosis_µg",
        "v": "température",
        "w": "Δw",
        "f": "группа",
        "b": "β",
        "g": "病院",
        "h": "ærø",
    },
    "functions": {
        "y": "Q",
        "x": "I",
        "v": "log",
        "w": "factor",
        "f": "T",
        "b": "np",
        "g": "C",
        "h": "scale",
    },
    "reserved": {
        "y": "if",
        "x": "TRUE",
        "v": "lambda",
        "w": "NA",
        "f": "class",
        "b": "repeat",
        "g": "function",
        "h": "NULL",
    },
    "quotes": {
        "y": "y`",
        "x": "it's x",
        "v": 'v "2"',
        "w": "w\\n",
        "f": "f[T.a]",
        "b": "b:c",
        "g": "g|g",
        "h": "h~1",
    },
}
"""Column name by kind and role."""

_DIGITS = ("10", "9", "2", "1", "100", "20", "3", "11")
_LOCALE = ("a", "B", "_c", "Z", "é", "b", "A", "ä")
_AWKWARD = ("a b", "a:b", "it's", 'say "no"', "a,b", "x/y", "[T.1]", "1e5")


def label(kind: Labels, prefix: str, index: int) -> str | int:
    """Return the label of level ``index`` of the factor ``prefix``."""
    if kind == "integers":
        return index + 1
    special = {"digits": _DIGITS, "locale": _LOCALE, "awkward": _AWKWARD}.get(kind, ())
    if index < len(special):
        return special[index]
    return str(200 + index) if kind == "digits" else f"{prefix}{index + 1}"


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def words(seed: int, stream: int, *place: Integers) -> NDArray[np.uint64]:
    """Return a 64-bit word for each place, by the finaliser of SplitMix64 over its coordinates.

    Parameters
    ----------
    place : int64 arrays that broadcast together
        Coordinates, for instance group and row.

    Notes
    -----
    Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
    """
    z = _finalised(np.array([seed], dtype=np.uint64))
    z = _finalised(z + np.array([stream], dtype=np.uint64) * _GOLDEN)
    for coordinate in place:
        z = _finalised(z + (coordinate.astype(np.uint64) + np.uint64(1)) * _GOLDEN)
    return z


def _finalised(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = z + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def normal(seed: int, stream: int, *place: Integers) -> Array:
    """Return numbers of mean 0 and variance 1, near normal and at most 6 in size.

    The sum of twelve uniform 16-bit integers, which is exact.
    """
    z = words(seed, stream, *place)
    total = np.zeros(z.shape, dtype=np.int64)
    for _ in range(3):
        z = _finalised(z)
        for shift in (0, 16, 32, 48):
            total += ((z >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64)
    return (total - 12 * 65535 / 2) / 65536.0


def heavy(seed: int, stream: int, *place: Integers) -> Array:
    """Return numbers from Student's t with two degrees of freedom, at most 1,000 in size.

    By its quantile function, (2u - 1) / sqrt(2u(1 - u)).
    """
    u = ((words(seed, stream, *place) >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52
    return np.asarray(np.clip((2.0 * u - 1.0) / np.sqrt(2.0 * u * (1.0 - u)), -1e3, 1e3))


def decimals(counts: Array, power: int) -> Array:
    """Return ``counts * 10**power`` to the nearest double, which prints as a short decimal."""
    return counts * 10.0**power if power >= 0 else counts / 10.0**-power
