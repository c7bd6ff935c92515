"""Singular fits: which term, which direction, truly or not, and what is left without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.base.text import listed, number
from harness.data.rungs import Rung
from harness.diagnose.bench import Bench
from harness.diagnose.diagnosis import Price
from harness.diagnose.influence import Steps, influence
from harness.diagnose.phrases import bar, taken_out
from harness.diagnose.price import price_of
from harness.diagnose.reasons import reasons_in_words
from harness.diagnose.remodel import uncorrelated, without_effect
from harness.diagnose.singular_term import ByChance, Shift, Singular, Without
from harness.engines.engine import Fit
from harness.judge.records import CaseRecord
from harness.model.design import RandomDesign
from harness.model.expression_text import term_text
from harness.referee.covariance_space import is_smaller
from harness.referee.kenward_roger import KenwardRogerUndefined, kenward_roger
from harness.referee.mean_squares import mean_squares
from harness.referee.optimum import Optimum
from harness.referee.satterthwaite import ContrastTest, contrast_tests
from harness.referee.term_covariance import NULL_VARIANCE
from harness.spelling.lme4_spelling import model_text
from harness.spelling.mixedlm_spelling import imported, python_call

Array = NDArray[np.float64]

SAME_LOGLIK = 1e-9
"""A log-likelihood lower by no more than this is the same."""


@dataclass(frozen=True)
class Reduction:
    """The model without a direction, with its best point.

    ``through_a_point``: the intercept went and a slope stayed.
    """

    kind: str
    title: str
    rung: Rung
    best: Optimum
    price: Price
    through_a_point: bool = False

    @property
    def lost(self) -> float:
        """The log-likelihood that it costs."""
        return max(-self.price.loglik, 0.0)

    @property
    def p(self) -> float:
        """P of its likelihood-ratio test, from above where it is bounded only."""
        return 1.0 if self.price.p_high is None else self.price.p_high

    @property
    def singular(self) -> bool:
        """Whether the reduced model's best point is singular again."""
        return self.best.optimality.singular


@dataclass(frozen=True)
class Direction:
    """The null direction of a term's covariance matrix, effects at unit root mean square."""

    kind: str
    weights: Array
    widths: Array
    proportions: Array
    null_effects: tuple[int, ...]


def direction_of(psi: Array, z: Array) -> Direction:
    """Find the direction without variance of Psi (q, q), relative to s2, of effects Z (n, q)."""
    widths = np.sqrt((z**2).mean(axis=0))
    widths = np.where(widths > 0.0, widths, 1.0)
    scaled = np.outer(widths, widths) * psi
    values, vectors = np.linalg.eigh(scaled)
    total = max(float(values.sum()), np.finfo(float).tiny)
    weights = vectors[:, 0] * np.sign(vectors[np.argmax(np.abs(vectors[:, 0])), 0])
    diagonal = np.diag(scaled)
    null = tuple(np.flatnonzero(diagonal <= NULL_VARIANCE).tolist())
    if null:
        kind = "variance 0"
    elif len(psi) == 2:
        kind = "correlation 1" if scaled[0, 1] > 0.0 else "correlation -1"
    else:
        kind = "combination"
    proportions = np.maximum(values[::-1], 0.0) / total
    return Direction(kind, weights / np.abs(weights).max(), widths, proportions, null)


def singular_terms(
    bench: Bench, record: CaseRecord, engines: tuple[str, ...]
) -> tuple[Singular, ...]:
    """Describe every term that lacks rank, at the best point or at an engine's false boundary."""
    if bench.best is None or not bench.case.design.random:
        return ()
    return (*_truly(bench, record), *_falsely(bench, record, engines))


