"""Records as one self-contained HTML page."""
