"""Recipes of generated data."""
