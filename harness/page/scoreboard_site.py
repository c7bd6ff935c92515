"""The scoreboard as a folder of plain files: pages, data, badges, what reproduces each fault."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput
from harness.base.files import write_file
from harness.conformance.fit_times import Speed
from harness.conformance.scoreboard import CRITERIA, EngineScore, Scoreboard
from harness.data.rungs import Rung
from harness.engines.engine import Engine
from harness.engines.engine_spec import engine_label
from harness.page.fault_folder import fault_folders
from harness.page.html.html_page import render_page
from harness.page.html.parity_report import report_file
from harness.page.numbers import share
from harness.page.scoreboard_layout import (
    CASES,
    INDEX,
    engine_file,
    engine_page,
    scoreboard_page,
)


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
        made = dict(fault_folders(board, score, rungs, spec, engine, out))
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
