"""Records: a header, one line per case or checked property, a footer, as JSON lines.

Everything after a run (HTML, markdown, exit code) is a reader of such a file. The footer is the
proof that the run came to its end; a file without one is unfinished.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import msgspec

from harness.base.json import Real, Vector, schema_of
from harness.engines.engine import Failure, Fit, Setting
from harness.judge.audit import Audit
from harness.judge.certified_score import CertifiedScore
from harness.judge.comparison import Comparison
from harness.judge.judgement import Judgement
from harness.judge.listing_verdict import ListingVerdict
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.verdict import VerdictClass, graver

FORMAT = 3
"""Version of the record format; a reader refuses what it does not know."""


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="header", tag_field="record"):
    """First line: what ran, where, and how to run it again."""

    format: int
    program: str
    created: str
    title: str
    engines: tuple[str, ...]
    reference: str
    settings: tuple[Setting, ...]
    planned: int
    versions: dict[str, str]
    platform: dict[str, str]
    blas: dict[str, str]
    environment: dict[str, str]
    seed: int
    options: dict[str, str]
    command: str


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column of the data as both engines got it. ``levels`` is empty for a numeric column."""

    name: str
    kind: Literal["numeric", "factor"]
    levels: tuple[str, ...] = ()
    missing: int = 0


class DataSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The data contract of a case, and a picture's worth of the data themselves.

    ``x``, ``y`` and ``group`` are the rows used (``group`` as indices into ``group_levels``), for
    drawing; empty when there are more rows than the run embeds or nothing to draw against.
    """

    name: str
    origin: str
    checksum: str
    rows: int
    rows_used: int
    columns: tuple[Column, ...]
    groups: dict[str, int]
    x_name: str = ""
    y_name: str = ""
    group_name: str = ""
    group_levels: tuple[str, ...] = ()
    x: Vector = ()
    y: Vector = ()
    group: tuple[int, ...] = ()


class Printed(msgspec.Struct, frozen=True, kw_only=True):
    """A number that a publication prints, held against what an engine gives now.

    ``matches`` is true when the value rounds to the printed string.
    """

    source: str
    quantity: str
    item: str
    printed: str
    engine: str
    value: Real
    matches: bool


class RuleTest(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of interest by one rule of degrees of freedom, at the referee's best point.

    ``rule`` is a key of :mod:`harness.referee.definitions`; ``df`` is infinite for a z test.
    """

    rule: str
    se: Real
    df: Real
    p: Real


class CaseRecord(msgspec.Struct, frozen=True, kw_only=True, tag="case", tag_field="record"):
    """One case: its fits, their judgements, and the comparisons that follow from these.

    ``fits`` and ``judgements`` hold every engine in every setting, the default setting first: it is
    the one that counts. ``comparisons`` has every engine but the reference in every setting.
    ``certified`` holds, for a rung with certified values, the digits of every fit that is
    evaluated, the worst item of each quantity. ``rules`` has the effect of interest by every rule
    of degrees of freedom, of a mixed model that a publication prints. ``listing`` is the audit of
    numbers that a program printed, where the case has them; its fit and judgement are among those
    of the engines. ``seconds`` is the wall time of the whole case, ``audit_seconds`` the referee's
    share of it.
    """

    id: str
    title: str
    group: str
    formula: str
    criterion: Literal["REML", "ML", "OLS"]
    words: str
    spelling: dict[str, str]
    focus: str
    data: DataSummary
    reference: str
    fits: tuple[Fit | Failure, ...]
    judgements: tuple[Judgement, ...]
    comparisons: tuple[Comparison, ...]
    printed: tuple[Printed, ...]
    certified: tuple[CertifiedScore, ...]
    best_loglik: Real | None
    notes: tuple[str, ...] = ()
    rules: tuple[RuleTest, ...] = ()
    listing: ListingVerdict | None = None
    seconds: float = 0.0
    audit_seconds: float = 0.0

    def fit(self, engine: str, setting: Setting = "default") -> Fit | Failure | None:
        """Return what ``engine`` gave in ``setting``, or None when it was not run."""
        return next((f for f in self.fits if f.engine == engine and f.setting == setting), None)

    @property
    def engines(self) -> tuple[str, ...]:
        """Every engine, in the order asked for."""
        return tuple(dict.fromkeys(f.engine for f in self.fits))

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Every setting, the one that counts first."""
        return tuple(dict.fromkeys(f.setting for f in self.fits))

    @property
    def verdict(self) -> VerdictClass:
        """What the case comes to in the setting that counts: the gravest of its engines."""
        return verdict_of(self.comparisons, self.judgements)

    def judgement(self, engine: str, setting: Setting = "default") -> Judgement | None:
        """Return the judgement of an engine, or None when it was not run."""
        return _of(self.judgements, engine, setting)

    def comparison(self, engine: str, setting: Setting = "default") -> Comparison | None:
        """Return an engine beside the reference, or None when it was not run, or is it."""
        return _of(self.comparisons, engine, setting)

    def audit(self, engine: str, setting: Setting = "default") -> Audit | None:
        """Return the referee's examination of a fit, or None when there is none."""
        judgement = self.judgement(engine, setting)
        return None if judgement is None else judgement.audit


def verdict_of(comparisons: Sequence[Comparison], judgements: Sequence[Judgement]) -> VerdictClass:
    """Return the gravest verdict of the first setting: of comparisons, where there are any."""
    if comparisons:
        first = comparisons[0].setting
        return graver(*(c.verdict for c in comparisons if c.setting == first))
    first = judgements[0].setting
    return graver(*(j.verdict for j in judgements if j.setting == first))


_Either = TypeVar("_Either", Judgement, Comparison)


def _of(found: Sequence[_Either], engine: str, setting: Setting) -> _Either | None:
    return next((f for f in found if f.engine == engine and f.setting == setting), None)


class Footer(msgspec.Struct, frozen=True, kw_only=True, tag="footer", tag_field="record"):
    """Last line: the run came to its end."""

    cases: int
    properties: int
    verdicts: dict[str, int]
    finished: str
    seconds: float


Record = Header | CaseRecord | PropertyOutcome | Footer


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A record file as read."""

    header: Header
    cases: tuple[CaseRecord, ...]
    properties: tuple[PropertyOutcome, ...]
    footer: Footer | None


def refusal(found: int) -> str:
    """Say why a file of another format is not read, and what to do."""
    return (
        f"record format {found}; this program reads {FORMAT}: run it again, or read it with the "
        "version that wrote it"
    )


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of one line of a record file."""
    return schema_of(Record)