def _truly(bench: Bench, record: CaseRecord) -> Iterator[Singular]:
    best = bench.best
    assert best is not None
    steps: Steps = {}
    for t, (term, rank) in enumerate(
        zip(bench.case.design.random, best.optimality.ranks, strict=True)
    ):
        if rank == len(term.names):
            continue
        found = direction_of(bench.relative[t], term.z)
        words = in_words(found, term)
        every = reductions(bench, t)
        chosen = preferred(every)
        shifts: tuple[Shift, ...] = ()
        chance, carried = _by_chance(bench, t, found), _carried(bench, t, found, steps)
        lone = found.kind == "variance 0" and len(found.null_effects) == 1
        effect = term.names[found.null_effects[0]] if lone else ""
        reasons = reasons_in_words(bench.case, t, effect, chance, carried)
        text = (
            f"({', '.join(term.names)} | {term.group}) is truly singular, rank {rank} of "
            f"{len(term.names)}: {words}. The likelihood rises in no direction from there (dual "
            f"eigenvalue {number(best.optimality.dual)}, not below -0.001)."
        )
        if chosen is not None:
            shifts = chosen.price.shifts
            text += _smaller(chosen)
        text = " ".join((text, *reasons))
        yield Singular(
            fit="best",
            group=term.group,
            names=term.names,
            rank=rank,
            truly=True,
            kind=found.kind,
            direction=tuple(zip(term.names, found.weights.tolist(), strict=True)),
            direction_in_words=words,
            proportions=tuple(found.proportions.tolist()),
            dual=best.optimality.dual,
            loglik=bench.loglik,
            loglik_reduced=None if chosen is None else -0.5 * chosen.best.deviance,
            reduced_formula="" if chosen is None else model_text(chosen.rung.case.model),
            reduced_python=""
            if chosen is None or chosen.rung.case.model.residual is not None
            else imported(python_call(chosen.rung.case.model, chosen.rung.case.table)),
            shifts=shifts,
            by_chance=chance,
            without=carried,
            reasons=reasons,
            df_warning=_df_warning(bench, record, chosen),
            sentence=text,
        )


def _smaller(chosen: Reduction) -> str:
    """Say which smaller model there is, by what is taken out of it, and what that loses."""
    lost = f"{number(chosen.lost)} lower" if chosen.lost > SAME_LOGLIK else "that is the same"
    split = chosen.kind == "uncorrelate" and not chosen.singular
    kept = "; that direction has a variance then" if split else ""
    formula = model_text(chosen.rung.case.model)
    return f" The smaller model {formula} ({chosen.title}) has a log-likelihood {lost}{kept}."


def _by_chance(bench: Bench, t: int, found: Direction) -> ByChance | None:
    """Compare what groups differ by in the null direction with chance, where that is all."""
    design = bench.case.design
    term = design.random[t]
    q = len(term.names)
    if found.kind == "variance 0":
        if len(found.null_effects) != 1:
            return None
        at = found.null_effects[0]
        direction, others = np.eye(q)[at], np.delete(np.eye(q), at, axis=1)
        effect = term.names[at]
    else:
        # In effects at unit root mean square, where the direction is orthogonal to the others.
        scaled = np.outer(found.widths, found.widths) * bench.relative[t]
        vectors = np.linalg.eigh(scaled)[1] / found.widths[:, None]
        direction, others, effect = vectors[:, 0], vectors[:, 1:], ""
    squares = mean_squares(design, t, direction, others)
    if squares is None or not squares.is_chance:
        return None
    return ByChance(
        between=squares.between,
        between_df=squares.between_df,
        within=squares.within,
        within_df=squares.within_df,
        per_variance=squares.per_variance if effect and squares.balanced else None,
        effect=effect,
    )


def _carried(bench: Bench, t: int, found: Direction, steps: Steps) -> Without | None:
    if found.kind == "variance 0" and len(found.null_effects) == 1:
        return influence(bench, t, found.null_effects[0], steps)
    return influence(bench, t, None, steps) if found.kind.startswith("correlation") else None


