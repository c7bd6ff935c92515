"""Fits through rpy2 as its documentation shows: robjects, importr, pandas2ri. ``REQUEST`` as JSON.

For each data set and formula it converts the data frame, calls ``lmerTest::lmer`` and ``summary``
and reads the table of coefficients; with ``"results": true`` also what the harness keeps of a fit
(covariances, random effects, fitted values, residuals, theta, AIC and BIC). It prints numbers and
seconds of every repetition as JSON. What comes before the first fit, and one fit that is not
counted, is start-up.
"""

from __future__ import annotations

import json
import sys
import time

began = time.perf_counter()

import numpy as np  # noqa: E402  everything counts that a user has to import
import pandas as pd  # noqa: E402
import rpy2.robjects as ro  # noqa: E402
from rpy2.robjects import pandas2ri  # noqa: E402
from rpy2.robjects.conversion import localconverter  # noqa: E402
from rpy2.robjects.packages import importr  # noqa: E402


def main() -> None:
    """Fit what the request names."""
    request = json.loads(sys.argv[1])
    base, stats, nlme, lme4, lmertest = map(importr, ("base", "stats", "nlme", "lme4", "lmerTest"))
    converter = ro.default_converter + pandas2ri.converter

    def fit(frame: pd.DataFrame, formula: str) -> list[float]:
        with localconverter(converter):
            data = ro.conversion.get_conversion().py2rpy(frame)
        model = lmertest.lmer(ro.Formula(formula), data=data)
        table = np.array(base.summary(model).rx2("coefficients"))
        if request["results"]:
            covariances = base.as_data_frame(nlme.VarCorr(model))
            modes = base.as_data_frame(nlme.ranef(model, condVar=False))
            with localconverter(converter):
                for frame_in_r in (covariances, modes):
                    ro.conversion.get_conversion().rpy2py(frame_in_r)
            for values in (stats.fitted, stats.residuals, stats.AIC, stats.BIC):
                np.array(values(model))
            np.array(lme4.getME(model, "theta"))
            lme4.isSingular(model)
        return [*table[:, :3].T.ravel().tolist(), float(stats.logLik(model)[0])]

    fits = [(pd.read_csv(one["data"]), one["formula"]) for one in request["fits"]]
    fit(*fits[0])
    answer = {"start_up": time.perf_counter() - began, "numbers": [], "seconds": []}
    for frame, formula in fits:
        seconds = []
        for _ in range(request["repetitions"]):
            started = time.perf_counter()
            numbers = fit(frame, formula)
            seconds.append(time.perf_counter() - started)
        answer["numbers"].append(numbers)
        answer["seconds"].append(seconds)
    print("\n" + json.dumps(answer))


if __name__ == "__main__":
    main()
