"""One thing to know about a model or a call."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trap:
    """Something to know about a model.

    Attributes
    ----------
    key : str
        A cause of known_differences.toml where one exists.
    text : str
    """

    key: str
    text: str


def listed(items: list[str]) -> str:
    """Return ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def rows_trap(taken: str, other: str) -> Trap:
    """Say that a call fits some of the rows, which the call of the ``other`` program does not."""
    return Trap("rows", f"{taken} chooses the rows; {other} must be given the same rows")


def search_trap(options: list[str]) -> Trap:
    """Say which arguments are left out for being about the search for the optimum."""
    verb, they = ("is", "it says") if len(options) == 1 else ("are", "they say")
    return Trap(
        "optimizer-options",
        f"{listed(options)} {verb} left out: {they} how the fit is run, not what the model is",
    )
