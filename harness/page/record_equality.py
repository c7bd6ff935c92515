"""Whether two record files hold the same results: everything but the times they took."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

from msgspec.structs import replace

from harness.base.json import encode
from harness.campaign.record_stream import RecordStream
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.records import CaseRecord


def timeless(record: CaseRecord | PropertyOutcome) -> bytes:
    """Return a record's bytes without its times; a NaN is equal to a NaN there."""
    if isinstance(record, PropertyOutcome):
        return encode(replace(record, seconds=0.0))
    fits = tuple(replace(fit, seconds=0.0) for fit in record.fits)
    return encode(replace(record, seconds=0.0, audit_seconds=0.0, fits=fits))


def first_difference(left: Path, right: Path) -> str:
    """Return where two files first hold other results or another order; empty when nowhere.

    Raises
    ------
    BadInput
        When one of them is no record file.
    """
    with RecordStream(left) as one, RecordStream(right) as two:
        for a, b in zip_longest(one, two):
            if a is None or b is None:
                longer, there = (right, b) if a is None else (left, a)
                assert there is not None
                return f"line {there[0].line} is in {longer} only"
            if timeless(a[1]) != timeless(b[1]):
                return f"line {a[0].line} of {left} and line {b[0].line} of {right} differ"
    return ""
