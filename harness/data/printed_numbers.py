"""Numbers that a publication prints, kept as printed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from harness.base.resources import fixture


@dataclass(frozen=True)
class PrintedNumber:
    """One printed number.

    Attributes
    ----------
    source : str
        Who prints it: ``"tutorial"``, ``"lmerTest 3.1-3"``, ``"notebook"``.
    quantity : str
        ``table.RMSE``, ``table.Coef``, ``table.Stat``, ``table.Pval``, ``estimate``, ``se``,
        ``statistic``, ``p``, ``df``, ``variance``, ``sd``, ``covariance``, ``scale``, ``loglik``,
        ``reml_criterion``, ``random_effect``, ``residual``, ``mse``, ``singular``.
    item : str
        Coefficient, variance component or level.
    engine : str
        The engine whose output it is.
    text : str
        As printed.
    """

    source: str
    quantity: str
    item: str
    engine: str
    text: str


def half_unit(text: str) -> float:
    """Return half a unit of the last printed place: 0.0005 for ``"0.232"``."""
    exponent = Decimal(text).as_tuple().exponent
    assert isinstance(exponent, int), f"{text!r} is not a finite number"
    return 0.5 * float(Decimal(1).scaleb(exponent))


def rounds_to(value: float, text: str) -> bool:
    """Whether ``value`` is printed as ``text``, a tie in either direction; never for a NaN."""
    return abs(value - float(text)) <= half_unit(text) * (1.0 + 1e-9)


@cache
def _toml(*parts: str) -> dict[str, Any]:
    return tomllib.loads(fixture(*parts).read_text(encoding="utf-8"))


_QUANTITIES = {
    "estimates": "estimate",
    "standard_errors": "se",
    "statistics": "statistic",
    "p_values": "p",
    "df": "df",
    "variance": "variance",
    "variance_se": "variance_se",
    "random_effects": "random_effect",
    "residual": "residual",
}
_SCALARS = {"scale": "scale", "loglik": "loglik", "reml_criterion": "reml_criterion"}


def tutorial_numbers(rung: str) -> tuple[PrintedNumber, ...]:
    """Return what the tutorial, and lmerTest on its data, print for a rung."""
    printed = _toml("tutorial", "printed.toml")
    about = printed["rung"][rung]
    tested = about["tested"]
    numbers = [
        PrintedNumber("tutorial", f"table.{column}", tested, engine, text)
        for engine in ("statsmodels", "lme4")
        for column, text in about["table"].items()
    ]
    numbers += _numbers(about, "tutorial", "statsmodels")
    for text in about.get("mse", ()):
        numbers.append(PrintedNumber("tutorial", "mse", "", "statsmodels", text))
    if rung in printed["lmertest"]:
        numbers += _numbers(printed["lmertest"][rung], "lmerTest 3.1-3", "lme4")
    return tuple(numbers)


def group_slopes() -> dict[str, str]:
    """Return the slope the tutorial prints for each classroom (Hierarchical, level 1)."""
    return dict(_toml("tutorial", "printed.toml")["rung"]["Hierarchical"]["group_slopes"])


def notebook_numbers(model: str) -> tuple[PrintedNumber, ...]:
    """Return what R prints in the statsmodels notebooks for a model."""
    about = _toml("notebooks", "printed.toml")["printed"].get(model)
    return () if about is None else tuple(_numbers(about, "notebook", about["engine"]))


def nlme_numbers(model: str) -> tuple[PrintedNumber, ...]:
    """Return what nlme's scripts to Pinheiro and Bates print for a model, by its name there."""
    about = _toml("nlme", "printed.toml")["printed"][model]
    return tuple(_numbers(about, "nlme", "nlme"))


def _numbers(about: dict[str, Any], source: str, engine: str) -> list[PrintedNumber]:
    out = []
    for key, quantity in _QUANTITIES.items():
        for item, text in about.get(key, {}).items():
            name = "Intercept" if item == "(Intercept)" else item
            out.append(PrintedNumber(source, quantity, name, engine, text))
    for key, quantity in _SCALARS.items():
        if key in about:
            out.append(PrintedNumber(source, quantity, "", engine, about[key]))
    return out
