"""R embedded in this process. Only a worker process imports this module, or one that has rpy2.

rpy2's lower half is used alone. Vectors go in through the buffer protocol, one R function is
called, one flat list comes back: no R code is built from strings, and nothing is left in R's global
environment.
"""

from __future__ import annotations

import resource
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# rpy2's annotations contradict its documentation in places; its modules are taken as untyped.
rinterface: Any = import_module("rpy2.rinterface")
embedded: Any = import_module("rpy2.rinterface_lib.embedded")
callbacks: Any = import_module("rpy2.rinterface_lib.callbacks")
openrlib: Any = import_module("rpy2.rinterface_lib.openrlib")
RTYPES = rinterface.RTYPES

_NO_PROFILE = ("--no-save", "--no-restore", "--no-site-file", "--no-init-file")
"""``--vanilla`` but for ``etc/Renviron.site``, which may say where a site's packages are."""

_HEAP = ("--min-nsize=3M", "--min-vsize=128M")
"""As much as loading lme4 leaves behind: R's own start of 22 MB is collected all the while.

Loading takes four fifths of the time then, and fits a tenth less.
"""

Value = NDArray[Any] | tuple[str, ...]
Result = dict[str, Value]


class EmbeddedR:
    """R with the project's functions loaded into an environment of their own.

    Parameters
    ----------
    scripts : sequence of paths
        R files to load; together they must define ``call_recording``, ``set_session_options`` and
        ``need_packages``.
    preload : sequence of str
        R packages to load now. One that is missing is reported by the function that needs it.
    """

    def __init__(self, scripts: Sequence[Path], preload: Sequence[str] = ()) -> None:
        embedded.set_initoptions(("rpy2", *_NO_PROFILE, *_HEAP, "--quiet", "--no-echo"))
        rinterface.initr(_c_stack_limit=_stack_limit())
        # What a fit has to say it says by conditions; what it prints has no reader.
        callbacks.consolewrite_print = _discard
        callbacks.consolewrite_warnerror = _discard
        base = rinterface.baseenv
        self._scope = base["new.env"](parent=rinterface.baseenv)
        for script in scripts:
            base["sys.source"](str(script), envir=self._scope)
        self._scope["set_session_options"]()
        self._call_recording = self._scope["call_recording"]
        for package in preload:
            self.call("need_packages", {"packages": package})
        if "lmerTest" in preload:
            # Decided here for all workers that are forked from this process.
            self.call("parts_agree", {})

    @property
    def mode(self) -> str:
        """How rpy2 was built: ``"API"``, or ``"ABI"`` when a header was missing (slower)."""
        return str(openrlib.cffi_mode.name)

    def call(self, function: str, payload: Mapping[str, Any]) -> tuple[Result | None, Result]:
        """Call an R function with named arguments.

        Parameters
        ----------
        payload : mapping
            Arguments by name: str, bool, int, float, None, arrays of float64 or int32, sequences of
            str, and mappings of these.

        Returns
        -------
        value : dict or None
            Numeric vectors as arrays, character vectors as tuples of str; None after an error.
        conditions : dict
            ``kind``, ``text`` and ``category``, tuples of str of equal length.
        """
        answer = dict(items(self._call_recording(function, _to_r(payload), self._scope)))
        value = answer.pop("value")
        conditions = {name: from_r(vector) for name, vector in answer.items()}
        if value.typeof == RTYPES.NILSXP:
            return None, conditions
        if value.typeof != RTYPES.VECSXP:
            return {}, conditions
        return {name: from_r(vector) for name, vector in items(value)}, conditions


def _discard(_: str) -> None:
    return None


def _stack_limit() -> int:
    """Bytes of stack after which R reports infinite recursion, safely below where it crashes."""
    soft, _ = resource.getrlimit(resource.RLIMIT_STACK)
    # 8 MiB is what an unlimited main thread starts from on Linux too.
    available = 8 * 2**20 if soft == resource.RLIM_INFINITY else min(soft, 64 * 2**20)
    return int(available * 0.78)


def _to_r(value: Any) -> Any:
    if isinstance(value, Mapping):
        vector = rinterface.ListSexpVector([_to_r(item) for item in value.values()])
        vector.names = rinterface.StrSexpVector([str(name) for name in value])
        return vector
    if isinstance(value, np.ndarray):
        return _vector(value)
    if value is None:
        return rinterface.NULL
    if isinstance(value, str):
        return rinterface.StrSexpVector([value])
    if isinstance(value, bool):
        return rinterface.BoolSexpVector([value])
    if isinstance(value, int):
        return rinterface.IntSexpVector([value])
    if isinstance(value, float):
        return rinterface.FloatSexpVector([value])
    if isinstance(value, Sequence) and all(isinstance(item, str) for item in value):
        return rinterface.StrSexpVector(list(value))
    raise TypeError(f"cannot send {type(value).__name__} to R")


def _vector(array: NDArray[Any]) -> Any:
    # from_memoryview silently truncates whatever is not contiguous, aligned, of the exact type and
    # one-dimensional.
    if array.ndim != 1:
        raise TypeError(f"cannot send an array of {array.ndim} dimensions to R")
    if array.size == 0:
        empty: list[Any] = []
        return (
            rinterface.FloatSexpVector(empty)
            if array.dtype.kind == "f"
            else rinterface.IntSexpVector(empty)
        )
    if array.dtype == np.float64:
        ready = np.require(array, np.float64, ["C", "A"])
        return rinterface.FloatSexpVector.from_memoryview(ready.data)
    if array.dtype == np.int32:
        ready = np.require(array, np.int32, ["C", "A"])
        return rinterface.IntSexpVector.from_memoryview(ready.data)
    raise TypeError(f"cannot send an array of {array.dtype} to R")


def from_r(vector: Any) -> Value:
    """Return a vector of R as an array, or strings as a tuple."""
    kind = vector.typeof
    if kind == RTYPES.STRSXP:
        return tuple("NA" if item is rinterface.NA_Character else str(item) for item in vector)
    if kind == RTYPES.NILSXP:
        return ()
    if kind in (RTYPES.REALSXP, RTYPES.INTSXP, RTYPES.LGLSXP):
        # Never SexpVector.memoryview(): it releases a reference too many and kills the process
        # after some thousands of calls.
        return np.array(vector)
    raise TypeError(f"R returned a {kind.name}, not a numeric or character vector")


def items(vector: Any) -> list[tuple[str, Any]]:
    """Return the elements of a named list with their names."""
    return list(zip(vector.names, vector, strict=True))
