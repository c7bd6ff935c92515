"""A diagnosis on the terminal: the answer first, then the evidence, complete without pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.diagnose.diagnosis import (
    Cause,
    Check,
    Conclusion,
    Diagnosis,
    OptimizerRun,
    Remedy,
    Singular,
)
from harness.diagnose.phrases import number
from harness.engines.engine import Failure, Fit

_INDENT = 2

_LEGEND = (
    "* as the program comes. start: its own, small variances, lme4's answer, the referee's optimum "
    "or enlarged from it. grad.: largest scaled derivative. conv.: whether the program says so"
)

_LEVELS = {
    "fine": ("ok", "green"),
    "note": ("note", "cyan"),
    "warning": ("look", "yellow"),
    "stop": ("stop", "bold red"),
}


def print_diagnosis(found: Diagnosis, console: Console | None = None) -> None:
    """Print a diagnosis.

    Parameters
    ----------
    console : Console, optional
        Standard output without it: as wide as the terminal, 100 columns in a pipe.
    """
    console = console or _console()
    for part in _parts(found):
        console.print(part)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=100)


def _parts(found: Diagnosis) -> Iterator[object]:
    case = found.case
    groups = ", ".join(f"{n} {g}" for g, n in case.data.groups.items())
    yield Text(case.formula, style="bold")
    yield Text(
        f"{case.criterion}, {case.data.rows_used} rows" + (f", groups: {groups}" if groups else ""),
        style="bright_black",
    )
    yield ""
    for i, sentence in enumerate(found.answer):
        yield Text(sentence, style="bold" if i == 0 else "")
    yield from _section("Side by side", [_fits(found)])
    if found.causes:
        yield from _section("Causes and remedies", _causes(found.causes))
    changed = [c for c in found.conclusions if c.changed]
    if found.conclusions:
        table = _conclusions(found.conclusions, found)
        yield from _section("p values", [table, *_said(changed)])
    if found.singular:
        yield from _section("Singular fit", _singular(found.singular))
    if found.profiles:
        level = f"{100 * found.profiles[0].level:g} %"
        title = f"Variance parameters, with {level} likelihood-ratio intervals"
        yield from _section(title, [_profiles(found)])
    yield from _section("Data and model", [_checks(found.checks)])
    if found.runs:
        best = "" if case.best_loglik is None else f", {case.best_loglik:.6g}"
        title = "Every optimizer, by its distance from the best log-likelihood"
        yield from _section(
            f"{title}{best}", [_runs(found.runs), Text(_LEGEND, style="bright_black")]
        )
    if found.translations:
        yield from _section("What the programs said", _translations(found))
    yield from _section("Conditioning", _conditioning(found))
    definitions = [Text(line, style="bright_black") for line in _definitions(found)]
    if definitions:
        yield from _section("Not the same by definition", definitions)
    if found.notes:
        yield from _section("Notes", [Text(note) for note in found.notes])


def _section(title: str, content: Sequence[object] | Iterator[object]) -> Iterator[object]:
    yield ""
    yield Text(title, style="bold underline")
    for item in content:
        yield Padding(item, (0, 0, 0, _INDENT), expand=False)  # type: ignore[arg-type]


def _table(*columns: str, left: int = 1) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bright_black")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < left else "right", overflow="fold")
    return table


def _fits(found: Diagnosis) -> Table:
    """Log-likelihood, certificate and the focus effect of each engine and of the best point."""
    case = found.case
    focus = case.focus
    table = _table("", "log-lik.", "below best", focus, "SE", "df", "p", "certificate")
    table.columns[0].no_wrap = True
    table.columns[-1].justify = "left"
    for fit in (f for f in case.fits if f.setting == "default" and f.engine in found.engines):
        if isinstance(fit, Failure):
            table.add_row(fit.engine, *[""] * 6, Text(_short(fit.text), style="yellow"))
            continue
        audit = case.audit(fit.engine)
        row = next((c for c in fit.coefficients if c.name == focus), None)
        fair = next((c for c in audit.coefficients if c.name == focus), None) if audit else None
        cells = [number(row.estimate), number(row.se)] if row else ["", ""]
        df = "" if row is None or row.df is None else number(row.df).replace("infinite", "z")
        table.add_row(
            fit.engine,
            "" if fit.loglik is None else f"{fit.loglik:.4f}",
            "" if audit is None else number(max(0.5 * audit.gap, 0.0)),
            *cells,
            df,
            "" if row is None or row.p is None else _p(row.p),
            "" if audit is None else audit.certificate,
        )
        if fair is not None and fit.engine == "statsmodels" and row is not None:
            table.add_row(
                Text("  like for like", style="bright_black"),
                "",
                "",
                number(fair.estimate),
                number(fair.se),
                number(fair.df),
                _p(fair.p),
                "",
            )
    return table


def _p(value: float | None) -> str:
    if value is None:
        return ""
    if value == 0.0:
        return "< 1e-300"
    return f"{value:.4f}" if value >= 0.001 else f"{value:.1e}"


def _short(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) < 90 else f"{one[:87]}..."


def _causes(causes: Sequence[Cause]) -> Iterator[object]:
    for cause in causes:
        who = f" ({', '.join(cause.engines)})" if cause.engines else ""
        yield Text.assemble((cause.title, "bold"), f"{who}  ", (cause.key, "bright_black"))
        yield Padding(Text(cause.evidence), (0, 0, 0, _INDENT), expand=False)
        for remedy in cause.remedies:
            yield Padding(_remedy(remedy), (0, 0, 0, _INDENT), expand=False)


def _remedy(remedy: Remedy) -> Table:
    """Show what was tried, with its numbers, and how to do the same where it helped."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column()
    mark, style = ("helped", "green") if remedy.helped else ("no help", "yellow")
    grid.add_row(Text(mark, style=style), Text(f"{remedy.title}: {remedy.sentence}"))
    if remedy.helped:
        for code in (remedy.r_code, remedy.python_code):
            if code:
                grid.add_row("", Text(code, style="cyan"))
    return grid


