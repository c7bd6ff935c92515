"""An engine that is right as it comes; to strict tolerances its effects differ for no reason."""

from functools import partial

from msgspec import structs

from harness.engines.referee_engine import RefereeEngine


class StrictOnly:
    name = "strict-only"

    def versions(self):
        return {}

    def unsupported(self, case):
        return None

    def fit(self, case, setting):
        fit = structs.replace(RefereeEngine().fit(case, setting), engine=self.name)
        if setting == "default":
            return fit
        first, *others = fit.random
        moved = tuple(tuple(value + 0.1 for value in row) for row in first.effects)
        return structs.replace(fit, random=(structs.replace(first, effects=moved), *others))

    def begin(self, case, setting):
        return partial(self.fit, case, setting)
