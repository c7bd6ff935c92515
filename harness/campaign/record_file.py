"""Record files written in the order of their records, and read as a whole."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.base.closable import Closable
from harness.base.errors import BadInput
from harness.base.json import encode
from harness.campaign.growing_file import GrowingFile
from harness.campaign.record_stream import RecordStream
from harness.judge.glance import glance
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.records import CaseRecord, Footer, Header, Run


class RecordWriter(Closable):
    """Append records to a file, each in the file before the next is written.

    The file grows under a name of its own and takes its name when the footer is written, so that a
    file of that name is always a finished one.

    Parameters
    ----------
    ending : str
        What stands behind the name of the file while it grows.

    Raises
    ------
    BadInput, EnvironmentProblem
        As :class:`~harness.campaign.growing_file.GrowingFile`.
    """

    def __init__(self, path: Path, *, ending: str = ".partial") -> None:
        self.path = path
        self.partial = path.with_name(path.name + ending)
        self._counts: Counter[str] = Counter()
        self._properties = 0
        self._file = GrowingFile(self.partial)

    def close(self) -> None:
        """Close the file; what was written stays."""
        self._file.close()

    def write(self, record: Header | CaseRecord | PropertyOutcome) -> None:
        """Append one record."""
        self.write_lines([encode(record)])

    def write_lines(self, lines: Sequence[bytes]) -> None:
        """Append records that are encoded already, all of them or none."""
        seen = [glance(line) for line in lines]
        self._file.append(b"".join(line + b"\n" for line in lines))
        self._counts.update(one.verdict for one in seen if one.record == "case")
        self._properties += sum(one.record == "property" for one in seen)

    def finish(self, finished: str, seconds: float) -> Footer:
        """Write the footer and give the file its name."""
        footer = Footer(
            cases=self._counts.total(),
            properties=self._properties,
            verdicts=dict(self._counts),
            finished=finished,
            seconds=seconds,
        )
        self._file.append(encode(footer) + b"\n")
        self._file.sync(every=0.0)
        os.replace(self.partial, self.path)
        return footer


def read_records(path: Path) -> Run:
    """Read a whole record file.

    Raises
    ------
    BadInput
        As :class:`~harness.campaign.record_stream.RecordStream`, and when the run did not finish.
    """
    with RecordStream(path) as stream:
        records = [record for _, record in stream]
        if stream.footer is None:
            raise BadInput(f"{path}: the run did not finish (no footer line); run it again")
        return Run(
            header=stream.header,
            cases=tuple(r for r in records if isinstance(r, CaseRecord)),
            properties=tuple(r for r in records if isinstance(r, PropertyOutcome)),
            footer=stream.footer,
        )