def _falsely(bench: Bench, record: CaseRecord, engines: tuple[str, ...]) -> Iterator[Singular]:
    best = bench.best
    assert best is not None
    for engine in engines:
        fit, audit = record.fit(engine), record.audit(engine)
        if not isinstance(fit, Fit) or audit is None or audit.certificate != "false boundary":
            continue
        if engine in bench.elsewhere:
            continue
        for term, own, rank, right in zip(
            bench.case.design.random, fit.random, audit.ranks, best.optimality.ranks, strict=True
        ):
            if rank == len(term.names):
                continue
            found = direction_of(np.array(own.covariance) / fit.residual_variance, term.z)
            words = in_words(found, term)
            yield Singular(
                fit=engine,
                group=term.group,
                names=term.names,
                rank=rank,
                truly=False,
                kind=found.kind,
                direction=tuple(zip(term.names, found.weights.tolist(), strict=True)),
                direction_in_words=words,
                proportions=tuple(found.proportions.tolist()),
                dual=audit.dual,
                loglik=bench.loglik,
                loglik_reduced=audit.loglik,
                sentence=f"{engine} stands at a false boundary of ({', '.join(term.names)} | "
                f"{term.group}): {words}, but the log-likelihood rises by "
                f"{number(0.5 * audit.gap)} away from it (dual eigenvalue {number(audit.dual)}); "
                f"the best point has rank {right} of {len(term.names)}.",
            )


def in_words(found: Direction, term: RandomDesign) -> str:
    """Say which direction has no variance, in the user's column names."""
    group, names = term.group, term.names
    if found.kind == "variance 0":
        gone = [names[i] for i in found.null_effects]
        verb = "has" if len(gone) == 1 else "have"
        return f"{listed(gone)} {verb} variance 0 between the groups of {group}"
    weights = found.weights * found.widths
    if len(names) == 2 and names[0] == "Intercept" and abs(weights[0]) > 0.0:
        sign = "1" if found.kind == "correlation 1" else "-1"
        at = weights[1] / weights[0]
        text = f"intercept and {names[1]} are correlated {sign} over the groups of {group}: "
        low, high = float(term.z[:, 1].min()), float(term.z[:, 1].max())
        if low - (high - low) <= at <= high + (high - low):
            return f"{text}the lines of all groups meet at {names[1]} = {number(at)}"
        return (
            f"{text}the lines of no two groups cross in the data ({names[1]} from {number(low)} to "
            f"{number(high)}), and all distances between them change in proportion"
        )
    if len(names) == 2:
        return f"{names[0]} and {names[1]} are {found.kind.replace('correlation', 'correlated')}"
    shown = [
        f"{number(w)} x {name}"
        for w, name in zip(found.weights, names, strict=True)
        if abs(w) > 0.05
    ]
    return (
        f"the combination {' + '.join(shown)} (effects at unit root mean square) has variance 0 "
        f"between the groups of {group}"
    )


def reductions(bench: Bench, t: int) -> list[Reduction]:
    """Fit the models without the null direction that the formula language can write."""
    term = bench.case.design.random[t]
    found = direction_of(bench.relative[t], term.z)
    options: list[tuple[str, str, Rung]] = []

    def offer(kind: str, title: str, make: object) -> None:
        assert callable(make)
        try:
            options.append((kind, title, make()))
        except BadInput:  # a model that the language or the data do not allow
            return

    rung = bench.rung
    if found.kind == "variance 0":
        gone = {term.names[i] for i in found.null_effects}
        offer(
            "drop-term",
            taken_out(sorted(gone), term.names, term.group),
            lambda: without_effect(rung, t, gone),
        )
    elif len(term.names) > 1:
        offer(
            "uncorrelate",
            f"make the effects of {bar(term.names, term.group)} uncorrelated",
            lambda: uncorrelated(rung, t),
        )
        # The highest interaction first: what is left keeps the effects that it is made of.
        for effects in droppable(term.names):
            offer(
                "drop-term",
                taken_out(effects, term.names, term.group),
                lambda effects=effects: without_effect(rung, t, set(effects)),
            )
        if term.names[0] == "Intercept":
            offer(
                "drop-term",
                taken_out(["Intercept"], term.names, term.group),
                lambda: without_effect(rung, t, {"Intercept"}),
            )
    out = [_reduction(bench, kind, title, reduced) for kind, title, reduced in options]
    return [reduction for reduction in out if reduction is not None]


