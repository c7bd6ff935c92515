"""Whole records from the cache: found at once, by a worker that is warm, and never stale."""

from harness.campaign.campaign_file import Campaign, run_to_file
from harness.campaign.driver import run_campaign
from harness.page.record_equality import first_difference
from tests.campaign.stubs import Numbered, quick_task, setup_of, small_rungs


def ready_task(engines, task):
    """Give a record when the cache of records was opened before the first task."""
    assert engines.kept["records"] is not None
    return quick_task(engines, task)


def test_a_worker_that_is_open_knows_what_records_depend_on(tmp_path):
    setup = setup_of(function=ready_task, store=str(tmp_path))
    (done,) = run_campaign(Numbered(1), setup, jobs=1)
    assert done.problem == ""


def test_a_second_run_reads_the_records_of_the_first(tmp_path):
    setup = setup_of(store=str(tmp_path / "store"))
    paths = [tmp_path / f"{i}.jsonl" for i in range(2)]
    for path in paths:
        run_to_file(Campaign(small_rungs("a", "b", "c"), setup, jobs=1), path)
    assert first_difference(*paths) == ""
    # Of a record that was computed again the seconds would be others.
    first, second = (path.read_bytes().splitlines()[1:-1] for path in paths)
    assert first == second
