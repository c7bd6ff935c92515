"""What people see: records, diagnoses and suites on the terminal, in HTML, JUnit, CSV and bundles.

Nothing is computed here: all is read from records. A :mod:`~harness.page.page` is what is to be
shown, laid out; how a verdict looks, numbers and words are each in one place.
"""

__all__ = [
    "annotations",
    "audit_junit",
    "audit_layout",
    "badge",
    "bundle",
    "case_layout",
    "comparison_layout",
    "diagnosis_layout",
    "excerpt_layout",
    "html",
    "intervals_layout",
    "job_summary",
    "junit",
    "listing_layout",
    "page",
    "published_layout",
    "record_diff",
    "record_export",
    "run_summary",
    "scoreboard_site",
    "suite_layout",
    "terminal_page",
]
