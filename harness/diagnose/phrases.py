"""Random terms as a sentence has them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.base.text import listed


def bar(names: Sequence[str], group: str) -> str:
    """Write a random term with the names of its effects: ``(1 + x | g)``."""
    effects = ["1" if name == "Intercept" else name for name in names]
    return f"({' + '.join(effects if '1' in effects else ['0', *effects])} | {group})"


def taken_out(gone: Sequence[str], names: Sequence[str], group: str) -> str:
    """Say which effects are taken out of a random term, or that it goes whole."""
    if set(gone) >= set(names):
        return f"take {bar(names, group)} out of the model"
    shown = ["the intercept" if name == "Intercept" else name for name in gone]
    return f"take {listed(shown)} out of {bar(names, group)}"
