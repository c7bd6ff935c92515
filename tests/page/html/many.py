"""Record files of any size: the sample's cases over and over, under other names."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from harness.base.json import encode
from harness.judge.property_outcome import PropertyOutcome, Status
from harness.judge.records import CaseRecord, Footer
from tests.page.html import sample, sample_runs

SHAPES = ("intercept", "slope", "nested", "crossed", "few groups", "small groups")
NAME = "THE-NAME"


def templates() -> list[CaseRecord]:
    """Return a short case of each verdict; the first one, which agrees, is by far the commonest."""

    def short(verdict: Any, **options: Any) -> CaseRecord:
        return sample.case(NAME, verdict, groups=3, per_group=4, title=NAME, **options)

    agree = short("AGREE")
    wrong = short("WRONG_OPTIMUM", apart=0.08, blamed=(sample.ENGINE,), causes=("sm-score-sign",))
    trap = short(
        "WRONG_OPTIMUM", apart=0.3, blamed=(sample.REFERENCE,), causes=("lme4-column-trap",)
    )
    unknown = short("UNEXPLAINED", apart=0.02, sentence="No cause was found.")
    late = short("TOLERANCE", apart=2e-5, causes=("no-such-cause",))
    singular = sample.with_audits(
        agree, lambda a: msgspec.structs.replace(a, certificate="boundary optimum")
    )
    crash = sample_runs.failing(
        NAME, "FAILED", "crash", "signal 11", groups=3, per_group=4, title=NAME
    )
    return [agree, singular, late, wrong, trap, unknown, crash]


def which(number: int) -> int:
    """Return the template of case ``number``: a fixed mixture, the rare ones one in a thousand."""
    for template, every, offset in ((5, 1000, 777), (4, 500, 33), (6, 250, 9), (3, 50, 3)):
        if number % every == offset:
            return template
    return 2 if number % 20 == 1 else 1 if number % 7 == 2 else 0


def write(path: Path, cases: int, *, finished: bool = True, checks: int = 0, **head: Any) -> Path:
    """Write a run of so many cases, and of so many checks of properties."""
    made = templates()
    parts = [
        encode(msgspec.structs.replace(t, group="THE-SHAPE")).decode().split(NAME) for t in made
    ]
    counts = Counter(made[which(k)].verdict for k in range(cases))
    facts = {"planned": cases, "title": "Drawn cases", "options": {"profile": "nightly"}, **head}
    header = sample.header(**facts)
    with path.open("w", encoding="utf-8") as file:
        file.write(encode(header).decode() + "\n")
        for k in range(cases):
            line = f"drawn/{k:06d}".join(parts[which(k)])
            file.write(line.replace("THE-SHAPE", SHAPES[k % len(SHAPES)]) + "\n")
            # Five checks of each of the first cases follow their case.
            for number in range(5 * k, min(5 * k + 5, checks)):
                file.write(encode(check(number)).decode() + "\n")
        if finished:
            footer = Footer(
                cases=cases,
                properties=checks,
                verdicts=dict(counts),
                finished="2026-11-22T17:00:00Z",
                seconds=7265.0,
            )
            file.write(encode(footer).decode() + "\n")
    return path


def check(number: int) -> PropertyOutcome:
    """Return a check of one of five properties; the fifth is never applicable."""
    statuses: dict[int, Status] = {3: "fails", 8: "unexplained", 5: "not applicable"}
    status = "not applicable" if number % 5 == 4 else statuses.get(number % 60, "holds")
    broken = status in ("fails", "unexplained")
    return PropertyOutcome(
        property=f"property-{number % 5}",
        case=f"drawn/{number // 5:06d}",
        group=SHAPES[number // 5 % len(SHAPES)],
        engine=sample.ENGINE,
        reference=sample.REFERENCE,
        setting="default",
        status=status,
        causes=("sm-score-sign",) if status == "fails" else (),
        engines=(sample.ENGINE,) if broken else (),
        sentence=f"Check {number} does not hold." if broken else "",
        notes=(f"gap {number}",) if broken else (),
        discrepancy=1.5 + number if broken else float("nan") if status != "holds" else 0.25,
    )
