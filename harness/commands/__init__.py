"""The commands of ``lmm-parity``, one module each, and what they share."""
