"""Terms of the formula that a fitted ``MixedLM`` was built from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from harness.referee.f_tests import Factor, FixedTerms


def formula_terms(result: Any) -> FixedTerms:
    """Terms of the formula a model was built from, evaluated on its rows.

    Raises
    ------
    ValueError
        When the model was built from arrays.
    """
    data = result.model.data
    spec = getattr(data, "model_spec", None) or getattr(data, "design_info", None)
    frame = getattr(data, "frame", None)
    if spec is None or frame is None:
        raise ValueError(
            "the model was built from arrays and does not know its terms: build it by a formula, "
            "or give the contrasts of a term to f_test()"
        )
    if len(frame) != len(result.model.endog):
        frame = frame.loc[data.row_labels]
    return _patsy_terms(spec, frame) if hasattr(spec, "factor_infos") else _formulaic(spec, frame)


def _patsy_terms(spec: Any, frame: pd.DataFrame) -> FixedTerms:
    from patsy import NAAction
    from patsy.categorical import categorical_to_int

    factors = {}
    for factor, info in spec.factor_infos.items():
        values = factor.eval(info.state, frame)
        if info.type == "categorical":
            codes = categorical_to_int(values, info.categories, NAAction(NA_types=[]))
            values = np.eye(len(info.categories))[np.asarray(codes)]
        matrix = np.asarray(values, dtype=np.float64).reshape(len(frame), -1)
        factors[factor.name()] = Factor(factor.name(), matrix, info.type == "categorical")
    terms = tuple(tuple(f.name() for f in term.factors) for term in spec.terms)
    return FixedTerms(() in terms, tuple(t for t in terms if t), factors)


def _formulaic(spec: Any, frame: pd.DataFrame) -> FixedTerms:
    import formulaic

    terms = tuple(tuple(f.expr for f in t.factors if f.expr != "1") for t in spec.terms)
    factors = {}
    for name in dict.fromkeys(name for term in terms for name in term):
        alone = formulaic.Formula(f"0 + {name}")
        matrix = alone.get_model_matrix(frame, ensure_full_rank=False)
        categorical = bool(matrix.model_spec.factor_contrasts)
        factors[name] = Factor(name, matrix.to_numpy(dtype=np.float64), categorical)
    return FixedTerms(() in terms, tuple(t for t in terms if t), factors)
