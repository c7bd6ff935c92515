"""The standard task: fit a case with every engine in every setting, and judge the fits."""

from __future__ import annotations

import time

from harness.base.deadline import Deadline
from harness.base.json import decode, encode
from harness.campaign.open_engines import OpenEngines
from harness.campaign.record_cache import RecordCache
from harness.campaign.setup import Setup
from harness.campaign.sources import Task
from harness.data.rungs import Rung
from harness.engines.engine import Failure
from harness.judge.case_record import case_record
from harness.judge.comparison import Comparison
from harness.judge.evidence import found
from harness.judge.judge import judge_outcomes
from harness.judge.judgement import Judgement
from harness.judge.listing_record import listed_beside
from harness.judge.records import CaseRecord, DataSummary
from harness.judge.verdict import Finding

LEAST_SECONDS = 5.0
"""What the referee may take of a case, however short the limit is."""


def case_task(engines: OpenEngines, task: Task) -> list[bytes]:
    """Do a case and return its record, from the cache where it is there."""
    rung = task.rung()
    cache = RecordCache.of(engines)
    known = cache.get(rung) if cache is not None else None
    if known is not None:
        return [_listed(known, rung)]
    started = time.perf_counter()
    outcomes = [engine.fit(rung.case, s) for s in engines.settings for engine in engines.engines]
    seconds = time.perf_counter() - started
    engines.log.step("audit")
    fault = engines.log.fault("audit")
    judged = judge_outcomes(
        rung.case,
        outcomes,
        engines=tuple(engine.name for engine in engines.engines),
        reference=engines.reference.name,
        settings=engines.settings,
        not_examined="" if fault is None else f"it was stopped ({fault.text})",
        seconds=seconds,
        deadline=Deadline(max(engines.timeout, LEAST_SECONDS)),
    )
    record = case_record(judged, rung)
    line = encode(record)
    if cache is not None and not judged.examination.left_out:
        cache.put(rung, record, line)
    return [_listed(line, rung)]


def _listed(line: bytes, rung: Rung) -> bytes:
    """Return a record with what a program printed for its case, judged."""
    if rung.listing is None:
        return line
    return encode(listed_beside(decode(line, CaseRecord), rung, rung.listing))


def unfinished_case(setup: Setup, names: tuple[str, ...], task: Task, why: str) -> list[bytes]:
    """Return the record of a case that could not be done: every engine failed on it, and why."""
    failures = tuple(
        Failure(engine=name, setting=setting, reason="error", text=f"not fitted: {why}")
        for setting in setup.settings
        for name in names
    )
    record = CaseRecord(
        id=task.id,
        title=task.id,
        group="Cases that could not be done",
        formula="",
        criterion="REML",
        words="",
        spelling={},
        focus="",
        data=DataSummary(
            name="", origin="", checksum="", rows=0, rows_used=0, columns=(), groups={}
        ),
        reference=names[-1],
        fits=failures,
        judgements=tuple(
            Judgement(
                engine=failure.engine,
                setting=failure.setting,
                verdict="FAILED",
                finding=_not_done(why),
                evidence=(found("engine-error", failure.engine, message=why),),
            )
            for failure in failures
        ),
        comparisons=tuple(
            Comparison(
                engine=name,
                reference=names[-1],
                setting=setting,
                verdict="FAILED",
                blamed=(name, names[-1]),
                finding=_not_done(why),
                evidence=tuple(found("engine-error", e, message=why) for e in (name, names[-1])),
            )
            for setting in setup.settings
            for name in names[:-1]
        ),
        printed=(),
        certified=(),
        best_loglik=None,
    )
    return [encode(record)]


def _not_done(why: str) -> Finding:
    return Finding(key="not-done", texts={"message": why})
