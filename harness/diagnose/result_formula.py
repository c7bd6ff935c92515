"""A statsmodels result read back into a formula over the columns of the user's data.

What is read from names, or found in the data, is used only when it gives the very design of the
result.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from harness.base.errors import BadInput
from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.data.rungs import Rung
from harness.diagnose.user_columns import (
    UserColumns,
    column_names,
    grouping_of,
    is_label,
    number_column,
    vc_terms,
)
from harness.engines.mixedlm_fit import MixedFit
from harness.model.column_match import match_columns
from harness.model.design import Design
from harness.model.model import Criterion
from harness.model.term_match import match_terms
from harness.spelling.lme4_spelling import lme4_formula
from harness.spelling.mixedlm_call import MixedLMCall
from harness.spelling.translation import NotInLme4, model_of_call


def in_user_columns(native: MixedFit, place: UserColumns) -> Rung | None:
    """Return the case in the user's own columns, or None where that is not the model fitted."""
    model = native.result.model
    if getattr(model, "formula", None) is None or place.groups is None:
        return None
    effects = _effects(native)
    if 1 < len(native.blocks) < len(effects):
        return None
    texts = {c for c in column_names(place.frame) if is_label(place.frame[c])}
    for components in (_named_components(native), _found_components(native, place)):
        if components is None:
            continue
        call = MixedLMCall(
            formula=str(model.formula),
            groups=place.groups,
            re_formula=" + ".join([*([] if "1" in effects else ["0"]), *effects])
            if effects
            else None,
            vc_formula=components,
            free="diagonal" if len(native.blocks) > 1 else "all",
            reml=native.criterion == "REML",
        )
        try:
            text = lme4_formula(model_of_call(call, texts, place.used))
        except (BadInput, NotInLme4):
            continue
        rung = bound(place, text, native.criterion, native.design)
        if rung is not None:
            return rung
    return None


def bound(place: UserColumns, text: str, criterion: Criterion, design: Design) -> Rung | None:
    """Bind a formula to all rows of the data where those used are the complete ones.

    None where that does not give the design.
    """
    for frame in (place.frame, place.used):
        try:
            rung = own_rung("data", Dataset("data", frame, "a statsmodels result"), text, criterion)
        except BadInput:
            continue
        if same_design(rung.case.design, design):
            return rung
    return None


def same_design(one: Design, other: Design) -> bool:
    """Whether two designs are of the same rows, columns and groups, in any order of columns."""
    if len(one.y) != len(other.y) or not np.array_equal(one.y, other.y):
        return False
    if not match_columns(one.x, other.x).complete or len(one.random) != len(other.random):
        return False
    return None not in match_terms(one.random, other.random)


_LEVEL = re.compile(r"\[[^\]]*\]")


def _effects(native: MixedFit) -> list[str]:
    """Terms of re_formula, from the names of its columns."""
    model = native.result.model
    if not model.k_re:
        return []
    z = np.asarray(model.exog_re, dtype=np.float64)
    names = [str(n) for n in model.data.exog_re_names]
    found = ["1" if (z[:, j] == 1.0).all() else names[j] for j in range(z.shape[1])]
    return list(dict.fromkeys(_LEVEL.sub("", name) for name in found))


def _named_components(native: MixedFit) -> dict[str, str] | None:
    """Return the formula of each variance component, from the names of its columns."""
    parts = native.result.model.exog_vc
    out = {}
    for name, by_group in zip(parts.names, parts.colnames, strict=True):
        terms = {_LEVEL.sub("", str(column)) for columns in by_group for column in columns}
        if len(terms) != 1:
            return None
        (term,) = terms
        out[str(name)] = "1" if term == "Intercept" else f"0 + {term}"
    return out


def _found_components(native: MixedFit, place: UserColumns) -> dict[str, str] | None:
    """Return the formula of each variance component, from how it divides the rows."""
    out = {}
    for name, term in zip(native.result.model.exog_vc.names, vc_terms(native), strict=True):
        columns, z = grouping_of(term, place), term.z[:, 0]
        slope = None if (z == 1.0).all() else number_column(z, place.used)
        if columns is None or (slope is None and not (z == 1.0).all()):
            return None
        inner = [f"C(Q({c!r}))" for c in columns if c not in (place.groups or ())]
        pieces = [*inner, *([] if slope is None else [f"Q({slope!r})"])]
        out[str(name)] = f"0 + {':'.join(pieces)}" if pieces else "1"
    return out


def drops_missing(native: MixedFit) -> bool:
    """Whether a result looks as if rows had been left out by ``missing="drop"``.

    MixedLM then keeps only the columns that its formulas name, sorted, and rows under their labels.
    """
    kept = getattr(native.result.model.data, "frame", None)
    if getattr(native.result.model, "formula", None) is None or not isinstance(kept, pd.DataFrame):
        return False
    if kept.index.equals(pd.RangeIndex(len(kept))):
        return False
    return bool(list(kept.columns) == sorted(_words(native) & set(kept.columns)))


def _words(native: MixedFit) -> set[str]:
    model = native.result.model
    texts = [str(model.formula), *_effects(native), *(_named_components(native) or {}).values()]
    return set(re.findall(r"\w+", " ".join(texts)))
