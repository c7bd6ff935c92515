"""The scoreboard as a folder of plain files: pages, data, badges, what reproduces each fault."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput
from harness.base.files import write_file
from harness.conformance.fit_times import Speed
from harness.conformance.scoreboard import CRITERIA, EngineScore, Fault, Scoreboard
from harness.conformance.suite_result import titled
from harness.data.exact_csv import csv_text, missing_mark
from harness.data.rungs import Rung
from harness.engines.engine import Engine, Fit
from harness.engines.engine_spec import engine_label
from harness.judge.sentence import sentences
from harness.model.case import Case
from harness.model.table import FactorColumn
from harness.page.bundle.bundle_scripts import Ran
from harness.page.bundle.engine_scripts import Script, run_script, script_of
from harness.page.html.html_page import render_page
from harness.page.html.parity_report import report_file
from harness.page.numbers import share
from harness.page.scoreboard_layout import (
    CASES,
    INDEX,
    Reproduction,
    engine_file,
    engine_page,
    scoreboard_page,
)
from harness.spelling.calls import lme4_formula

MOST_REPRODUCED = 12
"""Kinds of fault of an engine that get a folder, the frequent first."""

SCRIPT_TIMEOUT = 60.0
"""Seconds that the script of a fault may take."""


def write_site(
    board: Scoreboard,
    speeds: Sequence[Speed],
    records: Path,
    out: Path,
    *,
    rungs: Mapping[str, Rung],
    specs: Sequence[str],
    engines: Sequence[Engine] = (),
    history: Path | None = None,
    alone: Path | None = None,
) -> Path:
    """Write the pages and all that belongs to them; return the first page.

    Parameters
    ----------
    rungs : mapping
        The cases by their ids, as far as they can be built again.
    specs : sequence of str
        The engines as the user named them, see :mod:`harness.engines.engine_spec`.
    engines : sequence of Engine
        Those that are open: each fault's folder gets the script by which a user of the engine fits
        the case, and what it printed.
    history : Path, optional
        Folder of earlier boards, to which this one is added.
    alone : Path, optional
        A file for the board in one page, with the faults of every engine in short.
    """
    content = board_json(board, speeds)
    known = [] if history is None else _kept(history, content, board.header.created)
    report_file(records, out / CASES)
    for score in board.engines:
        spec = next((s for s in specs if engine_label(s) == score.name), score.name)
        engine = next((e for e in engines if e.name == score.name), None)
        made = dict(_reproduced(board, score, rungs, spec, engine, out))
        write_file(out / engine_file(score.name), render_page(engine_page(board, score, made)))
        for criterion in CRITERIA:
            name = f"{score.name}-{criterion.key}.json"
            write_file(out / "badges" / name, _badge(score, criterion.key, criterion.title))
    write_file(out / "scoreboard.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    if alone is not None:
        write_file(alone, render_page(scoreboard_page(board, speeds, known, alone=True)))
    write_file(out / INDEX, render_page(scoreboard_page(board, speeds, known)))
    return out / INDEX


def board_json(board: Scoreboard, speeds: Sequence[Speed]) -> dict[str, Any]:
    """Return the table as data."""
    header = board.header
    return {
        "program": header.program,
        "created": header.created,
        "seed": header.seed,
        "cases": len(board.verdicts),
        "finished": board.finished,
        "command": header.command,
        "criteria": {c.key: c.about for c in CRITERIA},
        "engines": {
            score.name: {
                "version": header.versions.get(score.name, ""),
                "fitted": score.fitted,
                "unsupported": score.unsupported,
                "refused": score.refused,
                "failed": score.failed,
                "criteria": {
                    key: {
                        "right": cell.right,
                        "wrong": cell.wrong,
                        "by another definition": cell.defined,
                    }
                    for key, cell in score.cells.items()
                },
                "faults": {
                    kind: {"times": len(found), "smallest": found[0].case, "rows": found[0].rows}
                    for kind, found in score.faults.items()
                },
                "seconds": {str(s.rows): s.seconds for s in speeds if s.engine == score.name},
            }
            for score in board.engines
        },
        "verdicts": {case: dict(found) for case, found in board.verdicts.items()},
    }


def _badge(score: EngineScore, key: str, title: str) -> str:
    """Return the JSON that ``https://img.shields.io/endpoint?url=`` reads."""
    cell = score.cells[key]
    right = cell.right / cell.judged if cell.judged else 0.0
    colour = "brightgreen" if right == 1.0 else "green" if right > 0.9 else "orange"
    return json.dumps(
        {
            "schemaVersion": 1,
            "label": f"{score.name}: {title}",
            "message": f"{share(cell.right, cell.judged)} right" if cell.judged else "not judged",
            "color": colour if cell.judged else "lightgrey",
        },
        ensure_ascii=False,
    )


