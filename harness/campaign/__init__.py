"""Many cases: running them and keeping their records."""
