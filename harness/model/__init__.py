"""What is fitted: formula, terms, table, design, case.

A formula is parsed once (:mod:`~harness.model.formula`, :mod:`~harness.model.model`); bound to a
table it is a :class:`~harness.model.case.Case`, whose design has the columns that every engine is
given and every judgement is made by.
"""

__all__ = [
    "case",
    "coding",
    "column_match",
    "design",
    "expression_text",
    "formula",
    "formula_parser",
    "functions",
    "level_order",
    "model",
    "own_columns",
    "residual",
    "residual_design",
    "structure",
    "table",
    "term_match",
    "terms",
    "tokens",
]
