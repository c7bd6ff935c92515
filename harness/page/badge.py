"""A badge: the endpoint schema of shields.io."""

from __future__ import annotations

import json

from harness.conformance.suite_result import SuiteResult


def badge(judgement: SuiteResult, engine: str, reference: str) -> str:
    """Return the JSON that ``https://img.shields.io/endpoint?url=`` reads.

    Notes
    -----
    https://shields.io/badges/endpoint-badge gives the schema.
    """
    unexpected = len(judgement.of("unexpected"))
    expected = len(judgement.of("expected"))
    if not judgement.checked:
        message, colour = "nothing checked", "lightgrey"
    elif unexpected:
        message, colour = f"{unexpected} of {judgement.checked} checks fail", "red"
    elif not judgement.passed:
        message, colour = f"{len(judgement.stale)} stale expectations", "orange"
    elif expected:
        held = judgement.checked - expected
        message, colour = f"{held} of {judgement.checked} hold, {expected} known", "green"
    else:
        message, colour = f"{judgement.checked} checks hold", "brightgreen"
    return json.dumps(
        {
            "schemaVersion": 1,
            "label": f"{engine} = {reference}",
            "message": message,
            "color": colour,
            "isError": not judgement.passed,
        },
        ensure_ascii=False,
    )
