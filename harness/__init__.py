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
    "inference",
    "intervals",
    "kenward_roger",
    "satterthwaite",
]

_PLACES = {
    "harness.judge.evaluated_model": ("DfUndefined", "NotAtOptimumWarning", "OtherModelWarning"),
    "harness.judge.fixed_effect_tests": (
        "Inference",
        "UndeterminedWarning",
        "inference",
        "kenward_roger",
        "satterthwaite",
    ),
    "harness.judge.model_comparison": ("Comparison", "compare"),
    "harness.judge.parameter_intervals": ("Intervals", "intervals"),
    "harness.notebook": ("audit",),
    "harness.referee.kenward_roger": ("KenwardRogerUndefined",),
}


def __getattr__(name: str) -> Any:
    """Load the public functions when first asked for: numpy and statsmodels take a second.

    They also must not be loaded before the command line has fixed the environment of the BLAS.
    """
    for module, names in _PLACES.items():
        if name in names:
            globals()[name] = getattr(import_module(module), name)
            return globals()[name]
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
