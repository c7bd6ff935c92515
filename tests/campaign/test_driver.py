"""The driver: every task once and the same results, whatever is done first and where."""

from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from harness.base.errors import BadInput, EnvironmentProblem
from harness.campaign import driver
from harness.campaign.campaign_file import Campaign, run_to_file
from harness.campaign.case_task import case_task, unfinished_case
from harness.campaign.driver import run_campaign
from harness.campaign.record_file import read_records
from harness.campaign.setup import Setup
from harness.campaign.sources import Ladder, Shard
from harness.campaign.workers import Refused, close_workers
from harness.page.record_equality import first_difference
from tests.campaign.stubs import (
    Numbered,
    quick_task,
    setup_of,
    small_rungs,
    uneven_task,
)

NAMES = tuple(f"case/{i}" for i in range(8))


@pytest.mark.slow
def test_results_come_as_they_arrive_with_their_numbers_and_are_sorted_in_the_file(tmp_path):
    source, setup = Numbered(6), setup_of(function=uneven_task)
    found = [(number, done.id) for number, done in run_campaign(source, setup, jobs=2)]
    assert found != sorted(found)
    assert sorted(found) == [(i, f"n/{i}") for i in range(6)]
    run_to_file(Campaign(source, setup, jobs=2), tmp_path / "all.jsonl")
    assert [c.id for c in read_records(tmp_path / "all.jsonl").cases] == [
        f"n/{i}" for i in range(6)
    ]


def test_what_is_done_already_is_left_out_and_the_rest_keeps_its_numbers():
    setup = setup_of(function=quick_task)
    found = run_campaign(Numbered(6), setup, jobs=1, done={0, 3, 4})
    assert [(number, done.id) for number, done in found] == [(1, "n/1"), (2, "n/2"), (5, "n/5")]


@pytest.mark.slow
def test_results_are_the_same_for_any_number_of_workers(tmp_path):
    paths = []
    for jobs in (1, 2):
        paths.append(tmp_path / f"{jobs}.jsonl")
        run_to_file(Campaign(small_rungs(*NAMES), setup_of(), jobs=jobs), paths[-1])
    assert first_difference(*paths) == ""
    one, two = (read_records(path) for path in paths)
    assert [c.id for c in one.cases] == list(NAMES)
    assert one.header.versions == two.header.versions
    assert one.header.options == two.header.options


@pytest.mark.r
def test_r_and_statsmodels_give_the_same_bits_in_any_worker(tmp_path):
    rungs = ("dyestuff", "tutorial/lmm-full/REML", "tutorial/lm-global")
    setup = Setup(("statsmodels", "lme4"), "lme4", case_task, unfinished_case)
    paths = [tmp_path / f"{jobs}.jsonl" for jobs in (1, 2)]
    for jobs, path in enumerate(paths, 1):
        run_to_file(Campaign(Ladder(rungs), setup, jobs=jobs), path)
    assert first_difference(*paths) == ""


@pytest.mark.slow
def test_a_difference_is_found(tmp_path):
    paths = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for path, names in zip(paths, (NAMES[:2], NAMES[1::-1]), strict=True):
        run_to_file(Campaign(small_rungs(*names), setup_of(), jobs=1), path)
    assert first_difference(*paths).startswith("line 2 of ")


@pytest.mark.slow
def test_nothing_waits_for_a_task_that_is_slow_and_no_more_are_begun_than_were_asked_for():
    given = []

    class Never:
        def submit(self, function, /, setup, task, expected):
            given.append(task.id)
            future = Future()
            if task.id != "n/0":
                future.set_result(driver.Done(task.id, (b"{}",), 0.0))
            return future

    class Stop(Exception):
        pass

    def stop():
        raise Stop

    campaign = run_campaign(Numbered(3000), setup_of(), executor=Never(), at_once=4, idle=stop)
    for number in range(1, 3000):
        assert next(campaign)[0] == number
        assert len(given) - number <= 4
    with pytest.raises(Stop):
        next(campaign)


class Elsewhere(ThreadPoolExecutor):
    """An executor that loses or refuses some tasks at first."""

    def __init__(self, error, times):
        super().__init__(2)
        self.error, self.times = error, times

    def submit(self, function, /, *arguments):
        if self.times > 0:
            self.times -= 1
            future = Future()
            future.set_exception(self.error)
            return future
        return super().submit(function, *arguments)


def elsewhere(error, times, count=4):
    said = []
    setup = setup_of(function=quick_task)
    with Elsewhere(error, times) as executor:
        try:
            done = sorted(
                (number, done.id)
                for number, done in run_campaign(
                    Numbered(count), setup, executor=executor, refused=said.append
                )
            )
        finally:
            close_workers()
    return [name for _, name in done], said


def test_a_task_that_an_executor_loses_is_given_again():
    ids, _ = elsewhere(OSError("a machine is gone"), 3)
    assert ids == [f"n/{i}" for i in range(4)]


@pytest.mark.slow
def test_a_task_that_is_lost_again_and_again_ends_the_run_with_a_line():
    with pytest.raises(EnvironmentProblem, match=r"lost 5 times.*OSError: a machine is gone"):
        elsewhere(OSError("a machine is gone"), 99, count=1)


def test_a_worker_with_other_versions_is_refused_and_its_task_done_elsewhere():
    ids, said = elsewhere(Refused("node7 is refused: its lme4 is 1, the run's is 2"), 2)
    assert ids == [f"n/{i}" for i in range(4)]
    assert said[0] == "node7 is refused: its lme4 is 1, the run's is 2"


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3", "-1/2"])
def test_a_shard_is_written_i_of_n(text):
    with pytest.raises(BadInput, match="write i/n"):
        Shard.parse(text)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_shards_have_every_task_once(count):
    source = Numbered(13)
    shards = [Shard(i, count) for i in range(1, count + 1)]
    parts = [[task.id for task in shard.of(source)] for shard in shards]
    assert sorted(name for part in parts for name in part) == sorted(task.id for task in source)
    assert [len(part) for part in parts] == [shard.size(13) for shard in shards]


@pytest.mark.slow
def test_the_cache_gives_the_same_records_under_their_new_names(tmp_path):
    store = str(tmp_path / "store")
    setup = setup_of(store=store)
    first = [done for _, done in run_campaign(small_rungs("a", "b"), setup, jobs=1)]
    second = [done for _, done in run_campaign(small_rungs("a", "c"), setup, jobs=1)]
    assert second[0].lines == first[0].lines
    renamed = first[1].lines[0].replace(b'"id":"b","title":"b"', b'"id":"c","title":"c"')
    assert second[1].lines[0] == renamed
