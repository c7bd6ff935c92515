"""The effect of interest by every rule of degrees of freedom, at the referee's best point."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.data.rungs import Rung
from harness.judge.examination import Examination
from harness.judge.records import RuleTest
from harness.referee.definitions import of_quantity
from harness.referee.satterthwaite import two_sided_p
from harness.referee.standpoint import Standpoint


def rule_tests(examination: Examination, rung: Rung) -> Iterator[RuleTest]:
    """Yield the test of a rung's effect of interest by each rule that applies to its model.

    Standard errors are (X'V^-1 X)^-1's, by Kenward and Roger's rule the adjusted ones.
    """
    best, design = examination.best, rung.case.design
    if best is None or rung.focus not in design.x_names:
        return
    at = Standpoint(design, rung.case.model.criterion, best.point, best.sigma)
    j = design.x_names.index(rung.focus)
    for rule in of_quantity("df"):
        values = rule.value(at, (), math.nan)
        if values is None or math.isnan(values[j]):
            continue
        test = at.tests[j]
        adjusted = {
            "kenward-roger": at.kenward_roger,
            "kenward-roger-linear": at.kenward_roger_linear,
        }.get(rule.key)
        if adjusted is not None:
            test = adjusted[j]
        df = values[j]
        yield RuleTest(rule=rule.key, se=test.se, df=df, p=two_sided_p(test.estimate / test.se, df))
