"""The page with what was measured, section by section, as markdown."""

from __future__ import annotations

import json
import os
import statistics
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import campaigns as measured
from benchmarks import growth, million
from benchmarks import routes as routes_

CASES, SEED = 36, 5
QUICK_CASES = 4
STUBS = (1_000, 10_000, 100_000)
QUICK_STUBS = (200, 1_000)

MILLION = 1_000_000

_started: dict[str, Any] = {}
_asked: list[tuple[str, str, str, bool]] = []
_state: dict[str, Any] = {}


def describe_start() -> None:
    """Note the load before anything is run."""
    _started.update(time=time.perf_counter(), load=os.getloadavg()[1], date=time.strftime("%F"))


def _ask(what: str, value: str, wanted: str, holds: bool) -> None:
    _asked.append((what, value, wanted, holds))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def campaigns(folder: Path, *, quick: bool) -> str:
    """Time the same generated cases on one worker, on two, and from the cache."""
    from harness.data.recipes.shapes import write_recipes
    from harness.data.recipes.strategies import collect

    count = QUICK_CASES if quick else CASES
    recipes = folder / "recipes.jsonl"
    write_recipes(collect(count, SEED), recipes)
    found = measured.measure(recipes, folder)
    _state["measured"] = found
    with found.records.open("rb") as file:
        _state["versions"] = json.loads(file.readline())["versions"]
    one, two, cached, parts = found.one, found.two, found.cached, found.parts
    speed_up = one["wall"] / two["wall"]
    rerun = two["wall"] / cached["wall"]
    overhead = parts.wall / parts.bare
    beyond = 1e3 * parts.beyond
    own = 1e3 * (parts.around + parts.handing) / parts.cases
    _ask("wall / bare engine seconds, one worker", f"{overhead:.3f}", "<= 1.10", overhead <= 1.10)
    _ask(
        "the same, the referee's audit left out",
        f"{(parts.wall - parts.audit) / parts.bare:.3f}",
        "",
        True,
    )
    _ask(
        "harness time a case: data, record, scheduling, file", f"{own:.1f} ms", "<= 5 ms", own <= 5
    )
    _ask("speed-up on two cores", f"{speed_up:.2f}", ">= 1.8", speed_up >= 1.8)
    _ask("cached rerun, two workers", f"{rerun:.0f} times faster", ">= 50", rerun >= 50)
    per_case = 1e3 / parts.cases
    rows = [
        ("fits inside the engines", parts.bare),
        *((f"around the fits of {name}", seconds) for name, seconds in parts.adapters.items()),
        ("audit", parts.audit),
        ("comparison and verdict", parts.verdicts),
        ("data, record", parts.around),
        ("scheduling, pipes, file", parts.handing),
    ]
    memory = ", ".join(f"{what} {peak:.0f} MB" for what, peak in sorted(found.memory.of.items()))
    campaigns_run = [
        ("one worker, no cache", one),
        ("two workers, empty cache", two),
        ("two workers, everything cached", cached),
    ]
    return (
        f"## A campaign\n\n{parts.cases} generated cases (seed {SEED}), each with two engines in "
        "two settings, audit and verdict. Records of the three runs are equal, times apart.\n\n"
        + _table(
            ("", "start-up", "wall", "in workers", "parent's processor time"),
            [
                (
                    name,
                    f"{took['start_up']:.1f} s",
                    f"{took['wall']:.2f} s",
                    f"{took['in_workers']:.2f} s",
                    f"{1e3 * took['parent_cpu'] / took['cases']:.2f} ms a case",
                )
                for name, took in campaigns_run
            ],
        )
        + "\nWhere the time of one worker goes. Inside the engines is what a user of them waits "
        "for: the model, its optimisation, tests and random effects. Around it are the data frame "
        "and R's checksum of it, probes for named causes, every number taken over, the way to R "
        "and back.\n\n"
        + _table(
            ("", "ms a case", "share"),
            [
                (name, f"{seconds * per_case:.1f}", f"{100 * seconds / parts.wall:.1f} %")
                for name, seconds in rows
            ],
        )
        + f"\nBeyond engines and audit: {beyond:.1f} ms a case. Whole commands, start-up included: "
        f"{one['whole']:.1f} s, {two['whole']:.1f} s, cached {cached['whole']:.1f} s.\n\n"
        f"Largest resident memory with two workers: {memory} (each worker and each R); all "
        f"together at most {found.memory.together:.0f} MB, shared pages counted in each.\n"
    )


