"""What changed between two record files: two versions of an engine, on the same cases."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

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
Direction = Literal["worse", "better", "other"]


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
    engine : str
        The engine that it is of; empty for what is of no one engine.
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

    @property
    def worse(self) -> tuple[Change, ...]:
        """The regressions."""
        return tuple(change for change in self.changes if change.direction == "worse")


_By = tuple[str, str, Setting]
"""An engine, the reference beside which it stands (empty for none), and the setting."""


class _Seen(msgspec.Struct, frozen=True):
    """What of a case is compared, engine by engine."""

    checksum: str
    verdicts: dict[_By, tuple[VerdictClass, tuple[str, ...], str]]
    digits: dict[tuple[_By, str], tuple[float, bool]]


_Checked = tuple[str, str, str]
"""A property, the case and the engine."""


class _Side(msgspec.Struct, frozen=True):
    header: Header
    cases: dict[str, _Seen]
    properties: dict[_Checked, PropertyOutcome]


def diff(old: Path, new: Path) -> Diff:
    """Compare two record files; either may be unfinished.

    Raises
    ------
    BadInput
        When one cannot be read.
    """
    before, after = _read(old), _read(new)
    return Diff(
        old=str(old),
        new=str(new),
        versions=tuple(_versions(before.header.versions, after.header.versions)),
        both=len(before.cases.keys() & after.cases.keys()),
        changes=(
            *_engines(before.header, after.header),
            *_cases(before.cases, after.cases),
            *_properties(before.properties, after.properties),
        ),
    )


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
    verdicts: dict[_By, tuple[VerdictClass, tuple[str, ...], str]] = {}
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
    return _Seen(case.data.checksum, verdicts, digits)


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
