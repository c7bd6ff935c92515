"""The commands of ``lmm-parity``, one module each."""
