"""Where tables come from: data sets, the ladder, the user's own, generated ones.

A case with a title, a group and the numbers that were printed of it is a
:class:`~harness.data.rungs.Rung`. Recipes draw data; anonymisation hides a user's.
"""

__all__ = [
    "anonymisation",
    "certified_values",
    "datasets",
    "exact_csv",
    "ladder",
    "own_table",
    "printed_numbers",
    "published_cases",
    "recipes",
    "rungs",
    "seven_rungs",
]
