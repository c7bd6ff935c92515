"""A table of which the model has no best point is refused in one line, by whatever asks for it."""

import pandas as pd
import pytest

import harness
from harness.base.errors import BadInput

EXACT = pd.DataFrame(
    {"y": [1.0, 2, 3, 4, 5, 6], "x": [0, 1, 0, 1, 0, 1], "g": ["a", "a", "b", "b", "c", "c"]}
)
ALIASED = pd.DataFrame(
    {
        "y": [1.2, 2.1, 3.3, 4.1, 5.9, 6.1, 7.2, 3.2],
        "x": [0, 1, 0, 1, 2, 1, 3, 0],
        "z": [0, 2, 0, 2, 4, 2, 6, 0],
        "g": list("aabbccdd"),
    }
)
TABLES = [
    (EXACT, "y ~ x + (1 | g)", "fit the outcome exactly: the likelihood grows without bound"),
    (
        ALIASED,
        "y ~ x + z + (1 | g)",
        "these columns depend on those before them: z; leave them out",
    ),
]


@pytest.mark.parametrize(("frame", "formula", "said"), TABLES)
@pytest.mark.parametrize(
    "asked",
    [
        lambda formula, frame: harness.audit(frame, formula, {"coefficient": {"x": {"se": "1"}}}),
        harness.inference,
        harness.intervals,
        lambda formula, frame: harness.compare("y ~ x", formula, frame),
    ],
)
def test_what_has_no_optimum_is_refused(asked, frame, formula, said):
    with pytest.raises(BadInput) as error:
        asked(formula, frame)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
