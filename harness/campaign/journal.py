"""The unfinished file of a campaign: records in the order in which they arrive, sorted at the end.

Each line says of which task it is and how many more follow of the same one, so that a reader knows
what is there whatever has ended the run::

    {"record":"header",...}
    {"at":17,"more":0,"record":"case",...}

To whoever does not look for these two, a line is a record like any other. In the finished file they
are gone.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.base.closable import Closable
from harness.base.json import encode
from harness.campaign.growing_file import GrowingFile
from harness.campaign.record_file import RecordWriter
from harness.judge.glance import Glance, glance
from harness.judge.records import Footer, Header

MARK = re.compile(rb'{"at":(\d+),"more":(\d+),')
"""How a line begins: number of its task, and how many lines of it follow."""


@dataclass
class Entries:
    """Where the tasks are in a journal, in the order of the file, one behind the other.

    Attributes
    ----------
    size : int
        Bytes up to the end of the last.
    numbers, starts : array
        The task's place in the source, and the first byte of its first line.
    """

    size: int = 0
    numbers: array[int] = field(default_factory=lambda: array("q"))
    starts: array[int] = field(default_factory=lambda: array("q"))

    def add(self, number: int, end: int) -> None:
        """Note a task that goes from the end of the one before to ``end``."""
        self.numbers.append(number)
        self.starts.append(self.size)
        self.size = end

    def sorted(self) -> Iterator[tuple[int, int]]:
        """Give first byte and length of each, in the order of the source."""
        starts = np.array(self.starts, dtype=np.int64)
        lengths = np.diff(starts, append=self.size)
        for place in np.argsort(np.array(self.numbers, dtype=np.int64)):
            yield int(starts[place]), int(lengths[place])


class Journal(Closable):
    """The file of a campaign while it runs: ``FILE.partial``.

    Parameters
    ----------
    path : path
        Of the record file, as it will be called when it is whole.
    kept : Entries, optional
        What stays of the journal that is there; without it a new one is begun.

    Raises
    ------
    BadInput, EnvironmentProblem
        As :class:`~harness.campaign.growing_file.GrowingFile`.
    """

    def __init__(self, path: Path, kept: Entries | None = None) -> None:
        self.path = path
        self._entries = kept or Entries()
        self._file = GrowingFile(partial_of(path), self._entries.size)

    def close(self) -> None:
        """Close the file; what was written stays."""
        self._file.close()

    def begin(self, header: Header) -> None:
        """Write the first line."""
        self._file.append(encode(header) + b"\n")
        self._entries.size = self._file.size

    def add(self, number: int, lines: Sequence[bytes]) -> list[Glance]:
        """Append the records of a task, all of them or none; return a glance at each."""
        seen = [glance(line) for line in lines]
        last = len(lines) - 1
        self._file.append(
            b"".join(
                b'{"at":%d,"more":%d,%b\n' % (number, last - i, line[1:])
                for i, line in enumerate(lines)
            )
        )
        self._entries.add(number, self._file.size)
        return seen

    def sync(self) -> None:
        """Force what was written to the disk, unless that was done a moment ago."""
        self._file.sync()

    def finish(self, finished: str, seconds: float) -> Footer:
        """Write the whole file in the order of the source, give it its name, remove the journal.

        Until it has its name the journal is all there is, and can be gone on with.
        """
        writer = RecordWriter(self.path, ending=".sorted")
        try:
            with writer, self._file.path.open("rb") as journal:
                writer.write_lines([journal.readline().rstrip(b"\n")])
                for start, length in self._entries.sorted():
                    journal.seek(start)
                    lines = journal.read(length).splitlines()
                    writer.write_lines([MARK.sub(b"{", line, count=1) for line in lines])
                footer = writer.finish(finished, seconds)
        except BaseException:
            with suppress(OSError):
                writer.partial.unlink()
            raise
        self._file.path.unlink()
        return footer


def partial_of(path: Path) -> Path:
    """Return where the journal of a record file is."""
    return path.with_name(path.name + ".partial")
