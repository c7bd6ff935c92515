"""Contrasts of fixed effects, in each of the ways in which users of statsmodels give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.referee.f_tests import contrast_rows

Array = NDArray[np.float64]
Contrasts: TypeAlias = "Array | Sequence[Any] | Mapping[str, Any] | str"


def rows_and_labels(contrasts: Any, names: tuple[str, ...]) -> tuple[Array, list[str]]:
    """Rows over the fixed effects, and a label for each."""
    p = len(names)
    if isinstance(contrasts, pd.DataFrame):
        if set(contrasts.columns) <= set(names):  # effects that are not named have weight zero
            contrasts = contrasts.reindex(columns=list(names), fill_value=0.0)
        return contrast_rows(contrasts.to_numpy(dtype=np.float64), p), list(
            map(str, contrasts.index)
        )
    if isinstance(contrasts, Mapping):
        values = np.array([np.asarray(row, dtype=np.float64) for row in contrasts.values()])
        return contrast_rows(values, p), list(map(str, contrasts))
    texts = [contrasts] if isinstance(contrasts, str) else list(contrasts)
    if texts and all(isinstance(text, str) for text in texts):
        from patsy.design_info import DesignInfo

        # patsy reads names and arithmetic as result.t_test does.
        found = DesignInfo(list(names)).linear_constraint(texts)
        if np.abs(found.constants).max() > 0.0:
            raise ValueError("contrasts are tested against zero; subtract the constant yourself")
        rows = contrast_rows(found.coefs, p)
        return rows, texts if len(texts) == len(rows) else _numbered(rows)
    rows = contrast_rows(np.asarray(contrasts, dtype=np.float64), p)
    return rows, _numbered(rows)


def _numbered(rows: Array) -> list[str]:
    return [f"c{i}" for i in range(len(rows))]
