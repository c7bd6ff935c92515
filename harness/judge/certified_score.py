"""An engine's digits against certified values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from harness.base.json import Real
from harness.data.certified_values import Certified
from harness.engines.engine import Fit, Setting
from harness.judge.audit import Audit
from harness.judge.lre import lre

CertifiedQuantity = Literal["loglik", "estimate", "se", "df", "variance", "residual_variance"]


class CertifiedScore(msgspec.Struct, frozen=True, kw_only=True):
    """The worst item of one quantity in one fit.

    Attributes
    ----------
    certified : str
        The certified value, as stored.
    value : float
        The engine's: like-for-like SE; its own df where these are Satterthwaite's (or the residual
        df of a linear model), else the referee's.
    digits : float
        LRE of ``value``; ``inf`` when it is the double nearest to the certified one.
    """

    engine: str
    setting: Setting
    quantity: CertifiedQuantity
    item: str
    certified: str
    value: Real
    digits: Real


def score(certified: Certified, fits: Iterable[tuple[Fit, Audit]]) -> tuple[CertifiedScore, ...]:
    """Score fits quantity by quantity; variances certified as zero are left out (no LRE)."""
    out: list[CertifiedScore] = []
    for fit, audit in fits:
        worst: dict[CertifiedQuantity, CertifiedScore] = {}
        for quantity, item, text, value in _values(certified, fit, audit):
            found = CertifiedScore(
                engine=fit.engine,
                setting=fit.setting,
                quantity=quantity,
                item=item,
                certified=text,
                value=value,
                digits=lre(value, float(text)),
            )
            if quantity not in worst or not found.digits >= worst[quantity].digits:
                worst[quantity] = found
        out += worst.values()
    return tuple(out)


def _values(
    certified: Certified, fit: Fit, audit: Audit
) -> Iterator[tuple[CertifiedQuantity, str, str, float]]:
    if fit.loglik is not None:
        yield "loglik", "", certified.loglik, fit.loglik
    for native, fair in zip(fit.coefficients, audit.coefficients, strict=True):
        name = native.name
        if name not in certified.estimates:
            continue
        if float(certified.estimates[name]) != 0.0:
            yield "estimate", name, certified.estimates[name], native.estimate
        if fair.se is not None:
            yield "se", name, certified.se[name], fair.se
        stated = fit.definitions.get("df") in ("satterthwaite", "residual")
        df = native.df if stated else fair.df
        if df is not None and name in certified.df:
            yield "df", name, certified.df[name], df
    for term, true in zip(fit.random, certified.random, strict=False):
        if len(term.names) != len(true.names):
            continue  # another model, and judged as such
        for i, name in enumerate(true.names):
            if float(true.covariance[i][i]) != 0.0:
                item = f"{true.group}: {name}"
                yield "variance", item, true.covariance[i][i], term.covariance[i][i]
    yield "residual_variance", "", certified.residual_variance, fit.residual_variance
