"""Overhead, scaling, the cached rerun and memory: the same cases in three campaigns.

One worker without a cache, two workers into an empty cache, and the same again from the cache. Each
is a process of its own (``one_campaign.py``).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.memory import Peaks, run_watched
from benchmarks.tasks import WALLS

HERE = Path(__file__).resolve().parent


def campaign(request: Mapping[str, Any], **variables: str) -> tuple[dict[str, Any], Peaks]:
    """Run one campaign; return what it took and its memory."""
    done, peaks = run_watched(
        [sys.executable, "-m", "benchmarks.one_campaign", json.dumps(request)],
        env=dict(os.environ) | variables,
        cwd=HERE.parent,
    )
    if done.returncode:
        raise RuntimeError(f"a campaign failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout), peaks


@dataclass(frozen=True)
class Breakdown:
    """Seconds of one worker, by what it did.

    ``bare`` is the time of the fits inside the engines as records have it; ``adapters`` what
    lies around them up to a result (patsy, R's checks of the data, reading estimates and random
    effects, the way to R); ``audit`` the referee's own optimum and the audit of four fits;
    ``verdicts`` comparisons and the evidence for causes; ``around`` building data, encoding and the
    record; ``handing`` everything outside the worker: scheduling, pipes, the file.
    """

    cases: int
    wall: float
    bare: float
    adapters: dict[str, float]
    audit: float
    verdicts: float
    around: float
    handing: float

    @property
    def beyond(self) -> float:
        """Seconds a case beyond the bare engines and the audit."""
        return (self.wall - self.bare - self.audit) / self.cases


def case_records(path: Path) -> list[dict[str, Any]]:
    """Return the records of the cases in a file."""
    with path.open("rb") as lines:
        found = [json.loads(line) for line in lines]
    return [record for record in found if record["record"] == "case"]


def breakdown(took: Mapping[str, Any], out: Path, walls: Path) -> Breakdown:
    """Take the seconds of a campaign with one worker apart."""
    records = case_records(out)
    bare = sum(fit["seconds"] for record in records for fit in record["fits"])
    audit = sum(record["audit_seconds"] for record in records)
    seconds = sum(record["seconds"] for record in records)
    adapters: dict[str, float] = {}
    fitting = 0.0
    with walls.open(encoding="utf-8") as lines:
        for line in lines:
            for engine, _, wall in json.loads(line)["walls"]:
                adapters[engine] = adapters.get(engine, 0.0) + wall
                fitting += wall
    for record in records:
        for fit in record["fits"]:
            adapters[fit["engine"]] -= fit["seconds"]
    return Breakdown(
        cases=len(records),
        wall=took["wall"],
        bare=bare,
        adapters=adapters,
        audit=audit,
        verdicts=seconds - fitting - audit,
        around=took["in_workers"] - seconds,
        handing=took["wall"] - took["in_workers"],
    )


@dataclass(frozen=True)
class Measured:
    """What three campaigns of the same cases took."""

    one: dict[str, Any]
    two: dict[str, Any]
    cached: dict[str, Any]
    parts: Breakdown
    memory: Peaks
    records: Path


def measure(recipes: Path, folder: Path) -> Measured:
    """Run the three campaigns."""
    walls = folder / "walls.jsonl"
    walls.write_text("", encoding="utf-8")
    store = str(folder / "store")
    shared = {"recipes": str(recipes)}
    first = folder / "one.jsonl"
    one, _ = campaign(
        {**shared, "jobs": 1, "timed": True, "out": str(first)}, **{WALLS: str(walls)}
    )
    second = folder / "two.jsonl"
    two, memory = campaign({**shared, "jobs": 2, "store": store, "out": str(second)})
    third = folder / "cached.jsonl"
    cached, _ = campaign({**shared, "jobs": 2, "store": store, "out": str(third)})
    _require_same(first, second)
    _require_same(second, third)
    return Measured(one, two, cached, breakdown(one, first, walls), memory, first)


def _require_same(left: Path, right: Path) -> None:
    """Fast and wrong does not count: the records have to be equal, times apart."""
    from harness.page.record_equality import first_difference

    difference = first_difference(left, right)
    if difference:
        raise RuntimeError(f"the campaigns differ: {difference}")
