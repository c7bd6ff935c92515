"""The same fits by the routes that a user has from Python to lme4, a fit at a time.

All of them fit ``lmerTest::lmer`` with default settings and read estimates, SE, df and the
log-likelihood, which have to be the same numbers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.base.resources import r_script
from harness.data.ladder import full_ladder
from harness.data.rungs import Rung, select
from harness.engines.engine import Fit
from harness.engines.lme4 import Lme4Engine
from harness.rbridge.environment import find_r, worker_environment
from harness.rbridge.worker import RSession
from harness.spelling.lme4_spelling import lme4_formula

HERE = Path(__file__).resolve().parent

RUNGS = (
    "sleepstudy/slope/REML",
    "dyestuff/REML",
    "pastes/REML",
    "penicillin/REML",
    "dietox/intercept/REML",
    "sitka/slope/REML",
)
"""Small and middling data, nested, crossed and with slopes."""

SAME = 1e-6
"""Relative difference allowed between routes. Other programs around R put its vectors to other
places in memory, sums then differ in the last bit, and lme4's optimizer stops elsewhere within its
tolerance."""


TABLE_ONLY = "rpy2, table only"
"""The route that brings back less than the others: the table of coefficients."""


@dataclass(frozen=True)
class Route:
    """One way to fit.

    Attributes
    ----------
    seconds : dict
        Median seconds a fit, by the id of the rung.
    start_up : float
        Seconds until the first fit that counts.
    off : float
        Largest relative difference of any number from the harness's.
    """

    name: str
    seconds: dict[str, float]
    start_up: float
    off: float

    @property
    def mean(self) -> float:
        """Seconds a fit, over the rungs."""
        return float(np.mean(list(self.seconds.values())))


def routes(*, quick: bool, pymer4: str | None) -> list[Route]:
    """Fit by every route; the harness's own comes first.

    Parameters
    ----------
    pymer4 : str or None
        Python that has pymer4 0.8; without it that route is left out.
    """
    rungs = select(full_ladder(), RUNGS[:2] if quick else RUNGS)
    repetitions = 2 if quick else 5
    with tempfile.TemporaryDirectory(prefix="lmm-parity-bench-") as name:
        folder = Path(name)
        files = [_csv(rung, folder / f"{i}.csv") for i, rung in enumerate(rungs)]
        numbers, own = _harness(rungs, repetitions)
        found = [own]
        request = {
            "fits": [
                {"data": str(file), "formula": lme4_formula(rung.case.model)}
                for rung, file in zip(rungs, files, strict=True)
            ],
            "repetitions": repetitions,
        }
        environment = worker_environment(find_r(), folder)
        programs = [
            (TABLE_ONLY, sys.executable, "route_rpy2.py", {"results": False}),
            ("rpy2, pandas2ri", sys.executable, "route_rpy2.py", {"results": True}),
        ]
        if pymer4 is not None:
            programs.append(("pymer4", pymer4, "route_pymer4.py", {}))
        for title, python, script, more in programs:
            done = subprocess.run(
                [python, str(HERE / script), json.dumps(request | more)],
                env=environment,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(f"{title}: {done.stderr[-2000:]}")
            answer = json.loads(done.stdout.splitlines()[-1])
            found.append(
                Route(
                    title,
                    {
                        rung.case.id: float(np.median(seconds))
                        for rung, seconds in zip(rungs, answer["seconds"], strict=True)
                    },
                    answer["start_up"],
                    _off(title, rungs, answer["numbers"], numbers),
                )
            )
        found.append(_rscript(rungs, files, numbers, environment, 1 if quick else 3))
    return found


def _csv(rung: Rung, path: Path) -> Path:
    rung.data.frame.to_csv(path, index=False)
    return path


def _harness(rungs: list[Rung], repetitions: int) -> tuple[list[list[float]], Route]:
    numbers, seconds = [], {}
    began = time.perf_counter()
    with RSession(timeout=120) as session:
        engine = Lme4Engine(session)
        engine.fit(rungs[0].case, "default")
        start_up = time.perf_counter() - began
        for rung in rungs:
            taken = []
            for _ in range(repetitions):
                started = time.perf_counter()
                fit = engine.fit(rung.case, "default")
                taken.append(time.perf_counter() - started)
            if not isinstance(fit, Fit):
                raise RuntimeError(f"{rung.case.id}: {fit.text}")
            seconds[rung.case.id] = float(np.median(taken))
            rows = fit.coefficients
            columns = ([c.estimate for c in rows], [c.se for c in rows], [c.df for c in rows])
            numbers.append([*np.concatenate(columns).tolist(), float(fit.loglik or np.nan)])
    return numbers, Route("lmm-parity's bridge", seconds, start_up, 0.0)


def _rscript(
    rungs: list[Rung],
    files: list[Path],
    numbers: list[list[float]],
    environment: dict[str, str],
    repetitions: int,
) -> Route:
    program = str(find_r().home / "bin" / "Rscript")
    script = str(r_script("bench_one_fit.R"))
    found, seconds = [], {}
    for rung, file in zip(rungs, files, strict=True):
        taken = []
        for _ in range(repetitions):
            started = time.perf_counter()
            done = subprocess.run(
                [program, "--vanilla", script, str(file), lme4_formula(rung.case.model)],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            taken.append(time.perf_counter() - started)
        found.append([float(line) for line in done.stdout.split()])
        seconds[rung.case.id] = float(np.median(taken))
    return Route("Rscript a fit", seconds, 0.0, _off("Rscript", rungs, found, numbers))


def _off(
    title: str, rungs: list[Rung], found: list[list[float]], wanted: list[list[float]]
) -> float:
    """Return the largest relative difference; a route that gives other numbers does not count."""
    worst = 0.0
    for rung, left, right in zip(rungs, found, wanted, strict=True):
        off = float(np.max(np.abs(np.array(left) / np.array(right) - 1.0)))
        if not off <= SAME:
            raise RuntimeError(f"{title} gives other numbers for {rung.case.id}: {left}, {right}")
        worst = max(worst, off)
    return worst
