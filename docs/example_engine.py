"""An engine for random intercepts of one grouping factor, with two mistakes in it.

docs/conformance.md says what the suite finds; ``RepairedEngine`` has the mistakes taken out.
"""

from functools import partial

import numpy as np
from scipy.optimize import minimize_scalar

from harness.engines.base import Coefficient, Fit, RandomTerm


class ExampleEngine:
    name = "example"
    lost_df = 0  # mistake 1: REML divides by n; it has to be n - p
    tries_zero = False  # mistake 2: the search for the variance never ends at exactly zero

    def versions(self):
        return {self.name: "1.0"}

    def unsupported(self, case):
        terms = case.design.random
        simple = len(terms) == 1 and terms[0].names == ("Intercept",)
        return None if simple else "random intercepts of one grouping factor only"

    def begin(self, case, setting):
        return partial(self.fit, case, setting)

    def fit(self, case, setting):
        design, reml = case.design, case.model.criterion == "REML"
        y, x, term = design.y, design.x, design.random[0]
        z = np.eye(len(term.levels))[term.codes]
        df = len(y) - self.lost_df * x.shape[1] if reml else len(y)

        def at(ratio):
            v = np.eye(len(y)) + ratio * z @ z.T
            vx = np.linalg.solve(v, x)
            beta = np.linalg.solve(x.T @ vx, vx.T @ y)
            weighted = np.linalg.solve(v, y - x @ beta)
            s2 = (y - x @ beta) @ weighted / df
            deviance = np.linalg.slogdet(v)[1] + df * (1 + np.log(2 * np.pi * s2))
            deviance += np.linalg.slogdet(x.T @ vx)[1] if reml else 0.0
            return deviance, beta, s2, np.linalg.inv(x.T @ vx), ratio * z.T @ weighted

        options = {"bounds": (-14.0, 14.0), "options": {"xatol": 1e-9}}
        ratio = np.exp(minimize_scalar(lambda u: at(np.exp(u))[0], **options).x)
        if self.tries_zero and at(0.0)[0] <= at(ratio)[0]:
            ratio = 0.0
        deviance, beta, s2, c, effects = at(ratio)
        se = np.sqrt(s2 * np.diag(c))
        fitted = x @ beta + z @ effects
        return Fit(
            engine=self.name,
            setting=setting,
            fitter="ExampleEngine",
            n_obs=len(y),
            coefficients=tuple(map(Coefficient, design.x_names, beta.tolist(), se.tolist())),
            native_names=design.x_names,
            random=(
                RandomTerm(
                    group=term.group,
                    names=term.names,
                    covariance=((float(ratio * s2),),),
                    levels=term.levels,
                    effects=tuple((effect,) for effect in effects.tolist()),
                ),
            ),
            residual_variance=float(s2),
            loglik=float(-0.5 * deviance),
            fitted=tuple(fitted.tolist()),
            residuals=tuple((y - fitted).tolist()),
            data_checksum=case.table.checksum(),
        )


class RepairedEngine(ExampleEngine):
    lost_df = 1
    tries_zero = True
