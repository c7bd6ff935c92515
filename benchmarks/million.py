"""A cost model of a campaign, from measured figures, checked against campaigns of stub cases.

A worker spends a mean time on a case. The parent spends processor time on each record, part of it
a fixed sum and part by the byte: it is one process, so that no number of workers makes a campaign
faster than that. A stub case is a record that is there already, so that everything but the engines
is as in a real run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.campaigns import campaign
from benchmarks.memory import Peaks
from benchmarks.tasks import PLACE, RECORD


@dataclass(frozen=True)
class CostModel:
    """Seconds and bytes of a case.

    Attributes
    ----------
    fixed, by_byte : float
        Processor seconds of the parent: a record, and a byte of it.
    wall_by_cpu : float
        Wall seconds of the parent for each of its processor seconds, where it does nothing but
        hand out tasks to two workers that have nothing to do.
    """

    fixed: float
    by_byte: float
    wall_by_cpu: float

    def parent(self, size: float) -> float:
        """Return the parent's processor seconds for a record of so many bytes."""
        return self.fixed + self.by_byte * size

    def wall(self, cases: int, size: float, worker: float, jobs: int) -> float:
        """Return the wall seconds of a campaign whose cases take ``worker`` seconds each."""
        handing = self.parent(size) * self.wall_by_cpu
        return cases * max(worker / jobs, handing)


@dataclass(frozen=True)
class Check:
    """A campaign of stub cases: what was foreseen and what came."""

    cases: int
    size: int
    foreseen: float
    took: dict[str, Any]
    memory: Peaks


def stub_campaign(folder: Path, record: Path, cases: int) -> tuple[dict[str, Any], Peaks]:
    """Run a campaign of stub cases on two workers; its file is removed."""
    out = folder / f"stubs-{cases}.jsonl"
    took, peaks = campaign({"stubs": cases, "jobs": 2, "out": str(out)}, **{RECORD: str(record)})
    out.unlink()
    if took["cases"] != cases:
        raise RuntimeError(f"{took['cases']} records of {cases} cases")
    return took, peaks


def stub_records(lines: Sequence[bytes], folder: Path) -> tuple[Path, Path]:
    """Write a smallest and a typical record of a campaign, with a place for the id."""
    by_size = sorted(lines, key=len)
    # A failure without fits is the smallest record that there is.
    mean = sum(map(len, lines)) / len(lines)
    chosen = (by_size[0], min(by_size, key=lambda line: abs(len(line) - mean)))
    paths = (folder / "small.json", folder / "typical.json")
    for path, line in zip(paths, chosen, strict=True):
        head, _, rest = line.partition(b'"id":"')
        path.write_bytes(head + b'"id":"' + PLACE + b'"' + rest.partition(b'"')[2])
    return paths


def fitted(folder: Path, records: tuple[Path, Path], cases: int) -> CostModel:
    """Fit the model to two campaigns, one of small and one of typical records."""
    small, typical = (stub_campaign(folder, record, cases)[0] for record in records)
    sizes = [record.stat().st_size for record in records]
    a, b = (took["parent_cpu"] / took["cases"] for took in (small, typical))
    by_byte = max((b - a) / (sizes[1] - sizes[0]), 0.0)
    return CostModel(
        fixed=a - by_byte * sizes[0],
        by_byte=by_byte,
        wall_by_cpu=(small["wall"] + typical["wall"])
        / (small["parent_cpu"] + typical["parent_cpu"]),
    )


def checked(model: CostModel, folder: Path, record: Path, sizes: Sequence[int]) -> list[Check]:
    """Run stub campaigns of several lengths beside what the model says of them."""
    size = record.stat().st_size
    found = []
    for cases in sizes:
        took, peaks = stub_campaign(folder, record, cases)
        found.append(Check(cases, size, model.wall(cases, size, 0.0, 2), took, peaks))
    return found
