"""Fit the same linear mixed model in Python and in R, and prove which one is right."""

__version__ = "0.1.0"
