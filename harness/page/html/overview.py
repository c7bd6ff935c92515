"""A large run in numbers: verdicts, causes, digits, findings of the referee, times."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from harness.engines.engine import Setting
from harness.page import appearance, words
from harness.page.distribution import Digits
from harness.page.excerpt import Excerpt
from harness.page.html import axes
from harness.page.html.cause_section import Explanation
from harness.page.html.context import Context, Link
from harness.page.numbers import count, digits_of_agreement, seconds, share
from harness.page.run_summary import Summary

QUANTILES = (0.0, 0.01, 0.1, 0.5)
MOST_DIGITS = 16
PICTURE_WIDTH, PICTURE_HEIGHT, BINS = 176.0, 24.0, 2 * MOST_DIGITS


@dataclass(frozen=True)
class VerdictLine:
    """How many cases have a verdict in each setting."""

    label: str
    family: str
    icon: str
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CauseLine:
    """How many cases show a cause."""

    link: Link
    title: str
    verdicts: str
    definitions: str


@dataclass(frozen=True)
class DigitsLine:
    """Digits of one quantity in one setting over all cases."""

    label: str
    cases: str
    outside: str
    outside_share: str
    quantiles: tuple[str, ...]
    nan: str
    picture: Markup


@dataclass(frozen=True)
class FindingLine:
    """How many fits of each engine and setting the referee finds to be this."""

    label: str
    family: str
    icon: str
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Column:
    """One engine in one setting."""

    engine: str
    rank: int
    setting: Setting


@dataclass(frozen=True)
class Overview:
    """Everything that is counted of a large run."""

    settings: tuple[str, ...]
    verdicts: tuple[VerdictLine, ...]
    causes: tuple[CauseLine, ...]
    digits: tuple[tuple[str, tuple[DigitsLine, ...]], ...]
    over: tuple[tuple[str, int], ...]
    columns: tuple[Column, ...]
    findings: tuple[FindingLine, ...]
    times: tuple[tuple[str, ...], ...]
    slowest: tuple[tuple[str, Link | None, str, int, str], ...]
    singular: str


def overview(excerpt: Excerpt, ctx: Context, known: Mapping[str, Explanation]) -> Overview:
    """Return the tables of a large run."""
    summary = excerpt.summary
    settings = tuple(s for s in ctx.settings if s in summary.verdicts)
    columns = tuple(
        Column(engine, ctx.rank(engine), setting)
        for setting in ctx.settings
        for engine in ctx.engines
        if (setting, engine) in summary.fits
    )
    return Overview(
        settings=settings,
        verdicts=_verdicts(summary, settings),
        causes=_causes(summary, ctx, known),
        digits=tuple(
            (setting, rows) for setting in settings if (rows := _digits(summary, setting))
        ),
        over=tuple(Counter(f"{c.setting} setting" for c in columns).items()),
        columns=columns,
        findings=_findings(summary, columns),
        times=tuple(
            (
                count(fits := summary.fits[c.setting, c.engine]),
                seconds(summary.seconds[c.setting, c.engine] / fits),
                seconds(summary.seconds[c.setting, c.engine]),
            )
            for c in columns
        ),
        slowest=tuple(
            (
                s.case,
                ctx.case_link(s.case),
                s.engine,
                ctx.rank(s.engine),
                f"{s.setting} setting, {seconds(s.seconds)}",
            )
            for s in summary.slowest
        ),
        singular=f"{count(summary.singular)} ({share(summary.singular, summary.cases)})",
    )


def _verdicts(summary: Summary, settings: tuple[Setting, ...]) -> tuple[VerdictLine, ...]:
    lines = []
    for verdict, shown in appearance.VERDICTS.items():
        numbers = [summary.verdicts[s][verdict] for s in settings]
        if any(numbers):
            cells = tuple(
                (count(n), share(n, summary.verdicts[s].total()))
                for n, s in zip(numbers, settings, strict=True)
            )
            lines.append(VerdictLine(shown.label, shown.family, shown.icon, cells))
    return tuple(lines)


def _causes(
    summary: Summary, ctx: Context, known: Mapping[str, Explanation]
) -> tuple[CauseLine, ...]:
    keys = sorted(summary.causes, key=lambda k: (-summary.causes[k].cases, k))
    return tuple(
        CauseLine(
            link=ctx.cause(key),
            title=known[key].title if key in known else key,
            verdicts=count(found.cases) if (found := summary.causes[key]).cases else "",
            definitions=count(found.definitions) if found.definitions else "",
        )
        for key in keys
    )


def _digits(summary: Summary, setting: Setting) -> tuple[DigitsLine, ...]:
    here = {q: d for (s, q), d in summary.digits.items() if s == setting}
    order = [q for q in words.QUANTITIES if q in here] + sorted(set(here) - set(words.QUANTITIES))
    return tuple(
        DigitsLine(
            label=words.quantity(quantity),
            cases=count((found := here[quantity]).cases),
            outside=count(found.outside),
            outside_share=share(found.outside, found.cases) if found.outside else "",
            quantiles=tuple(digits_of_agreement(found.quantile(q)) for q in QUANTILES),
            nan=count(found.nan) if found.nan else "",
            picture=_histogram(found, quantity, setting),
        )
        for quantity in order
    )


def _histogram(found: Digits, quantity: str, setting: str) -> Markup:
    """Return a bar for every half digit; what agrees in all digits has the last one."""
    bars = [found.between(k / 2, (k + 1) / 2) for k in range(BINS)]
    bars[-1] += found.between(MOST_DIGITS, math.inf)
    bars.append(found.equal)
    width, most = PICTURE_WIDTH / len(bars), max(bars) or 1
    drawn = "".join(
        f"M{axes.coordinate(k * width)} {axes.coordinate(PICTURE_HEIGHT)}"
        f"v-{axes.coordinate(max((PICTURE_HEIGHT - 2) * n / most, 1.0))}"
        f"h{axes.coordinate(width - 0.8)}V{axes.coordinate(PICTURE_HEIGHT)}z"
        for k, n in enumerate(bars)
        if n
    )
    middle = digits_of_agreement(found.quantile(0.5))
    return axes.picture(
        words.anchor("digits", f"{setting} {quantity}"),
        PICTURE_WIDTH,
        PICTURE_HEIGHT,
        f"Digits of {quantity}, {setting} setting",
        f"Number of cases by digits of agreement, from 0 at the left to {MOST_DIGITS} and equal at "
        f"the right; half of them have {middle} digits or more.",
        f'<path class="hist" fill="currentColor" stroke="none" d="{drawn}"/>',
    )


def _findings(summary: Summary, columns: tuple[Column, ...]) -> tuple[FindingLine, ...]:
    lines = []
    for name, (label, family, icon) in _FINDINGS.items():
        numbers = [summary.certificates[c.setting, c.engine][name] for c in columns]
        if any(numbers):
            lines.append(FindingLine(label, family, icon, _cells(summary, columns, numbers)))
    for claim in ("converged", "singular"):
        numbers = [summary.untrue[c.setting, c.engine, claim] for c in columns]
        if any(numbers):
            label = f"says {claim} or not, untruly"
            lines.append(FindingLine(label, "differ", "no", _cells(summary, columns, numbers)))
    return tuple(lines)


def _cells(
    summary: Summary, columns: tuple[Column, ...], numbers: list[int]
) -> tuple[tuple[str, str], ...]:
    return tuple(
        (count(n), share(n, summary.fits[c.setting, c.engine])) if n else ("–", "")
        for n, c in zip(numbers, columns, strict=True)
    )


_FINDINGS: dict[str, tuple[str, str, str]] = {
    **{name: (w.label, w.family, w.icon) for name, w in appearance.CERTIFICATES.items()},
    "not audited": ("not audited", "silent", "bar"),
    **{name: (f"no fit: {text}", "silent", "cross") for name, text in words.REASONS.items()},
}
