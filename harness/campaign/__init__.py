"""Many cases: where they come from, processes that work on them, and the file of their records.

Records are written in a journal as they arrive and sorted when all are there, so that a run can be
killed at any time and gone on with.
"""

__all__ = [
    "campaign_file",
    "case_folder",
    "case_task",
    "dask_executor",
    "driver",
    "fork_server",
    "listing_file",
    "open_engines",
    "provenance",
    "record_file",
    "record_stream",
    "serial",
    "setup",
    "shards",
    "sources",
    "tally",
    "watchers",
    "worker_process",
]
