"""What changed between two record files, or differs between two engines, on the same cases.

Two runs of one engine are better and worse than each other; two engines differ, and which of them
is right is for the verdicts to say.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from harness.base.errors import BadInput
from harness.campaign.record_stream import RecordStream
from harness.engines.engine import Setting
from harness.judge.causes.entries import load_known
from harness.judge.property_outcome import PropertyOutcome, Status
from harness.judge.records import CaseRecord, Header
from harness.judge.verdict import VerdictClass
from harness.page.appearance import VERDICTS

FEWER_DIGITS = 1.0
"""Digits of agreement that must be lost or won to be told: less is rounding."""

_STATUSES: dict[Status, int] = {"holds": 0, "not applicable": 0, "fails": 1, "unexplained": 2}

Kind = Literal["verdict", "cause", "digits", "property", "case", "data", "engine"]
Direction = Literal["worse", "better", "other", "differs"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that changed.

    Attributes
    ----------
    kind : str
        ``verdict``, ``cause`` (appeared or gone), ``digits`` (the fewest of a quantity),
        ``property``, ``case`` (new or missing), ``data`` (another checksum: nothing else of the
        case is compared), ``engine`` (which engines ran).
    where : str
        Id of the case.
    direction : str
        ``differs`` between two engines, whatever it is.
    engine : str
        The engine that it is of, the newer of two; empty for what is of no one engine.
    what : str
        Setting, property or quantity.
    old, new : str
        Empty for what was or is not there.
    sentence : str
        What the newer run says of it.
    """

    kind: Kind
    direction: Direction
    where: str
    engine: str = ""
    what: str
    old: str
    new: str
    sentence: str = ""


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs compared.

    Attributes
    ----------
    engines : tuple of str
        Two engines that are set beside each other, the older run's first, with their versions;
        empty where every engine is compared with itself.
    versions : tuple of (str, str, str)
        Component, older and newer version, those that differ.
    both : int
        Cases that are in both runs.
    """

    old: str
    new: str
    versions: tuple[tuple[str, str, str], ...]
    both: int
    changes: tuple[Change, ...]
    engines: tuple[str, ...] = ()

    @property
    def worse(self) -> tuple[Change, ...]:
        """The regressions."""
        return tuple(change for change in self.changes if change.direction == "worse")


_By = tuple[str, str, Setting]
"""An engine, the reference beside which it stands (empty for none), and the setting."""


_Verdict = tuple[VerdictClass, tuple[str, ...], str]
"""With its causes and its sentence."""


class _Seen(msgspec.Struct, frozen=True):
    """What of a case is compared, engine by engine."""

    checksum: str
    verdicts: dict[_By, _Verdict]
    digits: dict[tuple[_By, str], tuple[float, bool]]
    alone: dict[tuple[str, Setting], _Verdict] = {}
    """What the referee finds of each engine, beside whatever it stands."""


_Checked = tuple[str, str, str]
"""A property, the case and the engine."""


class _Side(msgspec.Struct, frozen=True):
    header: Header
    cases: dict[str, _Seen]
    properties: dict[_Checked, PropertyOutcome]


def diff(old: Path, new: Path, engines: tuple[str, str] | None = None) -> Diff:
    """Compare two record files; either may be unfinished.

    Parameters
    ----------
    engines : tuple of (str, str), optional
        An engine of the older file and one of the newer, which are compared and no others. Without
        it every engine is compared with itself, and where each file has one that the other has
        not, these two with each other.

    Raises
    ------
    BadInput
        When one cannot be read, or has no such engine.
    """
    before, after = _read(old), _read(new)
    for path, side, name in zip((old, new), (before, after), engines or (), strict=False):
        if name not in side.header.engines:
            there = ", ".join(side.header.engines)
            raise BadInput(f"{path}: there is no engine {name!r}; there are {there}")
    pair = engines or _counterparts(before.header, after.header)
    changes: list[Change] = []
    if pair is not None:
        beside = _compared(_alone(before, pair[0]), _alone(after, pair[1]))
        changes += beside if pair[0] == pair[1] else [_differing(c, pair[1]) for c in beside]
    if engines is None:
        both = before, after
        if pair is not None:
            both = _without(before, pair[0]), _without(after, pair[1])
        # Which cases there are has been said of the two engines then.
        changes += [c for c in _compared(*both) if pair is None or c.kind not in ("case", "data")]
        changes += [] if pair else _engines(before.header, after.header)
    return Diff(
        old=str(old),
        new=str(new),
        engines=() if pair is None else (_versioned(before, pair[0]), _versioned(after, pair[1])),
        versions=tuple(_versions(before.header.versions, after.header.versions)),
        both=len(before.cases.keys() & after.cases.keys()),
        changes=tuple(changes),
    )


def _compared(before: _Side, after: _Side) -> Iterator[Change]:
    yield from _cases(before.cases, after.cases)
    yield from _properties(before.properties, after.properties)


def _counterparts(old: Header, new: Header) -> tuple[str, str] | None:
    """Return the engine that only the older run has and the one that only the newer has.

    A reference, the last of a run's engines, is nobody's counterpart.
    """
    gone = [name for name in old.engines[:-1] if name not in new.engines]
    come = [name for name in new.engines[:-1] if name not in old.engines]
    return (gone[0], come[0]) if len(gone) == len(come) == 1 else None


def _alone(side: _Side, engine: str) -> _Side:
    """Return what is known of one engine, under no name."""
    cases = {
        name: _Seen(
            seen.checksum,
            {("", "", setting): v for (who, setting), v in seen.alone.items() if who == engine},
            {
                (("", *by[1:]), quantity): v
                for (by, quantity), v in seen.digits.items()
                if by[0] == engine
            },
        )
        for name, seen in side.cases.items()
    }
    properties = {(*key[:2], ""): p for key, p in side.properties.items() if key[2] == engine}
    return _Side(side.header, cases, properties)


def _without(side: _Side, engine: str) -> _Side:
    properties = {key: p for key, p in side.properties.items() if key[2] != engine}
    return _Side(side.header, side.cases, properties)


def _differing(change: Change, engine: str) -> Change:
    return msgspec.structs.replace(change, direction="differs", engine=engine)


def _versioned(side: _Side, engine: str) -> str:
    return f"{engine} {side.header.versions.get(engine, '')}".rstrip()


def _read(path: Path) -> _Side:
    cases: dict[str, _Seen] = {}
    properties: dict[_Checked, PropertyOutcome] = {}
    with RecordStream(path) as stream:
        for _, record in stream:
            if isinstance(record, CaseRecord):
                cases[record.id] = _seen(record)
            else:
                properties[record.property, record.case, record.engine] = record
    return _Side(stream.header, cases, properties)


def _seen(case: CaseRecord) -> _Seen:
    digits: dict[tuple[_By, str], tuple[float, bool]] = {}
    verdicts: dict[_By, _Verdict] = {}
    for c in case.comparisons:
        by = (c.engine, c.reference, c.setting)
        verdicts[by] = (c.verdict, c.causes, c.sentence)
        for d in c.differences:
            least, within = digits.get((by, d.quantity), (math.inf, True))
            # A NaN has no digits; min would keep whichever came first.
            own = -math.inf if math.isnan(d.digits) else d.digits
            digits[by, d.quantity] = (min(least, own), within and d.within)
    for j in case.judgements:
        # What is found of an engine that is compared is told of the comparison.
        if case.comparison(j.engine, j.setting) is None:
            verdicts[j.engine, "", j.setting] = (j.verdict, j.causes, j.sentence)
    alone = {(j.engine, j.setting): (j.verdict, j.causes, j.sentence) for j in case.judgements}
    return _Seen(case.data.checksum, verdicts, digits, alone)


def _versions(old: dict[str, str], new: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for name in dict.fromkeys([*old, *new]):
        if old.get(name, "") != new.get(name, ""):
            yield name, old.get(name, ""), new.get(name, "")


def _engines(old: Header, new: Header) -> Iterator[Change]:
    if (old.engines, old.reference) != (new.engines, new.reference):
        yield Change(
            kind="engine",
            direction="other",
            where="",
            what="engines",
            old=" and ".join(old.engines),
            new=" and ".join(new.engines),
        )


def _cases(old: dict[str, _Seen], new: dict[str, _Seen]) -> Iterator[Change]:
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            # What is no longer looked at can no longer be seen to fail.
            yield _case(name, "worse", old="there", new="")
        elif name not in old:
            yield _case(name, "other", old="", new="there")
        elif old[name].checksum != new[name].checksum:
            yield Change(
                kind="data",
                direction="other",
                where=name,
                what="checksum",
                old=old[name].checksum,
                new=new[name].checksum,
            )
        else:
            yield from _verdicts(name, old[name], new[name])
            yield from _digits(name, old[name], new[name])


def _case(name: str, direction: Direction, *, old: str, new: str) -> Change:
    return Change(kind="case", direction=direction, where=name, what="case", old=old, new=new)


def _verdicts(name: str, old: _Seen, new: _Seen) -> Iterator[Change]:
    for by, (verdict, causes, sentence) in new.verdicts.items():
        if by not in old.verdicts:
            continue
        engine, _, setting = by
        was, had, _ = old.verdicts[by]
        if was != verdict:
            yield Change(
                kind="verdict",
                direction=_direction(VERDICTS[was].rank, VERDICTS[verdict].rank),
                where=name,
                engine=engine,
                what=setting,
                old=was,
                new=verdict,
                sentence=sentence,
            )
        yield from _causes(name, engine, setting, had, causes, sentence)


def _causes(
    name: str, engine: str, what: str, old: Sequence[str], new: Sequence[str], sentence: str
) -> Iterator[Change]:
    for cause in [c for c in new if c not in old]:
        yield _cause(name, engine, what, cause, appeared=True, sentence=sentence)
    for cause in [c for c in old if c not in new]:
        yield _cause(name, engine, what, cause, appeared=False, sentence=sentence)


def _cause(
    name: str, engine: str, what: str, cause: str, *, appeared: bool, sentence: str
) -> Change:
    known = load_known().get(cause)
    # What the data or a definition bring along is no merit and no fault of a version.
    counts = known is None or known.kind == "defect"
    direction: Direction = ("worse" if appeared else "better") if counts else "other"
    return Change(
        kind="cause",
        direction=direction,
        where=name,
        engine=engine,
        what=what,
        old="" if appeared else cause,
        new=cause if appeared else "",
        sentence=sentence if appeared else "",
    )


def _digits(name: str, old: _Seen, new: _Seen) -> Iterator[Change]:
    for key, (digits, within) in new.digits.items():
        if key not in old.digits:
            continue
        had, was_within = old.digits[key]
        if within == was_within and not abs(_shown(digits) - _shown(had)) >= FEWER_DIGITS:
            continue
        # Digits lost within tolerance are told, and are no regression: optimizers stop anywhere
        # inside it.
        direction: Direction = "other"
        if within != was_within:
            direction = "better" if within else "worse"
        (engine, _, setting), quantity = key
        yield Change(
            kind="digits",
            direction=direction,
            where=name,
            engine=engine,
            what=f"{quantity}, {setting}",
            old=_written(had),
            new=_written(digits),
        )


def _shown(digits: float) -> float:
    """Digits that a double can hold: 16 and infinitely many are the same."""
    return min(max(digits, 0.0), 15.9)


def _written(digits: float) -> str:
    if digits == -math.inf:
        return "nan"
    return "equal" if digits > 15.9 else f"{max(digits, 0.0):.1f}"


def _properties(
    old: dict[_Checked, PropertyOutcome], new: dict[_Checked, PropertyOutcome]
) -> Iterator[Change]:
    for key in dict.fromkeys([*old, *new]):
        name, case, engine = key
        if key not in new or key not in old:
            there = key in new
            # A whole case that is gone has been told as such.
            yield Change(
                kind="property",
                direction="other" if there else "worse",
                where=case,
                engine=engine,
                what=name,
                old="" if there else old[key].status,
                new=new[key].status if there else "",
            )
            continue
        was, now = old[key], new[key]
        if was.status != now.status:
            yield Change(
                kind="property",
                direction=_direction(_STATUSES[was.status], _STATUSES[now.status]),
                where=case,
                engine=engine,
                what=name,
                old=was.status,
                new=now.status,
                sentence=now.sentence,
            )
            continue
        yield from _causes(case, engine, name, was.causes, now.causes, now.sentence)


def _direction(old: int, new: int) -> Direction:
    return "worse" if new > old else "better" if new < old else "other"
