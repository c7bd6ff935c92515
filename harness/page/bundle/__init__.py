"""Bundles for an upstream issue."""
