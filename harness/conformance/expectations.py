"""Expectations: what is known to fail, with its reason, in a file that the suite's user owns.

A TOML file of entries::

    [[expected]]
    property = "parity"          # a name or glob of `lmm-parity conformance --list`
    cause = "sm-score-sign"      # optional: a key or glob of known_differences.toml
    reason = "MixedLM.score_sqrt loses the sign of a column"
    issue = "statsmodels#1234"   # optional

``case``, ``engine``, ``verdict`` and ``setting`` narrow an entry further.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import get_args

import msgspec

from harness.base.errors import BadInput
from harness.conformance.suite_result import (
    OutcomeStanding,
    Standing,
    SuiteResult,
    definition_of,
    fails,
    is_of_another,
    own_causes,
)
from harness.engines.engine import Setting
from harness.judge.causes.entries import load_known
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.verdict import VerdictClass


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry; texts but the reason and the issue are globs.

    Attributes
    ----------
    property, case : str
        What is expected to fail; an entry gives at least one of the two.
    engine : str
        The engine to which the failure is laid, or the engine under test when it is laid to none.
    cause : str
        The entry covers these causes of a failure; all, and failures without one, when not given.
    verdict, setting : str
        Only failures with this verdict, in this setting.
    rare : bool
        It need not show in every run, and is not reported when it does not: for what random data
        rarely bring out.
    """

    reason: str
    property: str = "*"
    case: str = "*"
    engine: str = "*"
    cause: str = ""
    verdict: VerdictClass | None = None
    setting: Setting | None = None
    issue: str = ""
    rare: bool = False

    def selects(self, outcome: PropertyOutcome) -> bool:
        """Say whether an outcome, failing or not, is one that the entry speaks of."""
        return (
            fnmatchcase(outcome.property, self.property)
            and fnmatchcase(outcome.case, self.case)
            and self.setting in (None, outcome.setting)
        )

    def covers(self, outcome: PropertyOutcome) -> frozenset[str] | None:
        """Return which causes of a failing outcome are expected; None when the outcome is not.

        What is unexplained has no cause, so that an entry for a cause does not speak of it.
        """
        laid_to = outcome.engines or (outcome.engine,)
        if not (
            self.selects(outcome)
            and any(fnmatchcase(engine, self.engine) for engine in laid_to)
            and self.verdict in (None, outcome.verdict)
        ):
            return None
        if not self.cause:
            return frozenset(outcome.causes)
        if outcome.status == "unexplained":
            return None
        found = frozenset(c for c in outcome.causes if fnmatchcase(c, self.cause))
        return found or None

    def in_words(self) -> str:
        """Return what it selects, in a line."""
        given = {
            "property": self.property if self.property != "*" else "",
            "case": self.case if self.case != "*" else "",
            "engine": self.engine if self.engine != "*" else "",
            "cause": self.cause,
            "verdict": self.verdict or "",
            "setting": self.setting or "",
        }
        return ", ".join(f"{key} {value}" for key, value in given.items() if value) or "anything"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    expected: tuple[Expectation, ...] = ()


def read_expectations(path: Path) -> tuple[Expectation, ...]:
    """Read a file of expectations.

    Raises
    ------
    BadInput
        When it is missing, no TOML, or an entry has an unknown key, a wrong value, no reason,
        neither property nor case, or a cause that there is not.
    """
    try:
        content = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not UTF-8; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path}: not TOML: {error}") from None
    entries = content.pop("expected", [])
    if content or not isinstance(entries, list):
        odd = next(iter(content), "expected")
        raise BadInput(f"{path}: {odd!r} is not known here; each entry begins with [[expected]]")
    read = []
    for number, entry in enumerate(entries, 1):
        try:
            expectation = msgspec.convert(entry, Expectation)
        except msgspec.ValidationError as error:
            raise BadInput(f"{path}: entry {number}: {_in_words(str(error))}") from None
        wrong = _wrong(expectation, entry)
        if wrong:
            raise BadInput(f"{path}: entry {number}: {wrong}")
        read.append(expectation)
    return tuple(read)


