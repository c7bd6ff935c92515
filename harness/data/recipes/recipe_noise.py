"""Random numbers of generated data, each a function of its place.

A number depends on (seed, stream, group, row) and on nothing else, so that rows and groups can be
taken away without changing those that stay. numpy's generators cannot do that without one generator
per row, and their distributions may change between releases of numpy. Here a word is a hash of its
place, and what is made of it needs only integer arithmetic, division and square roots, which are
the same on every platform.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_ONE, _27, _30, _31 = (np.uint64(n) for n in (1, 27, 30, 31))


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
        z = _finalised(z + (coordinate.astype(np.uint64) + _ONE) * _GOLDEN)
    return z


def _finalised(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = z + _GOLDEN
    z ^= z >> _30
    z *= _FIRST
    z ^= z >> _27
    z *= _SECOND
    z ^= z >> _31
    return z


def normal(seed: int, stream: int, *place: Integers) -> Array:
    """Return numbers of mean 0 and variance 1, near normal and at most 6 in size.

    The sum of twelve uniform 16-bit integers, which is exact.
    """
    z = words(seed, stream, *place)
    total = np.zeros(z.shape, dtype=np.int64)
    for _ in range(3):
        z = _finalised(z)
        # The four quarters of each word, in whatever order the machine has them.
        total += z.view(np.uint16).reshape(*z.shape, 4).sum(axis=-1, dtype=np.int64)
    return np.asarray((total - 12 * 65535 / 2) / 65536.0, dtype=np.float64)


def heavy(seed: int, stream: int, *place: Integers) -> Array:
    """Return numbers from Student's t with two degrees of freedom, at most 1,000 in size.

    By its quantile function, (2u - 1) / sqrt(2u(1 - u)).
    """
    u = ((words(seed, stream, *place) >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52
    return np.asarray(np.clip((2.0 * u - 1.0) / np.sqrt(2.0 * u * (1.0 - u)), -1e3, 1e3))


def decimals(counts: Array, power: int) -> Array:
    """Return ``counts * 10**power`` to the nearest double, which prints as a short decimal."""
    return counts * 10.0**power if power >= 0 else counts / 10.0**-power
