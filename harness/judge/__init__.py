"""From fits to a record: where each engine stands, whether what it states is true, and why not.

All go through one function, :func:`harness.judge.judge.judge`. Evidence is data; sentences are made
from it in :mod:`~harness.judge.sentence`, at the end.
"""

__all__ = [
    "audit",
    "case_record",
    "case_verdict",
    "causes",
    "certified_score",
    "comparison",
    "decision",
    "definition_notes",
    "df_rule",
    "evaluated_model",
    "evidence",
    "examination",
    "fixed_effect_tests",
    "glance",
    "judge",
    "judgement",
    "listing",
    "listing_match",
    "listing_record",
    "listing_source",
    "listing_verdict",
    "lre",
    "model_comparison",
    "number_verdict",
    "pair_decision",
    "parameter_intervals",
    "printed_matrix",
    "property_outcome",
    "published_verdict",
    "records",
    "same_model",
    "sentence",
    "side_by_side",
    "time_limit",
    "tolerances",
    "verdict",
]
