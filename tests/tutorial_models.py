"""The models of the tutorial in the order of its final table."""

MODELS = (
    "LM-Global",
    "ANCOVA-Inter",
    "Aggregation",
    "Hierarchical",
    "LMM-Inter",
    "ANCOVA-Full",
    "LMM-Full",
)
