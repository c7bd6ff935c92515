"""A program that stops short of the optimum where a predictor is far from zero."""

import sys

import msgspec
import numpy as np

from harness.engines.referee_engine import RefereeEngine, fit_at
from harness.engines.served_engine import serve
from harness.referee.deviance import Likelihood
from harness.referee.optimality import optimality
from harness.referee.optimum import Optimum


class StopsShort(RefereeEngine):
    name = "mine"

    def fit(self, case, setting):
        right = super().fit(case, setting)
        slope = case.design.x[:, 1:]
        if np.all(np.abs(slope.mean(axis=0)) < 100.0 * slope.std(axis=0)):
            return msgspec.structs.replace(right, engine=self.name, fitter="mine")
        likelihood = Likelihood(case.design, reml=case.model.criterion != "ML")
        ratios = [np.array(t.covariance) / right.residual_variance for t in right.random]
        point = likelihood.at(likelihood.theta([3.0 * ratio for ratio in ratios]))
        there = Optimum(point, point.deviance(), optimality(point), 1)
        short = fit_at(case, setting, there, 0.0)
        return msgspec.structs.replace(short, engine=self.name, fitter="mine", converged=True)


if __name__ == "__main__":
    serve(StopsShort(), sys.stdin.buffer, sys.stdout.buffer)