def _kept(folder: Path, content: Mapping[str, Any], created: str) -> list[tuple[str, str, str]]:
    """Add a board to the folder of boards, and return what the earlier ones say."""
    earlier = []
    for path in sorted(folder.glob("*.json"), reverse=True) if folder.is_dir() else ():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            earlier += [
                (str(found["created"])[:10], f"{name} {engine['version']}".strip(), _rates(engine))
                for name, engine in found["engines"].items()
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{path}: no scoreboard ({error}); take it out of {folder}") from error
    stamp = re.sub(r"\D", "", created)[:14]
    write_file(folder / f"{stamp}.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return earlier


def _rates(engine: Mapping[str, Any]) -> str:
    found = engine["criteria"].items()
    judged = [(k, c["right"], c["right"] + c["wrong"]) for k, c in found]
    return ", ".join(f"{key} {share(right, n)}" for key, right, n in judged if n)


def _reproduced(
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
        case = rungs[first.case].case
        there = Reproduction(
            f"{place}/",
            fit_command(case, spec, out / place / "data.csv"),
            _check_command(board, first, spec),
        )
        write_file(out / place / "data.csv", csv_text(case.table))
        ran = None if engine is None else _scripted(engine, case, out / place)
        write_file(out / place / "README.md", _told(board, first, case, ran, there))
        yield (kind, first.case), there


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


def _told(
    board: Scoreboard,
    fault: Fault,
    case: Case,
    scripted: tuple[Script, Ran] | None,
    there: Reproduction,
) -> str:
    """Return the text of an issue: what was found, what is right and how that is known."""
    version = board.header.versions.get(fault.engine, "")
    record = board.cases.get(fault.case)
    fit = None if record is None else record.fit(fault.engine)
    lines = [
        f"# {fault.engine} {version}".rstrip() + f": {titled(fault.kind)}",
        "",
        f"Model `{lme4_formula(case.model)}`, {case.model.criterion}, {fault.rows} rows: data.csv.",
        "",
        fault.sentence,
        "",
    ]
    if fault.outcome is not None:
        lines += [
            f"- {line}" for line in (*sentences(fault.outcome.evidence), *fault.outcome.notes)
        ]
    if isinstance(fit, Fit) and fit.loglik is not None and record is not None:
        lines += ["", f"Log-likelihood stated: {fit.loglik:.10g}; best point known: "
                  f"{record.best_loglik:.10g}."]  # fmt: skip
    lines += [
        "",
        "What is right was computed by an independent likelihood with analytic derivatives, whose "
        "optimum is proved by its gradient and Hessian on the cone of covariance matrices.",
        "",
        "## To reproduce it",
        "",
    ]
    if scripted is not None:
        script, ran = scripted
        lines += [f"`{script.command}`, in this folder, gives", "", "```",
                  *ran.text.strip("\n").splitlines(), "```", ""]  # fmt: skip
        lines += [f"{ran.problem}.", ""] if ran.problem else []
    lines += ["With lmm-parity, from the folder in which the scoreboard was made:", ""]
    return "\n".join([*lines, "```", *filter(None, (there.fit, there.check)), "```", ""])
