"""Fit the same linear mixed model in Python and in R, and prove which one is right."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness import diagnose
    from harness.engines.mixedlm_inference import (
        Inference,
        NotAtOptimumWarning,
        kenward_roger,
        satterthwaite,
    )
    from harness.referee.kenward_roger import KenwardRogerUndefined

__version__ = "0.1.0"

__all__ = [
    "Inference",
    "KenwardRogerUndefined",
    "NotAtOptimumWarning",
    "__version__",
    "diagnose",
    "kenward_roger",
    "satterthwaite",
]


def __getattr__(name: str) -> Any:
    """Load the public functions when first asked for: numpy and statsmodels take a second.

    They also must not be loaded before the command line has fixed the environment of the BLAS.
    """
    if name == "diagnose":
        return importlib.import_module("harness.diagnose")  # a package that can be called
    if name in __all__:
        from harness.engines import mixedlm_inference as inference
        from harness.referee.kenward_roger import KenwardRogerUndefined

        globals().update(
            {public: getattr(inference, public) for public in __all__ if hasattr(inference, public)}
        )
        globals()["KenwardRogerUndefined"] = KenwardRogerUndefined
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
