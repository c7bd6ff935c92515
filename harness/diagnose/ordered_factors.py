"""What is said of ordered factors of a data frame, which R codes by polynomials."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from harness.data.rungs import Rung
from harness.diagnose.diagnosis import Check
from harness.model.formula import names_in


def ordered_factors(rung: Rung) -> Iterator[Check]:
    """Say which coding ordered factors have, where the formula names none."""
    formula, frame = rung.case.model.formula, rung.data.frame
    for name in dict.fromkeys(n.name for n in names_in(formula.fixed) if n.coding is None):
        dtype = frame[name].dtype if name in frame else None
        if isinstance(dtype, pd.CategoricalDtype) and dtype.ordered:
            yield Check(
                key="ordered-factor",
                level="note",
                sentence=f"{name} is an ordered factor, and has treatment coding in every engine "
                f"here; R would take polynomials (contrasts {name}=poly).",
            )
