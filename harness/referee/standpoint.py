"""Where a fit stands: the likelihood at its own variances, and what it states there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.model.design import Design
from harness.model.model import Criterion
from harness.referee.deviance import Likelihood, Point
from harness.referee.joint_hessian import JointInverse, joint_inverse
from harness.referee.kenward_roger import KenwardRogerUndefined, kenward_roger
from harness.referee.satterthwaite import ContrastTest, contrast_tests


@dataclass(frozen=True)
class Standpoint:
    """Where a fit stands: the likelihood at its own variances.

    Attributes
    ----------
    design : Design
        In the fit's own coding: a column for each of its coefficients.
    point : Point
        The fit's variances, relative to the residual variance.
    sigma : float
        Its residual standard deviation, in the units of the data.
    divisor : {"m", "n"}
        Of the residual sum of squares in the residual variance of a linear model: m = n - p, or n.
    """

    design: Design
    criterion: Criterion
    point: Point
    sigma: float
    divisor: str = "m"

    @cached_property
    def tests(self) -> tuple[ContrastTest, ...]:
        """Every coefficient with gls SE, Satterthwaite df, t and p, at the GLS estimates."""
        return contrast_tests(self.point, np.eye(self.design.x.shape[1]), sigma=self.sigma)

    @cached_property
    def joint(self) -> JointInverse | None:
        """The inverse joint Hessian; None where it does not exist or the data are too many."""
        if self.criterion == "OLS":
            return None
        try:
            return joint_inverse(self.point, self.sigma)
        except (ValueError, np.linalg.LinAlgError):
            return None

    @cached_property
    def kenward_roger(self) -> tuple[ContrastTest, ...] | None:
        """Every coefficient with Kenward and Roger's SE and df; None where they do not exist."""
        return self._adjusted(linear=False)

    @cached_property
    def kenward_roger_linear(self) -> tuple[ContrastTest, ...] | None:
        """The same without second derivatives of V; None where that is no other rule."""
        curved = self.design.residual is not None or any(t.structure for t in self.design.random)
        found = self._adjusted(linear=True) if curved else None
        if found is None or self.kenward_roger is None:
            return found
        pairs = zip(found, self.kenward_roger, strict=True)
        same = all(math.isclose(a.se, b.se, rel_tol=1e-12) for a, b in pairs)
        return None if same else found

    def _adjusted(self, *, linear: bool) -> tuple[ContrastTest, ...] | None:
        if self.criterion != "REML":
            return None
        try:
            adjusted = kenward_roger(self.point, sigma=self.sigma, linear=linear)
            return adjusted.contrast_tests(np.eye(self.design.x.shape[1]))
        except (KenwardRogerUndefined, np.linalg.LinAlgError):
            return None

    @property
    def loglik(self) -> float:
        """ML or REML log-likelihood with all its constants; ML for a linear model."""
        if self.criterion != "OLS":
            return -0.5 * self.point.deviance(self.sigma)
        n, p = self.design.x.shape
        ml = Likelihood(self.design, reml=False).at(self.point.theta)
        share = 1.0 if self.divisor == "n" else (n - p) / n
        return -0.5 * ml.deviance(self.sigma * math.sqrt(share))

    @property
    def variance_parameters(self) -> int:
        """Free elements of every Psi, the residual variance not counted."""
        return len(self.point.theta)


@dataclass(frozen=True)
class Row:
    """What a program printed of one coefficient; NaN for what it did not."""

    estimate: float
    se: float
    df: float
    statistic: float