def _wrong(expectation: Expectation, entry: dict[str, object]) -> str:
    if not expectation.reason.strip():
        return "the reason is empty"
    if not {"property", "case"} & entry.keys():
        return 'it needs a property or a case; property = "*" is every one'
    if expectation.cause and not any(fnmatchcase(c, expectation.cause) for c in load_known()):
        return f"there is no cause {expectation.cause!r} (see known_differences.toml)"
    return ""


def _in_words(message: str) -> str:
    """Say what msgspec says about a structure in terms of a TOML table."""
    words = {
        "Object missing required field `reason`": "it has no reason",
        "Object contains unknown field": "unknown key",
    }
    for theirs, ours in words.items():
        message = message.replace(theirs, ours)
    if message.startswith("Invalid enum value") and message.endswith("`$.verdict`"):
        return f"{message}; verdicts are {', '.join(get_args(VerdictClass))}"
    return message


def expected_by(
    outcome: PropertyOutcome, expectations: Iterable[Expectation]
) -> tuple[Expectation, ...] | None:
    """Return the entries that make a failing outcome an expected one; None when it is not.

    Together they have to cover every cause that was found and is the engine's own; those of the
    main one come first. A cause that is a feature of the data (a true boundary, say) describes the
    case and needs no entry, unless there is no other cause.
    """
    known = load_known()
    covering: list[Expectation] = []
    covered: set[str] = set()
    for expectation in expectations:
        causes = expectation.covers(outcome)
        if causes is not None:
            covering.append(expectation)
            covered |= causes
    if not covering:
        return None
    own = own_causes(outcome)
    faults = {c for c in own if c not in known or known[c].kind != "data"}
    if (faults or set(own)) - covered:
        return None
    main = own[:1]
    return tuple(sorted(covering, key=lambda e: not {*main} & (e.covers(outcome) or set())))


def judge(
    outcomes: Iterable[PropertyOutcome],
    expectations: Sequence[Expectation] = (),
    *,
    strict: bool = False,
    selected: Iterable[str] | None = None,
    whole: bool = True,
    notes: tuple[str, ...] = (),
) -> SuiteResult:
    """Hold outcomes against expectations.

    Parameters
    ----------
    selected : iterable of str, optional
        Names of the properties that were asked for; entries for others only are not stale.
    whole : bool
        False for a shard: what an entry waits for may be in another one, so none is stale.
    """
    judged: list[OutcomeStanding] = []
    spoken_of: set[int] = set()
    used: set[int] = set()
    for outcome in outcomes:
        standing: Standing = "holds" if outcome.status == "holds" else "not applicable"
        reasons: tuple[str, ...] = ()
        if outcome.status != "not applicable":
            spoken_of |= {i for i, e in enumerate(expectations) if e.selects(outcome)}
        if fails(outcome):
            covering = expected_by(outcome, expectations)
            reasons = tuple(_reason(e) for e in covering or ())
            named = definition_of(outcome)
            if covering is None and named:
                reasons = (f"another definition: {named}",)
            standing = "expected" if reasons else "unexpected"
            standing = "another's" if is_of_another(outcome) else standing
            used |= {i for i, e in enumerate(expectations) if e.covers(outcome) is not None}
        judged.append(OutcomeStanding(outcome, standing, reasons))
    names = None if selected is None else tuple(selected)
    stale = [
        f"entry {i + 1} ({e.in_words()}): {_why_stale(spoken=i in spoken_of)}"
        for i, e in enumerate(expectations)
        if whole and not e.rare and i not in used and _asked_for(e, names)
    ]
    return SuiteResult(tuple(judged), tuple(stale), notes, strict)


def _reason(expectation: Expectation) -> str:
    issue = f" ({expectation.issue})" if expectation.issue else ""
    return f"{expectation.reason}{issue}"


def _why_stale(*, spoken: bool) -> str:
    if spoken:
        return "unexpectedly passing: what it speaks of was checked, and nothing fails like this"
    return "unmatched: nothing that was checked has this name"


def _asked_for(expectation: Expectation, names: tuple[str, ...] | None) -> bool:
    return names is None or any(fnmatchcase(name, expectation.property) for name in names)
