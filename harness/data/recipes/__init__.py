"""Generated data: a recipe is some numbers, and a table follows from it alone.

Shapes say how groups are made up, the draw says what may vary, and a recipe that shows a fault is
made smaller one step at a time.
"""

__all__ = [
    "forms",
    "recipe_draw",
    "recipe_shrink",
    "shapes",
    "strategies",
]
