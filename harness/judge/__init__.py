"""The judge: from fits to a record."""