def _conclusions(every: Sequence[Conclusion], found: Diagnosis) -> Table:
    engines = [e for e in found.engines if any(e in dict(c.printed) for c in every)]
    table = _table("", *[f"{e} prints" for e in engines], "at the best point", "")
    for c in every:
        printed = dict(c.printed)
        table.add_row(
            c.name,
            *[_p(printed.get(e)) for e in engines],
            _p(c.right),
            Text(f"crosses {found.alpha:g}", style="bold yellow") if c.changed else "",
        )
    return table


def _said(changed: Sequence[Conclusion]) -> Iterator[Text]:
    yield from (Text(c.sentence) for c in changed)


def _singular(terms: Sequence[Singular]) -> Iterator[object]:
    for term in terms:
        yield Text(term.sentence)
        if term.proportions:
            shares = ", ".join(f"{100 * p:.1f} %" for p in term.proportions)
            yield Text(f"share of the variance by principal component: {shares}")
        if term.shifts:
            table = _table("", "full", "SE", "p", "reduced", "SE", "p")
            for s in term.shifts:
                table.add_row(
                    s.name,
                    number(s.estimate),
                    number(s.se),
                    _p(s.p),
                    number(s.estimate_reduced),
                    number(s.se_reduced),
                    _p(s.p_reduced),
                )
            yield Text(f"reduced model: {term.reduced_formula}")
            yield table
            yield Text(term.reduced_python, style="cyan")
        if term.df_warning:
            yield Text(term.df_warning, style="yellow")