def stubs(folder: Path, *, quick: bool) -> str:
    """Check the cost model on stub cases, and say what a million cases need."""
    found: measured.Measured = _state["measured"]
    with found.records.open("rb") as file:
        lines = [line.rstrip(b"\n") for line in file if line.startswith(b'{"record":"case"')]
    records = million.stub_records(lines, folder)
    model = million.fitted(folder, records, 300 if quick else 3_000)
    checks = million.checked(model, folder, records[1], QUICK_STUBS if quick else STUBS)
    last = checks[-1]
    _ask(
        f"{last.cases:,} stub cases",
        f"{last.took['wall']:.0f} s, {last.memory.together:.0f} MB",
        "< 180 s, < 1,000 MB",
        last.took["wall"] < 180 and last.memory.together < 1_000,
    )
    size = statistics.mean(map(len, lines))
    return (
        f"## Stub cases\n\nA case costs the parent {1e3 * model.fixed:.2f} ms of processor time "
        f"and {1e9 * model.by_byte:.2f} ms a megabyte of record; its wall time is "
        f"{model.wall_by_cpu:.2f} times that. This was fitted to records of "
        f"{records[0].stat().st_size:,} and {records[1].stat().st_size:,} bytes, and foresees:\n\n"
        + _table(
            ("cases", "bytes each", "foreseen", "wall", "off", "parent", "all processes"),
            [
                (
                    f"{c.cases:,}",
                    f"{c.size:,}",
                    f"{c.foreseen:.1f} s",
                    f"{c.took['wall']:.1f} s",
                    f"{100 * (c.took['wall'] / c.foreseen - 1):+.0f} %",
                    f"{c.memory.of['parent']:.0f} MB",
                    f"{c.memory.together:.0f} MB",
                )
                for c in checks
            ],
        )
        + "\n"
        + _million(model, found, lines, size)
    )


def _million(
    model: million.CostModel, found: measured.Measured, lines: Sequence[bytes], size: float
) -> str:
    seconds = [record["seconds"] for record in measured.case_records(found.records)]
    mean = found.one["in_workers"] / found.one["cases"]
    error = statistics.stdev(seconds) / len(seconds) ** 0.5
    # Two workers at once make each slower; the speed-up says by how much.
    slowed = mean * 2 * found.two["wall"] / found.one["wall"]
    packed = len(zlib.compress(b"\n".join(lines), 6)) / sum(map(len, lines))
    hours = {jobs: model.wall(MILLION, size, slowed, jobs) / 3600 for jobs in (2, 100)}
    limit = slowed / (model.parent(size) * model.wall_by_cpu)
    draw, held = _drawn(2_000)
    workers = found.memory.of["worker"] + 2 * found.memory.of["R"]
    return (
        "### A million cases\n\n"
        f"A case of this kind takes {mean:.2f} s of a worker (standard error {error:.2f} s: few "
        f"cases have most of the time), with two workers side by side {slowed:.2f} s. A million of "
        f"them take {MILLION * slowed / 3600:,.0f} core hours: {hours[2] / 24:,.1f} days on two "
        f"cores, {hours[100]:,.1f} hours on a hundred. The parent has "
        f"{MILLION * model.parent(size) / 60:,.0f} minutes of work in all, which limits a campaign "
        f"only from {limit:,.0f} workers on. The records are {MILLION * size / 1e9:,.0f} GB, "
        f"{MILLION * size * packed / 1e9:,.0f} GB compressed. A worker with its R takes up to "
        f"{workers:,.0f} MB, shared pages included. `--generate 1000000` draws all cases before "
        f"the first is fitted, in every shard: {MILLION * draw / 60:,.0f} minutes and "
        f"{MILLION * held / 1e9:,.1f} GB; a file of recipes for each shard saves that.\n"
    )


def _drawn(count: int) -> tuple[float, float]:
    """Return seconds to draw a recipe, and bytes it takes in memory."""
    import tracemalloc

    from harness.data.recipes.strategies import collect

    started = time.process_time()
    collect(count, SEED)
    seconds = (time.process_time() - started) / count
    tracemalloc.start()
    kept = collect(count, SEED)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return seconds, held / len(kept)


