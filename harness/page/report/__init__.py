"""The report of a run, laid out part by part; ``report_page`` is the whole."""

__all__ = [
    "report_context",
    "report_page",
]
