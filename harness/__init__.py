"""Fit the same linear mixed model in Python and in R, and prove which one is right."""

import sys

if sys.argv[:1] == ["-m"] and not sys.flags.safe_path and __path__ != [f"{sys.path[0]}/harness"]:
    # ``python -m harness``: the working directory stands before the standard library, and a user's
    # json.py or random.py would be imported from it. ``from __future__`` is an import too.
    del sys.path[0]

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness import diagnose

if TYPE_CHECKING:
    from harness.diagnose.ladder_fits import ladder
    from harness.judge.evaluated_model import DfUndefined, NotAtOptimumWarning, OtherModelWarning
    from harness.judge.fixed_effect_tests import (
        Inference,
        UndeterminedWarning,
        inference,
        kenward_roger,
        satterthwaite,
    )
    from harness.judge.model_comparison import Comparison, compare
    from harness.judge.parameter_intervals import Intervals, intervals
    from harness.notebook import audit
    from harness.page.html.model_pictures import picture
    from harness.referee.exploration import explore
    from harness.referee.kenward_roger import KenwardRogerUndefined

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "DfUndefined",
    "Inference",
    "Intervals",
    "KenwardRogerUndefined",
    "NotAtOptimumWarning",
    "OtherModelWarning",
    "UndeterminedWarning",
    "__version__",
    "audit",
    "compare",
    "diagnose",
    "explore",
    "inference",
    "intervals",
    "kenward_roger",
    "ladder",
    "picture",
    "satterthwaite",
]

_PLACES = {
    "audit": "harness.notebook",
    "Comparison": "harness.judge.model_comparison",
    "compare": "harness.judge.model_comparison",
    "DfUndefined": "harness.judge.evaluated_model",
    "explore": "harness.referee.exploration",
    "Inference": "harness.judge.fixed_effect_tests",
    "inference": "harness.judge.fixed_effect_tests",
    "Intervals": "harness.judge.parameter_intervals",
    "intervals": "harness.judge.parameter_intervals",
    "kenward_roger": "harness.judge.fixed_effect_tests",
    "KenwardRogerUndefined": "harness.referee.kenward_roger",
    "ladder": "harness.diagnose.ladder_fits",
    "NotAtOptimumWarning": "harness.judge.evaluated_model",
    "OtherModelWarning": "harness.judge.evaluated_model",
    "picture": "harness.page.html.model_pictures",
    "satterthwaite": "harness.judge.fixed_effect_tests",
    "UndeterminedWarning": "harness.judge.fixed_effect_tests",
}
"""Public names by the module that has them."""


def __getattr__(name: str) -> Any:
    """Load the public functions when first asked for: numpy and statsmodels take a second.

    They also must not be loaded before the command line has fixed the environment of the BLAS.
    """
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Callable(ModuleType):
    """A package that can be called: its name is also that of its one public function."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        from harness.notebook import diagnose

        return diagnose(*arguments, **named)


# Here and not in the room: what is shown of a diagnosis lies above it.
diagnose.__class__ = _Callable
