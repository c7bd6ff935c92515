"""Fits that are kept."""
