"""Records of audits as a file, finished as that of a run is: of one, or of many put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

import harness
from harness.base.errors import BadInput
from harness.base.files import growing_place
from harness.base.json import decode
from harness.campaign import provenance
from harness.campaign.record_file import RecordWriter
from harness.campaign.record_stream import RecordStream
from harness.judge.records import FORMAT, CaseRecord, Footer, Header


def write_listing(record: CaseRecord, path: Path, command: str) -> Footer:
    """Write header, record and footer.

    Raises
    ------
    BadInput, EnvironmentProblem
        As :class:`~harness.campaign.growing_file.GrowingFile`.
    """
    assert record.listing is not None
    title = f"Audit: {record.listing.program}"
    return _write([record], path, title, command)


def join_audits(paths: Sequence[Path], out: Path, command: str) -> Footer:
    """Put the records of audits together in one file, in the order of the paths.

    Cases of one name, as audits of one table have, are told apart by the program and a number.

    Parameters
    ----------
    paths : sequence of path
        What ``audit --records`` wrote, or ``audit --json`` printed.

    Raises
    ------
    BadInput
        For a file that is neither.
    """
    out = growing_place(out)
    if out.exists() and any(out.samefile(path) for path in paths if path.exists()):
        raise BadInput(f"{out}: is one of the audits")
    found = {path: audits_in(path) for path in paths}
    for path, audits in found.items():
        if not audits:
            raise BadInput(f"{path}: no audit, as {paths[0]} is; put shards of runs together alone")
    records = _told_apart([record for audits in found.values() for record in audits])
    return _write(records, out, f"{len(records)} audits", command)


def audits_in(path: Path) -> tuple[CaseRecord, ...]:
    """Return the records of audits that a file has; none where it is anything else."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        record = decode(raw, CaseRecord)
    except msgspec.MsgspecError:
        return _of_stream(path)
    return (record,) if record.listing is not None else ()


def _of_stream(path: Path) -> tuple[CaseRecord, ...]:
    try:
        with RecordStream(path) as stream:
            if stream.header.options.get("source") != "audit":
                return ()
            return tuple(one for _, one in stream if isinstance(one, CaseRecord))
    except BadInput:
        return ()


def _told_apart(records: Sequence[CaseRecord]) -> list[CaseRecord]:
    names = [record.id for record in records]
    out: list[CaseRecord] = []
    taken: set[str] = set()
    for record in records:
        name = record.id
        if names.count(name) > 1 and record.listing is not None:
            name = f"{name}, {record.listing.program}"
        first, k = name, 2
        while name in taken:
            name, k = f"{first} {k}", k + 1
        taken.add(name)
        out.append(msgspec.structs.replace(record, id=name))
    return out


def _write(records: Sequence[CaseRecord], path: Path, title: str, command: str) -> Footer:
    header = Header(
        format=FORMAT,
        program=f"lmm-parity {harness.__version__}",
        created=provenance.now(),
        title=title,
        engines=tuple(dict.fromkeys(name for record in records for name in record.engines)),
        reference=records[0].reference,
        settings=("default",),
        planned=len(records),
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
        for record in records:
            writer.write(record)
        return writer.finish(provenance.now(), sum(record.seconds for record in records))
