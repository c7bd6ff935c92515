"""The standard task: fit a case with both engines in every setting, audit, compare, decide."""

from __future__ import annotations

import time

from harness.base.json import encode
from harness.campaign.open_engines import OpenEngines
from harness.campaign.setup import Setup
from harness.campaign.sources import Task
from harness.engines.engine import Failure
from harness.judge.case_record import case_record
from harness.judge.records import CaseRecord, DataSummary
from harness.judge.verdict import Verdict
from harness.store.record_cache import RecordCache


def case_task(engines: OpenEngines, task: Task) -> list[bytes]:
    """Do a case and return its record, from the cache where it is there."""
    rung = task.rung()
    cache = RecordCache.of(engines)
    known = cache.get(rung) if cache is not None else None
    if known is not None:
        return [known]
    started = time.perf_counter()
    outcomes = [engine.fit(rung.case, s) for s in engines.settings for engine in engines.both]
    seconds = time.perf_counter() - started
    engines.log.step("audit")
    fault = engines.log.fault("audit")
    record = case_record(
        rung,
        outcomes,
        engines=(engines.engine.name, engines.reference.name),
        settings=engines.settings,
        seconds=seconds,
        not_audited="" if fault is None else f"it was stopped ({fault.text})",
    )
    line = encode(record)
    if cache is not None and fault is None:
        cache.put(rung, record, line)
    return [line]


def unfinished_case(setup: Setup, names: tuple[str, str], task: Task, why: str) -> list[bytes]:
    """Return the record of a case that could not be done: both engines failed on it, and why."""
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
        fits=failures,
        audits=(),
        comparisons=(),
        definitions=(),
        verdicts=tuple(
            Verdict(
                setting=setting,
                verdict="FAILED",
                engines=names,
                causes=("engine-error",),
                sentence=f"The case could not be done: {why}.",
                evidence=(why,),
            )
            for setting in setup.settings
        ),
        printed=(),
        certified=(),
        best_loglik=None,
    )
    return [encode(record)]
