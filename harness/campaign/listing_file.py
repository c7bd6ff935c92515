"""The record of an audit as a file of its own, finished as that of a run is."""

from __future__ import annotations

from pathlib import Path

import harness
from harness.campaign import provenance
from harness.campaign.record_file import RecordWriter
from harness.judge.records import FORMAT, CaseRecord, Footer, Header


def write_listing(record: CaseRecord, path: Path, command: str) -> Footer:
    """Write header, record and footer.

    Raises
    ------
    BadInput, EnvironmentProblem
        As :class:`~harness.campaign.growing_file.GrowingFile`.
    """
    assert record.listing is not None
    header = Header(
        format=FORMAT,
        program=f"lmm-parity {harness.__version__}",
        created=provenance.now(),
        title=f"Audit: {record.listing.program}",
        engines=record.engines,
        reference=record.reference,
        settings=("default",),
        planned=1,
        versions=provenance.versions(()),
        platform=provenance.machine(),
        blas=provenance.blas(()),
        environment=provenance.environment(),
        seed=0,
        options={"source": "audit"},
        command=command,
    )
    with RecordWriter(path) as writer:
        writer.write(header)
        writer.write(record)
        return writer.finish(provenance.now(), record.seconds)
