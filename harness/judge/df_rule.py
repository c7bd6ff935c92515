"""Rules of degrees of freedom by name; a command lists them before numpy is there."""

from __future__ import annotations

from typing import Literal, get_args

DfRule = Literal[
    "none",
    "residual",
    "containment",
    "containment-levels",
    "residual-xz",
    "between-within",
    "between-within-classic",
    "satterthwaite",
    "kenward-roger",
    "kenward-roger-linear",
]
"""Their sources are in :mod:`harness.referee.definitions`."""

DF_RULES: tuple[DfRule, ...] = get_args(DfRule)
