"""Ready programs, each to run in the environment of its engine, and what they share."""

__all__ = ["mixedlm_probes"]
