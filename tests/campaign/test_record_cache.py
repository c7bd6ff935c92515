"""Whole records from the cache: found at once, by a worker that is warm, and never stale."""

import pytest

from harness.campaign.campaign_file import Campaign, run_to_file
from harness.campaign.driver import run_campaign
from harness.page.record_equality import first_difference
from tests.campaign.stubs import Numbered, quick_task, setup_of, small_rungs


def ready_task(engines, task):
    """Give a record when the cache of records was opened before the first task."""
    assert engines.kept["records"] is not None
    return quick_task(engines, task)


@pytest.mark.slow
def test_a_worker_that_is_open_knows_what_records_depend_on(tmp_path):
    setup = setup_of(function=ready_task, store=str(tmp_path))
    ((_, done),) = run_campaign(Numbered(1), setup, jobs=1)
    assert done.problem == ""


@pytest.mark.slow
def test_a_second_run_reads_the_records_of_the_first(tmp_path):
    setup = setup_of(store=str(tmp_path / "store"))
    paths = [tmp_path / f"{i}.jsonl" for i in range(2)]
    for path in paths:
        run_to_file(Campaign(small_rungs("a", "b", "c"), setup, jobs=1), path)
    assert first_difference(*paths) == ""
    # Of a record that was computed again the seconds would be others.
    first, second = (path.read_bytes().splitlines()[1:-1] for path in paths)
    assert first == second


@pytest.mark.slow
def test_a_record_with_one_engine_more_or_in_another_order_is_another(tmp_path):
    store, made = str(tmp_path / "store"), []
    for number, engines in enumerate([("Good",), ("Good", "Better"), ("Better", "Good")]):
        path = tmp_path / f"{number}.jsonl"
        campaign = Campaign(small_rungs("a"), setup_of(*engines, store=store), jobs=1)
        run_to_file(campaign, path)
        made.append(path.read_bytes().splitlines()[1])
    assert len(set(made)) == 3
    run_to_file(campaign, path)
    assert path.read_bytes().splitlines()[1] == made[-1]
