"""Type III F tests as lmerTest has them, for the fits of :class:`Lme4Engine`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.engines.lme4 import Lme4Engine, r_model
from harness.engines.lme4_reply import native_name
from harness.model.case import Case
from harness.rbridge.failures import RFailure
from harness.referee.f_tests import FTest

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Type3:
    """One row of lmerTest's table, and the (r, p) hypothesis matrix that it tested."""

    test: FTest
    hypothesis: Array


@dataclass(frozen=True)
class Type3Table:
    """``anova(type = 3, ddf = "Satterthwaite")`` of a default fit.

    Attributes
    ----------
    columns : tuple of str
        R's names, with the user's in them, of the columns of the hypotheses.
    terms : dict
        By term, named as the case has it, ``"a:b"``.
    """

    columns: tuple[str, ...]
    terms: dict[str, Type3]


def type3_by_lmertest(engine: Lme4Engine, case: Case) -> Type3Table | str:
    """Return lmerTest's table; why there is none, as text."""
    table = case.table
    try:
        reply = engine.session.call(
            "type3_tests",
            r_model(case) | {"criterion": case.model.criterion},
        )
    except RFailure as failure:
        return str(failure)
    columns = tuple(native_name(name, table) for name in reply.texts("columns"))
    rows = reply.numbers("hypotheses").reshape(-1, len(columns))
    ends = np.cumsum(reply.numbers("rows")).astype(int)
    numbers = {n: reply.numbers(n).tolist() for n in ("df_num", "df_den", "f", "p")}
    names = {alias: name for name, alias in table.alias.items()}
    terms = {}
    for i, (term, own) in enumerate(
        zip(reply.texts("terms"), np.split(rows, ends[:-1]), strict=True)
    ):
        # R writes a term in the aliases, which hold no colon.
        label = ":".join(names.get(part, part) for part in term.split(":"))
        test = FTest(
            statistic=numbers["f"][i],
            df_num=round(numbers["df_num"][i]),
            df_den=numbers["df_den"][i],
            p=numbers["p"][i],
        )
        terms[label] = Type3(test, own)
    return Type3Table(columns, terms)
