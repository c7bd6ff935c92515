"""``lmm-parity translate``: one model in both languages, and in words."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.errors import BadInput
from harness.commands import options

if TYPE_CHECKING:
    from harness.spelling.translation import Translation

_WIDTH = 100
_LABEL = 14


@click.command()
@click.argument("text", metavar="FORMULA|CALL")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="CSV",
    help="The data: whether factors are nested and which columns are text is read off them.",
)
@options.ml
@options.factors
@options.written
@options.reading
@options.as_json
@options.quiet
def translate(
    text: str, data: Path | None, ml: bool, factors: tuple[str, ...], as_json: bool, quiet: bool
) -> None:
    """Say a model in lme4's syntax, as a statsmodels call and in words, with the traps.

    It takes a formula, Python that calls mixedlm, or a call of lmer, lme, gls, glmer, glmmTMB,
    mmrm, pymer4's Lmer or PROC MIXED (- reads standard input), and never runs it.

    \b
    lmm-parity translate "y ~ x + (x || g)"
    lmm-parity translate 'smf.mixedlm("y ~ x", df, groups="g", vc_formula={"b": "0 + C(b)"})'
    """
    from harness.spelling import translation

    frame = options.own_dataset(data).frame if data is not None else None
    given = sys.stdin.read() if text == "-" else text
    if not translation.says_criterion(given):
        given = options.whole_formula(given)
    if ml and translation.says_criterion(given):
        raise BadInput("--ml is for a formula; a call says itself which criterion it takes")
    found = translation.translate(
        given,
        criterion="ML" if ml else "REML",
        frame=frame,
        factors=factors,
        residual=options.residual_given(),
    )
    if as_json:
        click.echo(json.dumps(_plain(found), ensure_ascii=False))
    elif not quiet:
        _print(found)


def _plain(found: Translation) -> dict[str, object]:
    return {
        "origin": found.origin,
        "lme4": found.formula,
        "r": found.r,
        "statsmodels": found.python,
        "words": found.words,
        "obstacle": found.obstacle,
        "programs": dict(found.programs),
        "traps": [{"key": trap.key, "text": trap.text} for trap in found.traps],
    }


def _print(found: Translation) -> None:
    missing = f"not expressible: {found.obstacle}"
    if found.formula and "lme4" in found.programs:
        _code("formula", found.formula)
    elif found.formula:
        _code("lme4", f"{found.formula}\n{found.r}".rstrip())
    else:
        _sentence("lme4", missing)
    if found.origin == "lme4":
        if found.obstacle:
            _sentence("statsmodels", missing)
        else:
            _code("statsmodels", found.python)
    for name, call in found.programs.items():
        if call.startswith("# "):
            _sentence(name, call.removeprefix("# "))
        else:
            _code(name, call)
    if found.words:
        _sentence("in words", found.words)
    for i, trap in enumerate(found.traps):
        _sentence("" if i else "watch out", f"- {trap.text} ({trap.key})", hanging="  ")


def _code(label: str, text: str) -> None:
    for i, line in enumerate(text.splitlines()):
        click.echo(f"{'' if i else label:<{_LABEL}}{line}")


def _sentence(label: str, text: str, *, hanging: str = "") -> None:
    lines = textwrap.wrap(
        text,
        _WIDTH - _LABEL,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
    for i, line in enumerate(lines):
        click.echo(f"{'' if i else label:<{_LABEL}}{line}")
