"""How verdicts, certificates and findings look: one table each, for every kind of page.

A look has a word, an icon, a sign for places without pictures and a colour family, so that colour
is never the only sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.conformance.suite_result import Standing
from harness.diagnose.diagnosis import Agreement, Level
from harness.judge.audit import Certificate
from harness.judge.case_verdict import told
from harness.judge.property_outcome import Status
from harness.judge.records import CaseRecord
from harness.judge.verdict import VerdictClass

Family = Literal["agree", "differ", "silent", "unexplained"]

STYLES: dict[Family, str] = {
    "agree": "green",
    "differ": "yellow",
    "silent": "bright_black",
    "unexplained": "red",
}
"""Colours of a terminal."""


@dataclass(frozen=True)
class Look:
    """How something is shown.

    Attributes
    ----------
    label : str
        The word.
    family : str
        Of colours.
    icon : str
        A symbol of ``symbols.svg``, without ``i-``.
    sign : str
        One character that stands for the icon where there are no pictures.
    """

    label: str
    family: Family
    icon: str
    sign: str = ""


@dataclass(frozen=True)
class VerdictLook(Look):
    """How a verdict class is shown.

    Attributes
    ----------
    plain : str
        What it says, in plain words.
    interest : int
        How soon a reader wants to see a case with this verdict: the highest first.
    rank : int
        From the best to the worst, for what changed between two runs; equal ranks are neither
        better nor worse than each other.
    """

    plain: str = ""
    interest: int = 0
    rank: int = 0


def _verdict(
    label: str, plain: str, family: Family, icon: str, sign: str, interest: int, rank: int
) -> VerdictLook:
    return VerdictLook(label, family, icon, sign, plain, interest, rank)


VERDICTS: dict[VerdictClass, VerdictLook] = {
    "RIGHT": _verdict("RIGHT", "the right answer", "agree", "check", "=", 0, 0),
    "AGREE": _verdict("AGREE", "the same answer", "agree", "check", "=", 0, 0),
    "TOLERANCE": _verdict(
        "TOLERANCE", "the same once both stop later", "agree", "about", "~", 2, 1
    ),
    "DEFINITION": _verdict(
        "DEFINITION", "the same fit, defined otherwise", "agree", "equals", "d", 2, 2
    ),
    "CODING": _verdict("CODING", "the same fit, coded otherwise", "agree", "swap", "c", 2, 2),
    "WRONG_OPTIMUM": _verdict(
        "WRONG OPTIMUM", "an engine stopped short", "differ", "warning", "!", 5, 4
    ),
    "FALSE_STATEMENT": _verdict(
        "FALSE STATEMENT", "a number is not what it is called", "differ", "no", "!", 5, 4
    ),
    "DIFFERENT_MODEL": _verdict(
        "DIFFERENT MODEL", "not the same model", "differ", "fork", "!", 6, 5
    ),
    "DATA_MISMATCH": _verdict("DATA MISMATCH", "not the same data", "differ", "fork", "!", 7, 7),
    "UNEXPLAINED": _verdict("UNEXPLAINED", "no cause found", "unexplained", "question", "?", 8, 9),
    "UNDETERMINED": _verdict(
        "UNDETERMINED", "the data do not determine it", "silent", "about", "-", 1, 3
    ),
    "UNSUPPORTED": _verdict(
        "UNSUPPORTED", "an engine cannot express it, or was left out", "silent", "bar", "-", 1, 3
    ),
    "FAILED": _verdict("FAILED", "an engine gave no answer", "silent", "cross", "x", 4, 6),
    "ENVIRONMENT": _verdict("ENVIRONMENT", "the engine did not run", "silent", "cross", "x", 3, 8),
}
"""In the order in which they are shown."""

QUIET: frozenset[VerdictClass] = frozenset({"RIGHT", "AGREE", "TOLERANCE", "UNSUPPORTED"})
"""Verdicts whose cards start closed."""


def severity(case: CaseRecord) -> int:
    """Return how soon a reader wants to see a case: its worst verdict in any setting."""
    return max(VERDICTS[one.verdict].interest for one in told(case))


CERTIFICATES: dict[Certificate, Look] = {
    "interior optimum": Look("interior optimum", "agree", "bowl"),
    "boundary optimum": Look("boundary optimum (singular)", "agree", "edge"),
    "closed form": Look("closed form", "agree", "closed"),
    "stopped short": Look("stopped short", "differ", "slope"),
    "false boundary": Look("false boundary", "differ", "wall"),
    "outside the parameter space": Look("outside the model", "differ", "cross"),
}
"""What the referee calls a fit, in the words of the page."""

ONE_OF_MANY = Look("one of many as good", "silent", "bar")
"""A fit at the lowest deviance, which the data do not determine."""

NOT_AUDITED = Look("not audited", "silent", "bar", "-")
UNTRUE = Look("untrue", "differ", "no", "x")
"""What an engine states of its fit, and is not so."""

NO_FIT = Look("no fit", "silent", "cross", "x")
NO_OPTIMUM = Look("not at the optimum", "differ", "out", "!")
CLOSER = Look("closer", "agree", "lead", ">")
"""Of two engines, to the certified value."""

HOLDS: dict[str, Look] = {
    "match": Look("matches print", "agree", "tick", "="),
    "definition": Look("by definition", "silent", "equals", "d"),
    "mismatch": Look("differs from print", "differ", "no", "!"),
}
"""How a number stands to what is in print."""

AGREEMENTS: dict[Agreement, Look] = {
    "agree": Look("AGREE", "agree", "check"),
    "differ": Look("DIFFER", "differ", "warning"),
    "one engine": Look("ONE ENGINE", "silent", "bar"),
    "no fit": Look("NO FIT", "silent", "cross"),
}
"""What a diagnosis comes to."""

LEVELS: dict[Level, Look] = {
    "fine": Look("fine", "agree", "tick"),
    "note": Look("note", "silent", "lead"),
    "warning": Look("look", "differ", "warning"),
    "stop": Look("stop", "unexplained", "cross"),
}
"""How much a check of data or model matters."""

MATTERS: dict[bool | None, Look] = {
    True: Look("matters here", "differ", "warning"),
    False: Look("harmless here", "agree", "tick"),
    None: Look("not judged", "silent", "bar"),
}
"""What an engine's message is worth."""

