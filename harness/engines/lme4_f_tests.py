"""Type III F tests as lmerTest has them, for the fits of :class:`Lme4Engine`."""

from __future__ import annotations

from harness.cases.case import Case
from harness.cases.spelling import lme4_formula
from harness.engines.lme4 import Lme4Engine, r_columns
from harness.rbridge import RFailure
from harness.referee.f_tests import FTest


def type3_by_lmertest(engine: Lme4Engine, case: Case) -> dict[str, FTest] | str:
    """Return ``anova(type = 3, ddf = "Satterthwaite")`` of a default fit by term; why not, as text.

    Terms have the names of the case, ``"a:b"``, in the order of lmerTest's table.
    """
    table = case.table
    try:
        reply = engine.session.call(
            "type3_tests",
            {
                "columns": r_columns(table),
                "formula": lme4_formula(case.model, table.alias),
                "criterion": case.model.criterion,
                "checksum": table.checksum(),
            },
        )
    except RFailure as failure:
        return str(failure)
    columns = ("df_num", "df_den", "f", "p")
    numbers = {name: reply.numbers(name).tolist() for name in columns}
    names = {alias: name for name, alias in table.alias.items()}
    out = {}
    for i, term in enumerate(reply.texts("terms")):
        # R writes a term in the aliases, which hold no colon.
        label = ":".join(names.get(part, part) for part in term.split(":"))
        out[label] = FTest(
            statistic=numbers["f"][i],
            df_num=round(numbers["df_num"][i]),
            df_den=numbers["df_den"][i],
            p=numbers["p"][i],
        )
    return out
