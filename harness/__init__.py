"""Fit the same linear mixed model in Python and in R, and prove which one is right."""

import sys

if sys.argv[:1] == ["-m"] and not sys.flags.safe_path and __path__ != [f"{sys.path[0]}/harness"]:
    # ``python -m harness``: the working directory stands before the standard library, and a user's
    # json.py or random.py would be imported from it. ``from __future__`` is an import too.
    del sys.path[0]

from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness import diagnose

if TYPE_CHECKING:
    from harness.diagnose.ladder_fits import ladder
    from harness.judge.fixed_effect_tests import (
        DfUndefined,
        Inference,
        NotAtOptimumWarning,
        OtherModelWarning,
        UndeterminedWarning,
        inference,
        kenward_roger,
        satterthwaite,
    )
    from harness.notebook import audit
    from harness.page.html.model_pictures import picture
    from harness.referee.exploration import explore
    from harness.referee.kenward_roger import KenwardRogerUndefined

__version__ = "0.1.0"

__all__ = [
    "DfUndefined",
    "Inference",
    "KenwardRogerUndefined",
    "NotAtOptimumWarning",
    "OtherModelWarning",
    "UndeterminedWarning",
    "__version__",
    "audit",
    "diagnose",
    "explore",
    "inference",
    "kenward_roger",
    "ladder",
    "picture",
    "satterthwaite",
]

_ELSEWHERE = {
    "audit": "harness.notebook",
    "explore": "harness.referee.exploration",
    "ladder": "harness.diagnose.ladder_fits",
    "picture": "harness.page.html.model_pictures",
}
"""Public functions by the module that has them, those of tests of fixed effects not counted."""


def __getattr__(name: str) -> Any:
    """Load the public functions when first asked for: numpy and statsmodels take a second.

    They also must not be loaded before the command line has fixed the environment of the BLAS.
    """
    if name in _ELSEWHERE:
        from importlib import import_module

        return getattr(import_module(_ELSEWHERE[name]), name)
    if name in __all__:
        from harness.judge import fixed_effect_tests as tests
        from harness.referee.kenward_roger import KenwardRogerUndefined

        globals().update(
            {public: getattr(tests, public) for public in __all__ if hasattr(tests, public)}
        )
        globals()["KenwardRogerUndefined"] = KenwardRogerUndefined
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
