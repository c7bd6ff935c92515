"""Data sets, the ladder, generated data."""