def routes(*, quick: bool, pymer4: str | None) -> str:
    """Time the same fits by other routes."""
    found = routes_.routes(quick=quick, pymer4=pymer4)
    own = found[0]
    for route in found[1:]:
        ratio = route.mean / own.mean
        wanted, least = (">= 3", 3.0) if route.name.startswith("Rscript") else ("> 1", 1.0)
        if route.name == routes_.TABLE_ONLY:
            wanted = ""
        _ask(f"a fit through {route.name}", f"{ratio:.2f} times ours", wanted, ratio > least)
    if pymer4 is None:
        _ask("a fit through pymer4", "not run: no --pymer4", "> 1", False)
    rungs = list(own.seconds)
    return (
        "## Routes to lme4, a fit at a time\n\nMedian seconds of `lmerTest::lmer` with default "
        "settings and its df, from a data frame to numbers in Python; R is warm where a route has "
        "it so. Ours, pymer4 and rpy2 bring back random effects, covariances, fitted values and "
        "residuals too; ours also checks that R got the same data, and keeps every message. "
        "The numbers are the same (largest relative difference: "
        f"{max(route.off for route in found):.0e}).\n\n"
        + _table(
            ("", *(route.name for route in found)),
            [
                *((rung, *(f"{route.seconds[rung]:.4f}" for route in found)) for rung in rungs),
                ("mean", *(f"{route.mean:.4f}" for route in found)),
                ("times ours", *(f"{route.mean / own.mean:.2f}" for route in found)),
                ("start-up", *(f"{route.start_up:.1f} s" for route in found)),
            ],
        )
    )


def referee(*, quick: bool) -> str:
    """Time the referee beside lme4 and lmerTest by rows and by groups."""
    by_rows, by_groups = growth.growth(quick=quick)
    head = ("n", "groups", "lme4", "lmerTest", "referee", "times faster", "df", "times faster")
    text = (
        f"## The referee\n\n`{growth.FORMULA}`, REML, processor seconds on one thread: lme4 "
        "without df, lmerTest and the referee with SE, df and p; then the df alone, lmerTest's "
        "being what it takes beyond lme4.\n\n"
    )
    for sizes, by in ((by_rows, "n"), (by_groups, "groups")):
        if not sizes:
            continue
        text += _table(
            head,
            [
                (
                    f"{s.n:,}",
                    f"{s.groups:,}",
                    f"{s.lme4:.4f}",
                    f"{s.lmertest:.4f}",
                    f"{s.referee:.4f}",
                    f"{s.lmertest / s.referee:.1f}",
                    f"{s.df_referee:.5f}",
                    f"{s.df_lmertest / s.df_referee:.0f}",
                )
                for s in sizes
            ],
        )
        powers = ", ".join(
            f"{name} {growth.exponent(sizes, of, by):.2f}"
            for name, of in (("lme4", "lme4"), ("lmerTest", "lmertest"), ("referee", "referee"))
        )
        text += f"\nGrowth with {'rows' if by == 'n' else 'groups'}, as a power: {powers}.\n\n"
    return text


def whole(parts: Sequence[str], *, quick: bool) -> str:
    """Put the page together: machine and versions, what was asked for, the sections."""
    versions = ", ".join(f"{name} {value}" for name, value in _state["versions"].items())
    minutes = (time.perf_counter() - _started["time"]) / 60
    warning = "**Tiny sizes, for a look only.**\n\n" if quick else ""
    return (
        "# Benchmarks\n\n"
        "Written by `python -m benchmarks --pymer4 PYTHON --out docs/benchmarks.md`; "
        "`benchmarks/README.md` says what is measured how.\n\n"
        f"{warning}{_started['date']}, {minutes:.0f} minutes, {_machine()}; mean load (5 minutes) "
        f"before {_started['load']:.1f}, after {os.getloadavg()[1]:.1f}. {versions}.\n\n"
        "## What was asked for\n\n"
        + _table(
            ("", "measured", "asked", "holds"),
            [
                (what, value, wanted or "-", ("yes" if holds else "**no**") if wanted else "-")
                for what, value, wanted, holds in _asked
            ],
        )
        + "\n"
        + "\n".join(parts)
    )


def _machine() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{len(names)} cores of {names[0] if names else 'unknown'}, {memory:.0f} GB"