def droppable(names: Sequence[str]) -> list[list[str]]:
    """Return the sets of effects, the intercept aside, that may be taken out by themselves.

    The effects of one term of the formula go together, the highest interaction first, and none
    stays whose parts are gone.
    """
    terms: dict[str, list[str]] = {}
    for name in names:
        if name != "Intercept":
            terms.setdefault(term_text(name), []).append(name)
    parts = {term: set(term.split(":")) for term in terms}
    free = [t for t in terms if not any(parts[t] < parts[other] for other in terms)]
    free.sort(key=lambda term: -len(parts[term]))
    return [terms[term] for term in free]


def without_terms(bench: Bench, terms: Sequence[int]) -> Reduction | None:
    """Fit the model without several of its random terms."""
    rung = bench.rung
    shown: list[str] = []
    try:
        for t in sorted(terms, reverse=True):
            term = rung.case.design.random[t]
            shown.insert(0, bar(term.names, term.group))
            rung = without_effect(rung, t, set(term.names))
    except BadInput:
        return None
    return _reduction(bench, "drop-term", f"take {listed(shown)} out of the model", rung)


def _reduction(bench: Bench, kind: str, title: str, reduced: Rung) -> Reduction | None:
    found_best = bench.optima.of(reduced, reml=bench.case.model.criterion == "REML")
    if found_best is None:
        return None
    # A model is reduced where its covariances are some of the full one's: of a factor (f | g),
    # (0 + f | g) and (f || g) are the same.
    if not is_smaller(reduced.case.design, bench.case.design):
        return None
    price = price_of(bench, reduced)
    if price is None:
        return None
    through_a_point = _intercepts(reduced) < _intercepts(bench.rung) and len(
        reduced.case.design.random
    ) == len(bench.case.design.random)
    return Reduction(kind, title, reduced, found_best, price, through_a_point)


def _intercepts(rung: Rung) -> int:
    return sum("Intercept" in term.names for term in rung.case.design.random)


def preferred(every: list[Reduction]) -> Reduction | None:
    """Choose the reduced model: see :func:`order_of_preference`."""
    return min(every, key=order_of_preference, default=None)


def order_of_preference(reduction: Reduction) -> tuple[bool, bool, bool, float]:
    """Sort reduced models, the one to try first first.

    Those that are not singular again, then those that the data do not speak against, then those
    that keep the intercept (a line through one point for all groups is rarely meant), then by
    log-likelihood.
    """
    return reduction.singular, reduction.p < 0.05, reduction.through_a_point, reduction.lost


def tests_of(best: Optimum) -> tuple[ContrastTest, ...]:
    """Test every fixed effect at a best point."""
    return contrast_tests(best.point, np.eye(best.point.likelihood.products.p))


def _df_warning(bench: Bench, record: CaseRecord, chosen: Reduction | None) -> str:
    """Say where degrees of freedom move, with every number that can be had for the focus."""
    assert bench.best is not None
    names = bench.case.design.x_names
    j = names.index(bench.rung.focus)
    own = tests_of(bench.best)[j].df
    other: list[tuple[str, float]] = []
    if chosen is not None:
        other.append(("in the reduced model", tests_of(chosen.best)[j].df))
    fit = record.fit("lme4")
    if isinstance(fit, Fit):
        row = next((c for c in fit.coefficients if c.name == names[j]), None)
        if row is not None and row.df is not None:
            other.append(("as lmerTest prints", row.df))
    if bench.case.model.criterion == "REML":
        try:
            unit = np.eye(len(names))[j]
            (adjusted,) = kenward_roger(bench.best.point).contrast_tests(unit)
        except (KenwardRogerUndefined, np.linalg.LinAlgError):
            pass
        else:
            other.append(("by Kenward and Roger", adjusted.df))
    apart = [(where, df) for where, df in other if not abs(df - own) <= 0.1 * own]
    if not apart:
        return ""
    shown = listed([f"{number(df)} {where}" for where, df in apart])
    return (
        f"Do not trust the degrees of freedom of {names[j]} here: {number(own)} by Satterthwaite "
        f"at the singular best point, {shown}."
    )
