"""Named causes: their entries and predicates."""
