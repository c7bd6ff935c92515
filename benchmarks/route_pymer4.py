"""The same as route_rpy2.py with pymer4 0.8 (``Lmer``), in an environment that has it."""

from __future__ import annotations

import json
import sys
import time
import warnings

began = time.perf_counter()

import pandas as pd  # noqa: E402  everything counts that a user has to import
from pymer4.models import Lmer  # noqa: E402


def main() -> None:
    """Fit what the request names."""
    request = json.loads(sys.argv[1])
    warnings.simplefilter("ignore")

    def fit(frame: pd.DataFrame, formula: str) -> list[float]:
        model = Lmer(formula, data=frame)
        model.fit(summarize=False)
        table = model.coefs[["Estimate", "SE", "DF"]].to_numpy(dtype=float)
        return [*table.T.ravel().tolist(), float(model.logLike)]

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
