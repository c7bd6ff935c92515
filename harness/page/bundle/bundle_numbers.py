"""The numbers that a bundle's scripts print, held against those of the record."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.engines.engine import Failure, Fit
from harness.engines.mixedlm_result import intercept_variances
from harness.judge.lre import lre
from harness.judge.records import CaseRecord
from harness.page.bundle.bundle_scripts import Ran


@dataclass(frozen=True)
class Printed:
    """The numbers of one fit as a script prints them, as text of 15 digits.

    ``effects`` holds a row of numbers per fixed effect and ``variances`` a number per variance or
    covariance, sorted by size: programs order and name them differently.
    """

    loglik: str
    effects: tuple[tuple[str, ...], ...]
    variances: tuple[str, ...]
    error: str = ""


def printed_numbers(text: str) -> Mapping[str, Printed]:
    """Read the output of a script: by setting what it printed."""
    found = {}
    for block in re.split(r"^== ", text, flags=re.MULTILINE)[1:]:
        setting, _, body = block.partition(" ==\n")
        lines = [line for line in body.splitlines() if line.strip()]
        named = {line.split()[0]: line for line in lines}
        heads = [line.split() for line in lines if re.match(r"effect\s+estimate\b", line)]
        columns = 0 if not heads else sum(not w.startswith("(") for w in heads[0]) - 1
        effects = [tuple(line.split()[-columns:]) for line in lines if line.startswith("effect ")][
            1:
        ]
        variances = [line.split()[-1] for line in lines if line.startswith("variance ")]
        found[setting] = Printed(
            loglik=named["logLik"].split()[-1] if "logLik" in named else "",
            effects=tuple(sorted(effects, key=by_size)),
            variances=_without_zeros(variances),
            error=named["error"].removeprefix("error").strip() if "error" in named else "",
        )
    return found


def by_size(row: tuple[str, ...]) -> tuple[float, ...]:
    """Order rows of printed numbers."""
    return tuple(map(float, row))


def unlike_record(ran: Ran, record: CaseRecord, engine: str) -> tuple[str, ...]:
    """Say where a script's numbers are not those of the record, to the 15 digits printed."""
    printed = printed_numbers(ran.text)
    if all(fit.engine != engine for fit in record.fits):
        return (f"{engine} was not part of the run",)
    unlike = []
    for fit in record.fits:
        # A program that has one setting prints one.
        if fit.engine != engine or fit.setting not in {"default", *printed}:
            continue
        seen = printed.get(fit.setting)
        if isinstance(fit, Failure):
            if fit.reason != "unsupported" and (seen is None or not seen.error):
                unlike.append(f"{fit.setting}: the record has no fit ({fit.reason})")
        elif seen is None or seen.error:
            unlike.append(f"{fit.setting}: the script has no fit")
        else:
            wanted = recorded_numbers(fit, width=len(seen.effects[0]) if seen.effects else 0)
            if seen != wanted:
                unlike.append(f"{fit.setting}: {agreement(seen, wanted)}")
    return tuple(unlike)


def recorded_numbers(fit: Fit, *, width: int) -> Printed:
    """Write a fit as the scripts print it; a row of ``width`` 5 has the df."""
    rows = [
        tuple(
            _text(x) for x in (c.estimate, c.se, *([c.df] if width == 5 else []), c.statistic, c.p)
        )
        for c in fit.coefficients
    ]
    variances = [
        _text(t.covariance[i][j])
        for t in fit.random
        for i in range(len(t.names))
        for j in range(i + 1)
    ]
    # The script prints what MixedLM does, and not what that is as compound symmetry.
    symmetric = fit.fitter == "MixedLM" and fit.residual
    rest = intercept_variances(fit) if symmetric else (fit.residual_variance,)
    return Printed(
        loglik=_text(fit.loglik),
        effects=tuple(sorted(rows, key=by_size)),
        variances=_without_zeros([*variances, *map(_text, rest)]),
    )


def _without_zeros(variances: Iterable[str]) -> tuple[str, ...]:
    """Sort by size; a covariance of zero is none where another program states no such term."""
    return tuple(sorted((v for v in variances if float(v) != 0.0), key=float))


def _text(value: float | None) -> str:
    return "nan" if value is None else f"{value:.15g}"


def agreement(one: Printed, other: Printed) -> str:
    """Say to how many digits two outputs agree, by kind of number."""
    if [len(r) for r in one.effects] != [len(r) for r in other.effects]:
        return f"{len(one.effects)} fixed effects and {len(other.effects)}"
    if len(one.variances) != len(other.variances):
        return f"{len(one.variances)} variances and {len(other.variances)}"
    pairs = {
        "log-likelihood": [(one.loglik, other.loglik)],
        "estimates": columns(one, other, slice(0, 1)),
        "SE": columns(one, other, slice(1, 2)),
        "tests": columns(one, other, slice(2, None)),
        "variances": list(zip(one.variances, other.variances, strict=True)),
    }
    said = []
    for kind, values in pairs.items():
        digits = min((lre(float(a), float(b)) for a, b in values if a != b), default=math.inf)
        said.append(f"{kind} {'equal' if digits == math.inf else f'to {digits:.1f} digits'}")
    return ", ".join(said)


def columns(one: Printed, other: Printed, which: slice) -> list[tuple[str, str]]:
    """Pair the numbers in some columns of two tables of fixed effects."""
    return [
        pair
        for r, s in zip(one.effects, other.effects, strict=True)
        for pair in zip(r[which], s[which], strict=True)
    ]
