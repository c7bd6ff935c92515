"""Bundles for an upstream issue: data, a script for each language, what they printed, the issue."""

__all__ = [
    "bundle_folder",
    "bundle_scripts",
    "check_script",
    "engine_scripts",
    "failure_bundles",
    "rerun",
]
