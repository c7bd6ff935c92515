"""The one place where evidence, and what a judgement came to, become sentences.

A finding's template is in findings.toml. Each cause's template is the ``says`` of its entry in
known_differences.toml. It has the evidence's numbers, texts, lists and flags by their names, and
``engine``, ``quantity`` and ``item``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from harness.base.text import significant
from harness.judge.causes.entries import load_known
from harness.judge.evidence import Evidence
from harness.judge.verdict import Finding

if TYPE_CHECKING:
    from jinja2 import Environment

_SHARED = {
    "gaps": "gaps {{ one }} {{ gap_one|sig }} and {{ two }} {{ gap_two|sig }} in deviance"
    "{% if farthest is defined %} allow variances {{ reach|sig }} asymptotic SE apart, they are "
    "{{ farthest|sig }}{% else %}, on the boundary{% endif %}",
    "ranks": "rank{% if ranks|length > 1 %}s{% endif %} {{ ranks|together }}",
    "own df": "df of {{ item }} at its own estimates: printed {{ printed|sig(6) }}, analytic "
    "{{ analytic|sig(6) }}",
}
"""Templates that several causes include."""


def sentence(evidence: Evidence) -> str:
    """Return what was found, in words, beginning with the engine's name where it is of one."""
    text = said(evidence)
    return f"{evidence.engine}: {text}" if evidence.engine else text


def sentences(evidence: Iterable[Evidence]) -> tuple[str, ...]:
    """Return a sentence for each."""
    return tuple(sentence(one) for one in evidence)


def said(evidence: Evidence) -> str:
    """Return what was found, in words, without the engine's name.

    Of a cause that is not on file, as in a record of another version, only its numbers are known.
    """
    if evidence.cause not in load_known():
        return ", ".join(
            f"{name} {_significant(value)}" for name, value in evidence.numbers.items()
        )
    return (
        _templates()
        .get_template(evidence.cause)
        .render(
            engine=evidence.engine,
            quantity=evidence.quantity,
            item=evidence.item,
            **evidence.numbers,
            **evidence.texts,
            **evidence.lists,
            **evidence.flags,
        )
    )


def finding_sentence(finding: Finding) -> str:
    """Return what a judgement or a comparison came to, in words."""
    return (
        _findings()
        .get_template(finding.key)
        .render(
            engines=finding.engines,
            who=" and ".join(finding.engines),
            number=finding.numbers.__getitem__,
            **{k: v for k, v in finding.numbers.items() if k not in finding.engines},
            **finding.texts,
        )
    )


QUANTITIES = {
    "loglik": "log-likelihood",
    "estimate": "estimate",
    "se": "standard error",
    "df": "df",
    "statistic": "t",
    "p": "p value",
    "aic": "AIC",
    "bic": "BIC",
    "variance": "variance",
    "variance_se": "standard error of the variance",
    "residual_variance": "residual variance",
    "residual": "residual covariance",
    "random_effect": "random effects",
    "fitted": "fitted values",
}
"""Quantities in words."""

PRINTED = {
    "estimate": "estimate",
    "se": "standard error",
    "df": "df",
    "statistic": "t",
    "f": "F",
    "p": "p",
    "lower": "lower limit",
    "upper": "upper limit",
    **{
        f"{kind} {end}": f"{end} limit of the {name}"
        for kind, name in (
            ("variance", "variance"),
            ("sd", "SD"),
            ("correlation", "correlation"),
            ("sd ratio", "ratio of SDs"),
        )
        for end in ("lower", "upper")
    },
    "variance": "variance",
    "sd": "standard deviation",
    "correlation": "correlation",
    "covariance": "covariance",
    "sd ratio": "ratio of SDs",
    "loglik": "log-likelihood",
    "minus_two": "-2 log-likelihood",
    "aic": "AIC",
    "bic": "BIC",
    "ratio statistic": "likelihood ratio",
    "ratio df": "df of the likelihood ratio",
    "ratio p": "p of the likelihood ratio",
}
"""Quantities of a listing in words."""


@cache
def _findings() -> Environment:
    text = (files("harness.judge") / "findings.toml").read_text(encoding="utf-8")
    templates = _environment(_BEYOND | tomllib.loads(text))
    templates.globals |= {"name": lambda q: QUANTITIES.get(q) or PRINTED.get(q, q), "title": _title}
    return templates


_BEYOND = {
    "beyond": "{{ quantity }}{% if item %} of {{ item }}{% endif %} "
    "{% if difference != difference %}is no number (NaN) in one of them"
    "{% else %}differs by {{ difference|sig }} ({{ unit }}){% endif %}",
    "untrue": "{% if right is defined %}{{ right }} is right. {% endif %}"
    "{{ stating if stating is defined else engines[0] }} is at the optimum, yet states "
    "{{ value|sig(6) }} for the {{ name(quantity) }}{% if item %} of {{ item }}{% endif %}; at its "
    "own point it is {{ truth|sig(6) }}",
}


def _title(cause: str) -> str:
    title = load_known()[cause].title
    return title[0].lower() + title[1:]


@cache
def _templates() -> Environment:
    return _environment(
        _SHARED | {cause: entry.says for cause, entry in load_known().items() if entry.says}
    )


def _environment(texts: dict[str, str]) -> Environment:
    # Imported here: a run that shows nothing needs no templates.
    from jinja2 import DictLoader, Environment, StrictUndefined

    templates = Environment(loader=DictLoader(texts), undefined=StrictUndefined, autoescape=False)
    templates.filters |= {
        "sig": _significant,
        "fixed": "{:.6f}".format,
        "whole": "{:.0f}".format,
        "together": " and ".join,
    }
    return templates


def _significant(value: float, digits: int = 2) -> str:
    return significant(float(value), digits)
