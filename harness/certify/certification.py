"""Certify a model: two routes to its optimum at 150 digits, compared, and the file they give."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal

import flint
import mpmath
import numpy as np
from numpy.typing import NDArray

from harness import __version__
from harness.certify import ball_route, henderson_route, residual_route
from harness.certify.ball_likelihood import NotCertified
from harness.certify.ball_route import BallCertificate
from harness.data.certified_values import design_sha256
from harness.model.case import Case
from harness.referee.best_point import search_for
from harness.referee.deviance import Likelihood, Point
from harness.referee.optimum import find_optimum
from harness.spelling.lme4_spelling import lme4_formula

FORMAT = 1

WRITTEN = 20
"""Significant digits in a file: three more than a double holds."""

REQUIRED = 30
"""Digits to which the routes have to agree, and to which the balls have to be tight: ten more than
are written. On well-conditioned models the differences of the second route keep 60."""

ROUNDED = 1e-7
"""A column of Lambda smaller than this, effects scaled to unit root mean square, was meant to be
zero. The proof fails where it was not: a variance that wants to grow has a negative dual."""

_WIDE = Context(prec=80)
_ROUNDING = Context(prec=WRITTEN)

_ROUTES = (
    "Arb balls, Woodbury's identity, analytic derivatives, Krawczyk's test",
    "mpmath at 150 digits, Henderson's equations, derivatives by differences",
)
_RESIDUAL = (
    "Arb, dense V by blocks, the deviance minimised with differences",
    "Arb, dense V by blocks, the score equations with analytic derivatives of V; p by mpmath",
)
_LEAST_SQUARES = (
    "exact rational normal equations",
    "mpmath at 150 digits, Householder reflections on the rows",
)


@dataclass(frozen=True)
class Certification:
    """Every quantity of a model, proved.

    Attributes
    ----------
    values : dict
        By name, ``"fixed.0.se"``, ``"random.0.covariance.1.0"``, 60 digits each.
    certificate : BallCertificate
    error : Decimal
        Bound on the relative error of every value, by the first route.
    agreement : int
        Digits to which the second route gives the same values; 60 are compared.
    """

    values: dict[str, Decimal]
    certificate: BallCertificate
    error: Decimal
    agreement: int


def certify(case: Case, starts: Iterable[NDArray[np.float64]] = ()) -> Certification:
    """Certify the optimum of a case.

    Parameters
    ----------
    starts : iterable of theta
        Further starts for the double-precision search for the optimum.

    Raises
    ------
    NotCertified
        When the model has no optimum of a kind that the routes cover, a proof fails, or the routes
        do not agree.
    """
    design, criterion = case.design, case.model.criterion
    if design.weights is not None:
        raise NotCertified("models with weights are not certified: roots of weights are irrational")
    if case.model.structured is not None:
        raise NotCertified("structured random terms are not certified: neither route has them")
    if design.residual is not None:
        return _with_residual(case)
    try:
        best = find_optimum(Likelihood(design, reml=criterion != "ML"), starts)
    except ValueError as error:
        raise NotCertified(str(error)) from error
    if criterion == "OLS":
        first, second = ball_route.solve_ols(design), henderson_route.solve_ols(design)
    else:
        theta = on_face(best.point)
        reml = criterion == "REML"
        try:
            first = ball_route.solve_mixed(design, reml=reml, theta=theta)
            second = henderson_route.solve_mixed(design, reml=reml, theta=theta)
        except ArithmeticError as error:
            raise NotCertified(f"no regular optimum near the start: {error}") from error
    agreement = digits_agreed(first.values, second)
    if agreement < REQUIRED:
        raise NotCertified(f"the routes agree to {agreement} digits only")
    if first.error > Decimal(10) ** -REQUIRED:
        raise NotCertified(f"the enclosures have a relative radius of {first.error}")
    return Certification(first.values, first.certificate, first.error, agreement)


def _with_residual(case: Case) -> Certification:
    """Certify a model with a residual covariance: two routes that agree, no box that is proved."""
    try:
        best = search_for(case).best()
        reml = case.model.criterion == "REML"
        found = residual_route.solve_residual(case.design, best, reml=reml)
    except (ValueError, ArithmeticError) as error:
        raise NotCertified(str(error)) from error
    agreement = digits_agreed(found.values, found.second)
    if agreement < REQUIRED:
        raise NotCertified(f"the routes agree to {agreement} digits only")
    certificate = BallCertificate(
        ranks=tuple(term.z.shape[1] for term in case.design.random),
        gradient=found.gradient,
        radius=None,
        curvature=found.curvature,
        dual=None,
    )
    return Certification(found.values, certificate, Decimal(10) ** -agreement, agreement)


def on_face(point: Point) -> NDArray[np.float64]:
    """Return theta with exact zeros in the columns that rounding alone keeps from zero."""
    layout = point.likelihood.layout
    keep = [np.linalg.norm(point.lambdas[t][:, b]) > ROUNDED for t, _, b in layout]
    return np.where(keep, point.theta, 0.0)


def digits_agreed(first: dict[str, Decimal], second: dict[str, Decimal]) -> int:
    """Digits in the worst of all quantities; where one is zero, decimals."""
    if first.keys() != second.keys():
        missing = ", ".join(sorted(first.keys() ^ second.keys()))
        raise NotCertified(f"only one of the routes gives {missing}")
    worst = 60
    for name, value in first.items():
        difference = abs(_WIDE.subtract(value, second[name]))
        if value:
            difference = _WIDE.divide(difference, abs(value))
        if difference:
            worst = min(worst, -difference.adjusted() - 1)
    return worst


def certified_text(
    case: Case, certification: Certification, data: dict[str, str | int], command: str
) -> str:
    """Return the content of a file of certified values.

    Parameters
    ----------
    data : dict
        What is known of the data set, for the table ``[provenance]``.
    command : str
        What makes the file again.
    """
    values = certification.values
    design, model = case.design, case.model
    routes = _ROUTES if design.random else _LEAST_SQUARES
    if design.residual is not None:
        routes = _RESIDUAL
    singular = certification.certificate.dual is not None
    if design.residual is not None:
        undefined = "not certified: the model has a residual covariance"
    elif not design.random:
        undefined = "not defined: least squares"
    elif model.criterion == "ML":
        undefined = "not defined: ML (Kenward and Roger 1997 is for REML)"
    else:
        undefined = "not defined: a covariance matrix is singular" if singular else "defined"
    lines = [
        f"# Certified values of {case.id}, correct to the last digit; see README.md.",
        f"# Made by: {command}",
        "",
        f"format = {FORMAT}",
        f"rung = {_text(case.id)}",
        f"formula = {_text(lme4_formula(model))}",
        *([] if model.residual is None else [f"residual = {_text(model.residual.text())}"]),
        f"criterion = {_text(model.criterion)}",
        f"loglik = {_number(values['loglik'])}",
        f"residual_variance = {_number(values['residual.variance'])}",
        f"residual_sd = {_number(values['residual.sd'])}",
        f"theta = {_array(v for name, v in values.items() if name.startswith('theta.'))}",
        f"kenward_roger = {_text(undefined)}",
        *_fixed(design.x_names, values),
        *_random(case, certification),
        *_residual(case, certification),
        *_certificate(certification),
        "",
        "[provenance]",
        *(f"{key} = {_text(v) if isinstance(v, str) else v}" for key, v in data.items()),
        f"rows = {len(design.y)}",
        f"design_sha256 = {_text(design_sha256(design))}",
        f"program = {_text(f'lmm-parity {__version__}')}",
        f"libraries = [{_text(f'python-flint {flint.__version__}')}, "
        f"{_text(f'mpmath {mpmath.__version__}')}]",
        f"routes = [{', '.join(map(_text, routes))}]",
    ]
    return "\n".join(lines) + "\n"


def _fixed(names: tuple[str, ...], values: dict[str, Decimal]) -> list[str]:
    lines = []
    for j, name in enumerate(names):
        lines += ["", "[[fixed]]", f"name = {_text(name)}"]
        for quantity in ("estimate", "se", "df", "t", "p", "kr_se", "kr_df", "kr_t", "kr_p"):
            value = values.get(f"fixed.{j}.{quantity}")
            if value is not None:
                lines.append(f"{quantity} = {_number(value)}")
    return lines


def _random(case: Case, certification: Certification) -> list[str]:
    values, lines = certification.values, []
    for t, (term, rank) in enumerate(
        zip(case.design.random, certification.certificate.ranks, strict=True)
    ):
        q = len(term.names)
        covariance = _square(values, f"random.{t}.covariance", q)
        correlation = _square(values, f"random.{t}.correlation", q, diagonal=Decimal(1))
        lines += [
            "",
            "[[random]]",
            f"group = {_text(term.group)}",
            f"levels = {len(term.levels)}",
            f"names = [{', '.join(map(_text, term.names))}]",
            f"rank = {rank}",
            f"covariance = [{', '.join(covariance)}]",
            f"sd = {_array(values[f'random.{t}.sd.{b}'] for b in range(q))}",
            f"correlation = [{', '.join(correlation)}]",
        ]
    return lines


def _residual(case: Case, certification: Certification) -> list[str]:
    residual = case.design.residual
    lines = []
    for i, name in enumerate(residual.names if residual is not None else ()):
        value = certification.values[f"residual.{i}"]
        lines += ["", "[[residual_parameter]]", f"name = {_text(name)}"]
        lines.append(f"value = {_number(value)}")
    return lines


def _square(
    values: dict[str, Decimal], name: str, q: int, diagonal: Decimal | None = None
) -> list[str]:
    """Return rows of a symmetric matrix from its lower triangle; none where elements miss."""

    def element(a: int, b: int) -> Decimal | None:
        if a == b and diagonal is not None:
            return diagonal
        return values.get(f"{name}.{max(a, b)}.{min(a, b)}")

    rows = [[element(a, b) for b in range(q)] for a in range(q)]
    if any(v is None for row in rows for v in row):
        return []
    return [_array(v for v in row if v is not None) for row in rows]


def _certificate(certification: Certification) -> list[str]:
    proved = certification.certificate
    if proved.radius is None:
        kind = "interior optimum"
    elif not proved.ranks:
        kind = "least squares"
    else:
        kind = "interior optimum" if proved.dual is None else "boundary optimum"
    lines = ["", "[certificate]", f"kind = {_text(kind)}"]
    if proved.ranks or proved.radius is None:
        lines += [
            f"ranks = [{', '.join(map(str, proved.ranks))}]",
            f"gradient = {_text(f'{proved.gradient:.1e}')}",
        ]
    if proved.ranks and proved.radius is not None:
        lines.append(f"box = {_text(f'{proved.radius:.1e}')}")
    if proved.curvature is not None:
        lines.append(f"curvature = {_number(proved.curvature)}")
    if proved.dual is not None:
        lines.append(f"dual = {_number(proved.dual)}")
    lines += [
        f"error = {_text(f'{certification.error:.1e}')}",
        f"agreement = {certification.agreement}",
    ]
    return lines


def _number(value: Decimal) -> str:
    return f'"{_ROUNDING.plus(value) if value else 0}"'


def _array(values: Iterable[Decimal]) -> str:
    return f"[{', '.join(map(_number, values))}]"


def _text(value: str) -> str:
    """Quote a string; TOML's basic strings are JSON's."""
    return json.dumps(value, ensure_ascii=False)