WITHIN: dict[bool, Look] = {
    True: Look("within tolerance", "silent", "tick", " "),
    False: Look("outside tolerance", "unexplained", "out", "!"),
}
"""Whether a difference is tolerated."""

CHECKS: dict[bool, Look] = {
    True: Look("ok", "agree", "tick"),
    False: Look("FAIL", "unexplained", "cross"),
}
"""What came of a check of the installation."""

STATUSES: dict[Status, Look] = {
    "holds": Look("HOLDS", "agree", "check"),
    "fails": Look("FAILS", "differ", "warning"),
    "unexplained": Look("UNEXPLAINED", "unexplained", "question"),
    "not applicable": Look("NOT APPLICABLE", "silent", "bar"),
}
"""What came of a property, in the order in which they are shown."""

STANDINGS: dict[Standing, Look] = {
    "holds": Look("holds", "agree", "check"),
    "expected": Look("fails as expected", "silent", "lead"),
    "unexpected": Look("fails", "unexplained", "cross"),
    "another's": Look("another engine's fault", "silent", "lead"),
    "not applicable": Look("not applicable", "silent", "bar"),
}
"""What an outcome is, held against what was expected of it."""

PASSED: dict[bool, Look] = {
    True: Look("passed", "agree", "check", "✅"),
    False: Look("failed", "unexplained", "cross", "❌"),
}
"""What a suite comes to."""

HELPED: dict[bool, Look] = {
    True: Look("helped", "agree", "tick"),
    False: Look("no help", "differ", "no"),
}
"""What came of a remedy."""
