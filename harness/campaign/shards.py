"""The files of a campaign's shards put together into the file that one run would have written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

import msgspec

from harness.base.errors import BadInput
from harness.base.files import growing_place
from harness.base.json import decode
from harness.campaign import provenance
from harness.campaign.record_file import RecordWriter
from harness.campaign.resume import header_in, require_same
from harness.judge.glance import Glance, glance
from harness.judge.records import Footer, Header


def merge(paths: Sequence[Path], out: Path) -> Footer:
    """Write the records of all shards in the order of the source.

    Raises
    ------
    BadInput
        When a file is no finished shard, one is missing or there twice, or they are not of one
        run: other engines, versions, settings or cases.
    """
    out = growing_place(out)
    if out.exists() and any(out.samefile(path) for path in paths if path.exists()):
        raise BadInput(f"{out}: is one of the shards")
    with ExitStack() as stack:
        shards = [stack.enter_context(_ShardFile(path)) for path in paths]
        ordered = _ordered(shards)
        first = ordered[0].whole
        for shard in ordered[1:]:
            require_same(shard.path, shard.whole, first, going_on=False)
        planned = sum(shard.header.planned for shard in ordered)
        writer = stack.enter_context(RecordWriter(out))
        stack.push(partial(_remove_unless_whole, writer.partial))
        writer.write(msgspec.structs.replace(first, planned=planned))
        seen: set[int] = set()
        for turn in count():
            lines = ordered[turn % len(ordered)].next_case()
            if not lines:
                break
            name = hash(glance(lines[0]).of)
            if name in seen:
                raise BadInput(f"{ordered[turn % len(ordered)].path}: a case is in two shards")
            seen.add(name)
            writer.write_lines(lines)
        # The one that has ended too early first: it is why others are not read to their end.
        for shard in sorted(ordered, key=lambda shard: not shard.at_end):
            shard.require_whole()
        seconds = sum(shard.footer.seconds for shard in ordered if shard.footer is not None)
        return writer.finish(provenance.now(), seconds)


def _remove_unless_whole(path: Path, kind: type[BaseException] | None, *_: object) -> None:
    if kind is not None:
        path.unlink(missing_ok=True)


class _ShardFile:
    """A shard's file, read case by case."""

    def __init__(self, path: Path) -> None:
        self.path = path
        header = header_in(path)
        if header is None:
            raise BadInput(f"{path}: {'not a record file' if path.exists() else 'no such file'}")
        found = re.fullmatch(r"(\d+)/(\d+)", header.options.get("shard", ""))
        if found is None:
            raise BadInput(f"{path}: not a shard; its run had no --shard")
        self.header = header
        self.index, self.of = int(found[1]), int(found[2])
        self.footer: Footer | None = None
        self._cases = 0

    def __enter__(self) -> _ShardFile:
        self._file = self.path.open("rb")
        self._file.readline()
        self._ahead = self._line()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def whole(self) -> Header:
        """The header without what differs between shards."""
        options = {k: v for k, v in self.header.options.items() if k != "shard"}
        return msgspec.structs.replace(self.header, options=options, planned=0)

    @property
    def at_end(self) -> bool:
        """Whether all its cases have been read."""
        return self._ahead is None

    def next_case(self) -> list[bytes]:
        """Return the lines of the next case; none at the end."""
        if self._ahead is None:
            return []
        self._cases += 1
        lines, name = [], self._ahead[1].of
        while self._ahead is not None and self._ahead[1].of == name:
            lines.append(self._ahead[0])
            self._ahead = self._line()
        return lines

    def require_whole(self) -> None:
        """Refuse a file that is unfinished, or has fewer or more cases than were planned."""
        if self.footer is None and self._ahead is None:
            raise BadInput(f"{self.path}: the run did not finish; go on with it by --resume")
        if self._ahead is not None or self._cases != self.header.planned:
            raise BadInput(
                f"{self.path}: has {self._cases} cases in its turn of {self.header.planned} planned"
            )

    def _line(self) -> tuple[bytes, Glance] | None:
        raw = self._file.readline()
        if not raw:
            return None
        try:
            seen = glance(raw)
            if seen.record == "footer":
                self.footer = decode(raw, Footer)
                return None
        except msgspec.DecodeError as error:
            raise BadInput(f"{self.path}: a line is not a whole record: {error}") from error
        return raw.rstrip(b"\n"), seen


def _ordered(shards: Sequence[_ShardFile]) -> list[_ShardFile]:
    of = shards[0].of
    by_index: dict[int, _ShardFile] = {}
    for shard in shards:
        if shard.of != of:
            raise BadInput(f"{shard.path}: is one of {shard.of} shards, {shards[0].path} of {of}")
        if shard.index in by_index:
            raise BadInput(
                f"{shard.path}: shard {shard.index} is there twice, in "
                f"{by_index[shard.index].path} too"
            )
        by_index[shard.index] = shard
    missing = [str(i) for i in range(1, of + 1) if i not in by_index]
    if missing:
        raise BadInput(f"of {of} shards {', '.join(missing)} missing")
    return [by_index[i] for i in range(1, of + 1)]
