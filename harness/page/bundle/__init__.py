"""Bundles for an upstream issue: data, a script for each language, what they printed, the issue."""

__all__ = [
    "bundle_folder",
    "failure_bundles",
    "rerun",
]
