"""Remedies that write the columns otherwise: centred, divided by a standard deviation, or both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.base.text import listed, number
from harness.data.rungs import Rung
from harness.diagnose import remodel
from harness.diagnose.data_checks import numeric_predictors
from harness.diagnose.diagnosis import Remedy
from harness.diagnose.remedies import Workshop, by_verdict, remodelled
from harness.model.case import Case


def rescale(shop: Workshop, *gone: str) -> list[Remedy | None]:
    """Divide the columns that may be, outcome included, by their standard deviations."""
    sizes = _sizes(shop.bench.case)
    if not sizes:
        return []
    return _written(shop, "rescale", _division(sizes), lambda r: remodel.rescaled(r, sizes), gone)


def standardise(shop: Workshop, *gone: str) -> list[Remedy | None]:
    """Centre the predictors far from zero and divide columns by their standard deviations."""
    case = shop.bench.case
    means, sizes = far_means(case), _sizes(case)
    if not means or not sizes:
        return []
    first, second = centring(means), _division(sizes)
    both = Change(
        f"{first.title}, then {second.title}",
        f"{first.r_code}\n{second.r_code}",
        f"{first.python_code}\n{second.python_code}",
    )

    def change(rung: Rung) -> Rung:
        return remodel.rescaled(remodel.centred(rung, means), sizes)

    return _written(shop, "rescale", both, change, gone)


def _written(
    shop: Workshop, kind: str, how: Change, change: Callable[[Rung], Rung], gone: Sequence[str]
) -> list[Remedy | None]:
    """Fit the same model to columns that are written otherwise."""
    return [
        remodelled(
            shop,
            kind,
            how.title,
            lambda: change(shop.bench.rung),
            judge=by_verdict(shop, *gone),
            same_model=True,
            r_first=how.r_code,
            python_first=how.python_code,
        )
    ]


def _sizes(case: Case) -> dict[str, float]:
    """Return the standard deviations, rounded, that are far from 1; of the outcome as well."""
    linear = remodel.linear_columns(case.model)
    outcome = next((n.name for n in case.model.names()), "")
    spread = {k: float(v.std()) for k, v in numeric_predictors(case).items() if k in linear}
    if outcome in linear:
        spread[outcome] = float(case.design.y.std())
    return {k: float(f"{s:.3g}") for k, s in spread.items() if s > 0.0 and not 0.1 <= s <= 10.0}


def _division(sizes: dict[str, float]) -> Change:
    return Change(
        f"divide {listed([f'{k} by {number(s)}' for k, s in sizes.items()])}",
        "\n".join(f'data[["{k}"]] <- data[["{k}"]] / {s!r}' for k, s in sizes.items()),
        "\n".join(f"data[{k!r}] = data[{k!r}] / {s!r}" for k, s in sizes.items()),
    )


@dataclass(frozen=True)
class Change:
    """How columns are changed, in words and in both languages."""

    title: str
    r_code: str
    python_code: str


def centring(means: dict[str, float]) -> Change:
    """Write the centring of columns at given values."""
    return Change(
        f"centre {listed([f'{k} at {number(m)}' for k, m in means.items()])}",
        "\n".join(f'data[["{k}"]] <- data[["{k}"]] - {m!r}' for k, m in means.items()),
        "\n".join(f"data[{k!r}] = data[{k!r}] - {m!r}" for k, m in means.items()),
    )


def _varying(case: Case) -> dict[str, NDArray[np.float64]]:
    """Return numeric predictors that can be centred: neither constant nor inside a function."""
    linear = remodel.linear_columns(case.model)
    return {k: v for k, v in numeric_predictors(case).items() if k in linear and v.std() > 0.0}


def far_means(case: Case) -> dict[str, float]:
    """Return the means, rounded, of predictors more than three standard deviations from zero."""
    return {
        k: float(f"{v.mean():.6g}")
        for k, v in _varying(case).items()
        if abs(v.mean()) > 3.0 * v.std()
    }


def centre(shop: Workshop, *gone: str) -> list[Remedy | None]:
    """Centre the numeric predictors that are far from zero, all of them if none is."""
    case = shop.bench.case
    means = far_means(case)
    means = means or {k: float(f"{v.mean():.6g}") for k, v in _varying(case).items()}
    if not means:
        return []
    return _written(shop, "centre", centring(means), lambda r: remodel.centred(r, means), gone)


def centre_far(shop: Workshop, *gone: str) -> list[Remedy | None]:
    """Centre when a predictor is more than three standard deviations from zero."""
    return centre(shop, *gone) if far_means(shop.bench.case) else []
