"""A badge: the endpoint schema of shields.io."""

from __future__ import annotations

import json

from harness.conformance.suite_result import SuiteResult, laid_to


def badge(judgement: SuiteResult, engine: str, reference: str) -> str:
    """Return the JSON that ``https://img.shields.io/endpoint?url=`` reads.

    Notes
    -----
    https://shields.io/badges/endpoint-badge gives the schema.
    """
    unexpected = len(judgement.of("unexpected"))
    expected = len(judgement.of("expected"))
    others = judgement.of("another's")
    held = len(judgement.of("holds"))
    known = [f"{expected} known"] if expected else []
    known += [f"{len(others)} laid to {laid_to(others)}"] if others else []
    if not judgement.checked:
        message, colour = "nothing checked", "lightgrey"
    elif unexpected:
        message, colour = f"{unexpected} of {judgement.checked} checks fail", "red"
    elif not judgement.passed:
        message, colour = f"{len(judgement.stale)} stale expectations", "orange"
    elif known:
        message = ", ".join([f"{held} of {judgement.checked} hold", *known])
        colour = "green" if expected else "brightgreen"
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
