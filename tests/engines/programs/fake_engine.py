"""A fit function that does what the formula of the message names."""

import ctypes
import os
import subprocess
import sys
import warnings

from conversation import Refused, Unsupported, converse


class Panic(BaseException):
    """What a compiled extension raises: no Exception."""


def fit(request):
    what = request.formula
    if what == "unsupported":
        raise Unsupported("one random term only")
    if what == "not implemented":
        raise NotImplementedError("no slopes yet")
    if what == "refused":
        raise Refused("two rows are too few")
    if what == "panic":
        raise Panic("attempt to subtract with overflow")
    if what == "exit":
        sys.exit(3)
    if what == "error":
        return {"coefficients": [{}["estimate"]]}
    if what == "complex":
        return {"loglik": 1j}
    if what == "no dictionary":
        return None
    if what == "print":
        print("a line of Python")
        os.write(1, b"a line of the descriptor\n")
        subprocess.run([sys.executable, "-c", "print('a line of a child')"], check=True)
        ctypes.CDLL(None).puts(b"a line of C")
        ctypes.CDLL(None).fflush(None)
    if what == "read":
        child = subprocess.run("cat", check=True, capture_output=True, text=True)
        return {"fitter": sys.stdin.read() + child.stdout}
    if what == "warn":
        for _ in range(2):
            warnings.warn("singular fit", RuntimeWarning, stacklevel=2)
        raise ArithmeticError("and then it broke")
    if what == "numpy":
        import numpy as np

        return {
            "n_obs": np.int64(3),
            "loglik": np.float32(0.5),
            "aic": np.float64("nan"),
            "bic": -np.inf,
            "df_residual": np.longdouble(2),
            "converged": np.bool_(True),
            "fitted": np.array([1, 2], dtype=np.int8),
            "random": [{"covariance": np.array([[1.0, np.inf], [0.0, 1.0]])}],
            "fitter": np.str_("f"),
        }
    values = request.columns[request.outcome].values
    return {"residual_variance": 1.0, "loglik": sum(values) / len(values)}


converse(
    fit,
    name="fake",
    packages=[],
    definitions={"loglik": "full"},
    rows="all",
    wants=("design",),
)
