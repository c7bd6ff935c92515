"""The conformance suite: properties of an engine, checked on generated clustered data.

It runs by the command line and under pytest; what comes of it is a
:class:`~harness.conformance.suite_result.SuiteResult`, held against the user's expectations.
"""

__all__ = [
    "asked_cases",
    "expectations",
    "fit_times",
    "properties",
    "regressions",
    "scoreboard",
    "suite",
    "suite_result",
]
