"""Readers of record files: what a run came to, in numbers, tables and forms for other programs."""
