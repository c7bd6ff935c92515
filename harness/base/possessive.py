"""Names of engines in sentences."""

from __future__ import annotations


def whose(name: str) -> str:
    """Write the possessive: ``lme4's``, ``statsmodels'``."""
    return f"{name}'" if name.endswith("s") else f"{name}'s"
