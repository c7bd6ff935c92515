"""A residual correlation and a random effect that take each other's place, and which to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from harness.base.errors import BadInput
from harness.base.text import number
from harness.data.rungs import Rung
from harness.diagnose import remodel
from harness.diagnose.bench import Bench
from harness.diagnose.cause_entries import cause_of
from harness.diagnose.diagnosis import Cause, Price, Remedy
from harness.diagnose.phrases import taken_out
from harness.diagnose.price import price_of
from harness.diagnose.profile import residual_label
from harness.diagnose.remedies import remodelled
from harness.diagnose.workshop import Workshop
from harness.judge.case_verdict import case_verdict
from harness.judge.records import CaseRecord
from harness.judge.verdict import GRAVITY
from harness.referee.competition import Competition, competition
from harness.spelling.lme4_spelling import model_text

KEY = "competing-correlation"


@dataclass(frozen=True)
class Smaller:
    """A model without one of the two.

    Attributes
    ----------
    without : str
        What it lacks, ``"without the residual correlation"``.
    price : Price
        What it costs beside the model asked for.
    """

    without: str
    kind: str
    title: str
    rung: Rung
    price: Price

    @property
    def aic(self) -> float:
        """Its AIC less that of the model asked for."""
        return -2.0 * self.price.loglik + 2.0 * self.price.parameters

    @property
    def words(self) -> str:
        """What it costs."""
        lost = max(-self.price.loglik, 0.0)
        fall = f"{number(lost)} lower" if lost else "the same"
        more = "higher" if self.aic > 0.0 else "lower"
        return f"{self.without} the log-likelihood is {fall} and AIC {number(abs(self.aic))} {more}"


def of_competition(shop: Workshop) -> Cause | None:
    """Name the residual correlation and the effect that compete at the best point, if any do."""
    bench = shop.bench
    found = None if bench.best is None else competition(bench.best)
    if found is None:
        return None
    tried = list(smaller_models(bench, found))
    return cause_of(KEY, in_words(bench, found, tried), [_remedy(shop, one) for one in tried])


def smaller_models(bench: Bench, found: Competition) -> Iterator[Smaller]:
    """Yield the models without the residual correlation, and without the effect."""
    rung, term = bench.rung, bench.case.design.random[found.term]
    name = term.names[found.effect]
    # An intercept does not go before the slopes that start from it.
    gone = list(term.names) if name == "Intercept" else [name]
    effect = "the random intercept" if name == "Intercept" else f"the random slope of {name}"
    if name == "Intercept" and len(term.names) > 1:
        effect = f"the random term of {term.group}"
    options: tuple[tuple[str, str, str, Callable[[], Rung]], ...] = (
        (
            "without the residual correlation",
            "model",
            "leave the residual correlation out",
            partial(remodel.uncorrelated_residuals, rung),
        ),
        (
            f"without {effect}",
            "drop-term",
            taken_out(gone, term.names, term.group),
            partial(remodel.without_effect, rung, found.term, set(gone)),
        ),
    )
    for without, kind, title, make in options:
        try:
            other = make()
        except BadInput:  # a model that the language or the data do not allow
            continue
        price = price_of(bench, other)
        if price is not None:
            yield Smaller(without, kind, title, other, price)


def in_words(bench: Bench, found: Competition, tried: list[Smaller]) -> str:
    """Say which two compete, how far, and what the models without one of them cost."""
    design = bench.case.design
    assert design.residual is not None
    term = design.random[found.term]
    rho = f"The {residual_label(design.residual.names[found.residual])}"
    sd = f"the SD of {term.names[found.effect]} by {term.group}"
    if found.determined:
        text = (
            f"{rho} and {sd} compete: their estimates are correlated "
            f"{number(found.correlation)} at the best point, and the standard error of either is "
            f"{number(found.inflation)} times what it would be if the other was known"
        )
    else:
        text = (
            f"{rho} and {sd} compete: the likelihood is the same whichever of them makes rows of "
            "a group alike"
        )
    if not tried:
        return text
    text = "; ".join([text, *(one.words for one in tried)])
    kept = min(tried, key=lambda one: one.aic)
    if kept.aic <= 0.0:
        return f"{text}: by AIC, write {model_text(kept.rung.case.model)}"
    return f"{text}: AIC keeps both, neither of which is well known by itself"


def _remedy(shop: Workshop, smaller: Smaller) -> Remedy | None:
    def judge(record: CaseRecord) -> tuple[bool, str]:
        kept = smaller.aic <= 0.0 and GRAVITY[case_verdict(record).verdict] <= 2
        more = "higher" if smaller.aic > 0.0 else "lower"
        return kept, f"AIC is {number(abs(smaller.aic))} {more}"

    return remodelled(
        shop, smaller.kind, smaller.title, lambda: smaller.rung, judge=judge, same_model=False
    )