def _profiles(found: Diagnosis) -> Table:
    engines = [
        e for e in found.engines if any(e in [n for n, *_ in p.engines] for p in found.profiles)
    ]
    table = _table("", "best point", "from", "to", *engines)
    for p in found.profiles:
        least, most = {"correlation": ("-1", "1")}.get(p.scale, ("0", "unbounded"))
        own = {engine: number(value) for engine, value, _ in p.engines}
        table.add_row(
            p.parameter,
            number(p.best),
            least if p.low is None else number(p.low),
            most if p.high is None else number(p.high),
            *[own.get(engine, "") for engine in engines],
        )
    return table


def _checks(checks: Sequence[Check]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for check in checks:
        mark, style = _LEVELS[check.level]
        text = Text(check.sentence)
        if check.advice:
            text.append(f" {check.advice}", style="cyan")
        table.add_row(Text(mark, style=style), text)
    return table


def _runs(runs: Sequence[OptimizerRun]) -> Table:
    table = _table("optimizer", "start", "below best", "grad.", "s", left=2)
    table.padding = (0, 1, 0, 0)
    table.columns[0].no_wrap = True
    table.add_column("conv.", justify="left", no_wrap=True)
    table.add_column("is at", justify="left", overflow="fold")
    engine = ""
    for run in runs:
        if run.engine != engine:
            engine = run.engine
            table.add_row(Text(engine, style="bold"))
        good = run.certificate in ("interior optimum", "boundary optimum")
        where = "the optimum" if good else run.certificate
        table.add_row(
            Text(f"{'*' if run.default else ' '} {run.optimizer}"),
            run.start,
            "" if run.gap is None else number(max(run.gap, 0.0)),
            "" if run.gradient is None else f"{run.gradient:.0e}",
            ""
            if run.seconds == 0.0
            else f"{run.seconds:.2f}"
            if run.seconds < 10
            else f"{run.seconds:.0f}",
            {True: "yes", False: "no", None: ""}[run.converged],
            Text(_short(run.error) if run.error else where, style="green" if good else "yellow"),
        )
    return table


def _translations(found: Diagnosis) -> Iterator[object]:
    before = ("", "")
    for t in found.translations:
        style = {True: "yellow", False: "green", None: ""}[t.matters]
        verdict = {True: "matters here", False: "harmless here", None: "not judged"}[t.matters]
        yield Text.assemble((t.engine, "bold"), f': "{_short(t.text)}"')
        line = Text(f"{t.meaning} " if t.meaning else "")
        same = (t.engine, t.because) == before
        because = "for the same reason" if same else f"because {t.because}"
        line.append(f"{verdict.capitalize()}, {because}.", style=style)
        yield Padding(line, (0, 0, 0, _INDENT), expand=False)
        before = (t.engine, t.because)


def _conditioning(found: Diagnosis) -> Iterator[object]:
    about = found.conditioning
    if about is None:
        return
    yield Text(
        f"condition of X {number(about.x_raw)}, columns at unit length {number(about.x_scaled)}"
        + (
            f"; of the information on the fixed effects {number(about.information)}"
            if about.information is not None
            else ""
        )
    )
    if about.hessian:
        values = ", ".join(number(v) for v in about.hessian)
        yield Text(
            f"Hessian of the deviance at the best point, scale-free: eigenvalues {values}; largest "
            f"scaled derivative there {number(about.gradient)}"
        )
    table = _table("column", "mean", "SD")
    for column in about.columns:
        table.add_row(column.name, number(column.mean), number(column.sd))
    yield table


def _definitions(found: Diagnosis) -> Iterator[str]:
    keys = sorted({d.cause for d in found.case.definitions})
    if keys and len(found.engines) > 1:
        from harness.judge.causes.entries import load_known

        known = load_known()
        for key in keys:
            example = next(d for d in found.case.definitions if d.cause == key)
            fits = [f for f in found.case.fits if isinstance(f, Fit)]
            right = "nothing" if example.right is None else number(example.right)
            if fits:
                yield (
                    f"{known[key].title}: {example.item} {number(example.left)} there, "
                    f"{right} in R ({key})"
                )
