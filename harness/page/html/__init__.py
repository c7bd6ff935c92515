"""Pages for a browser, readable without scripts."""

__all__ = [
    "diagnosis_bundle",
    "diagnosis_page",
    "html_page",
    "model_pictures",
    "parity_report",
]
