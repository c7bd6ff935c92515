"""The folder of a fault on a scoreboard: data, scripts, what they printed, and the issue text."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.base.files import write_file
from harness.conformance.asked_cases import Asked, asked_cases
from harness.conformance.scoreboard import EngineScore, Fault, Scoreboard
from harness.data.exact_csv import csv_text, missing_mark
from harness.data.rungs import Rung
from harness.engines.engine import Engine, Fit
from harness.model.case import Case
from harness.model.table import FactorColumn
from harness.page.bundle.bundle_scripts import Ran
from harness.page.bundle.check_script import CHECK_SCRIPT, check_files
from harness.page.bundle.engine_scripts import Script, run_script, script_of
from harness.page.fault_text import BETTER, PRINTED, Shown, fault_text
from harness.page.scoreboard_layout import Reproduction
from harness.spelling.lme4_spelling import lme4_formula

MOST_REPRODUCED = 12
"""Kinds of fault of an engine that get a folder, the frequent first."""

SCRIPT_TIMEOUT = 60.0
"""Seconds that the script of a fault may take."""

CHANGED = "changed"
"""Folder of the case with which a property compares the one that it is asked of."""


def fault_folders(
    board: Scoreboard,
    score: EngineScore,
    rungs: Mapping[str, Rung],
    spec: str,
    engine: Engine | None,
    out: Path,
) -> Iterator[tuple[tuple[str, str], Reproduction]]:
    """Write what reproduces each kind of fault on its smallest case."""
    for number, (kind, found) in enumerate(score.faults.items()):
        first = found[0]
        if number == MOST_REPRODUCED:
            return
        if first.case not in rungs:
            continue
        place = Path("faults", score.name, re.sub(r"[^\w.-]+", "-", kind))
        there = Reproduction(
            f"{place}/",
            fit_command(rungs[first.case].case, spec, out / place / "data.csv"),
            _check_command(board, first, spec),
        )
        shown = _shown(board, first, rungs[first.case].case, engine, out / place)
        write_file(out / place / "README.md", fault_text(board, first, shown, there))
        yield (kind, first.case), there


def _shown(
    board: Scoreboard, fault: Fault, case: Case, engine: Engine | None, folder: Path
) -> tuple[Shown, ...]:
    """Write the files of each case that was asked for."""
    asked = asked_cases("" if fault.outcome is None else fault.outcome.property, case, engine)
    record = board.cases.get(fault.case)
    out = []
    for one in asked:
        # Data of a case that is asked for alone lie in the folder itself, as the given one's do.
        place = folder / CHANGED if one.changed and len(asked) > 1 else folder
        outcome = one.outcome
        if outcome is None and not one.changed and record is not None:
            outcome = record.fit(fault.engine)
        write_file(place / "data.csv", csv_text(one.case.table))
        ran = None if engine is None else _scripted(engine, one.case, place)
        checked = _checked(one, outcome if isinstance(outcome, Fit) else None, fault, place)
        out.append(Shown(one, outcome, place.relative_to(folder).as_posix(), ran, checked))
    return tuple(out)


def _scripted(engine: Engine, case: Case, folder: Path) -> tuple[Script, Ran] | None:
    """Write the script of the engine's users, run it, and keep what it printed."""
    case = case.in_columns
    script = script_of(engine, case, f"{lme4_formula(case.model)} by {engine.name}")
    if script is None:
        return None
    for name, text in {script.name: script.text, **script.beside}.items():
        write_file(folder / name, text)
    ran = run_script(folder, script.name, engine=engine.name, timeout=SCRIPT_TIMEOUT)
    write_file(folder / script.output, ran.text)
    return script, ran


def _checked(asked: Asked, fit: Fit | None, fault: Fault, folder: Path) -> str:
    """Write the script that computes the likelihood by its definition; return what it prints."""
    at_best = fit is not None and _at_best(fit, asked.best)
    tests = at_best or fault.kind.startswith(("df-", "lmertest-", "se-"))
    points = {PRINTED: fit} | ({} if tests else {BETTER: asked.best})
    usable = {name: one for name, one in points.items() if one is not None and _finite(one)}
    title = f"{lme4_formula(asked.case.model)} by {asked.case.model.criterion}"
    files = check_files(asked.case, usable, title, tests=tests) if usable else {}
    if not files:
        return ""
    for name, text in files.items():
        write_file(folder / name, text)
    ran = run_script(folder, CHECK_SCRIPT, timeout=SCRIPT_TIMEOUT)
    return "" if ran.problem else ran.text.strip("\n")


def _at_best(fit: Fit, best: Fit | None) -> bool:
    """Whether a fit has the best log-likelihood there is: then something else of it is at fault."""
    if fit.loglik is None or best is None or best.loglik is None:
        return False
    return abs(fit.loglik - best.loglik) <= 1e-6 * max(1.0, abs(best.loglik))


def _finite(fit: Fit) -> bool:
    numbers = [v for term in fit.random for row in term.covariance for v in row]
    return fit.residual_variance > 0.0 and all(map(math.isfinite, numbers))


def fit_command(case: Case, spec: str, data: Path) -> str:
    """Return the command that fits a case by an engine beside the referee."""
    words = ["lmm-parity", "fit", str(data), lme4_formula(case.model)]
    words += ["--engine", spec, "--reference", "referee"]
    if case.model.criterion == "ML":
        words.append("--ml")
    for column in case.table.columns:
        if isinstance(column, FactorColumn) and not any("," in level for level in column.levels):
            words += ["--levels", f"{column.name}={','.join(column.levels)}"]
    mark = missing_mark(case.table)
    if mark and not case.table.complete.all():
        words += ["--na", mark]
    return shlex.join(words)


def _check_command(board: Scoreboard, fault: Fault, spec: str) -> str:
    """Return the command that checks the property again; a fault of a fit alone has none."""
    if fault.outcome is None or fault.outcome.property == "referee.agreement":
        return ""
    header = board.header
    words = ["lmm-parity", "conformance", "--engine", spec, "--reference", header.reference]
    words += ["--property", fault.outcome.property, "--seed", str(header.seed)]
    words += ["--max-examples", header.options.get("examples", "")]
    return shlex.join(words)
