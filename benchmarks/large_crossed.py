"""Time and memory of the referee on a large crossed model, beside lme4's evaluation of it.

    python benchmarks/large_crossed.py

InstEval of lme4: 73,421 rows, 2,972 x 1,128 crossed levels, one block of 4,100 columns. The
referee evaluates the likelihood at lme4's theta with gradient, Hessian and Satterthwaite's df;
lme4, which exploits that Z is sparse, evaluates its deviance alone. The issue asks for 60 s and
4 GB. Both use one thread.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

from harness.base.numerics import pin

pin()

import numpy as np  # noqa: E402  the threads of its BLAS are fixed above

from harness.model.design import Design, RandomDesign  # noqa: E402
from harness.rbridge.worker import RSession  # noqa: E402
from harness.referee.cost import cost  # noqa: E402
from harness.referee.deviance import Likelihood  # noqa: E402
from harness.referee.satterthwaite import contrast_tests  # noqa: E402


def timed(what: str, work: Callable[[], Any]) -> Any:
    """Run and print wall and processor time, and the largest memory so far."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(
        f"{what:28}{time.perf_counter() - wall:8.1f} s{time.process_time() - processor:8.1f} s"
        f"{peak:8.2f} GB",
        flush=True,
    )
    return result


def design_of(reply: Any) -> Design:
    """Return the model ``y ~ service + (1 | s) + (1 | d)``."""
    y = reply.numbers("y")
    one = np.ones((len(y), 1))
    terms = []
    for name in ("s", "d"):
        levels, codes = np.unique(reply.numbers(name), return_inverse=True)
        texts = tuple(f"{level:.0f}" for level in levels)
        terms.append(RandomDesign(name, ("Intercept",), one, codes.astype(np.int32), texts))
    x = np.column_stack([one, reply.numbers("service")])
    return Design(y, x, ("Intercept", "service"), tuple(terms), np.arange(len(y)))


def main() -> None:
    """Print one line per step."""
    with RSession(timeout=600, extra_scripts=("bench_large.R",)) as session:
        reply = session.call("bench_large_crossed", {})
    design = design_of(reply)
    print(f"estimated beforehand: {cost(design)}")
    print(f"{'':28}{'wall':>10}{'processor':>10}{'peak':>11}")
    started, spent = time.perf_counter(), time.process_time()
    likelihood = timed("set-up", lambda: Likelihood(design, reml=True))
    point = likelihood.at(reply.numbers("theta"))
    deviance = timed("deviance", lambda: likelihood.at(reply.numbers("theta")).deviance())
    timed("gradient", point.profiled_gradient)
    timed("Hessian", point.profiled_hessian)
    rows = timed("SE and Satterthwaite df", lambda: contrast_tests(point, np.eye(2)))
    print(
        f"{'referee, in all':28}{time.perf_counter() - started:8.1f} s"
        f"{time.process_time() - spent:8.1f} s"
    )
    print(f"{'lme4, deviance alone':28}{reply.numbers('seconds')[0]:8.1f} s")
    theirs = reply.numbers("deviance")[0]
    print(f"\ndeviance {deviance:.6f}, lme4 {theirs:.6f}, apart {deviance - theirs:.1e}")
    for i, row in enumerate(rows):
        estimate, se = reply.numbers("estimate")[i], reply.numbers("se")[i]
        print(
            f"{design.x_names[i]:10} {row.estimate:.8f} ({row.estimate / estimate - 1:.0e} from "
            f"lme4's)  SE {row.se:.8f} ({row.se / se - 1:.0e})  df {row.df:.1f}"
        )


if __name__ == "__main__":
    main()
