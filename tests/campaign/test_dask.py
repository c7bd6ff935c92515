"""Dask: the same records as on this machine, also when a worker dies or is another version."""

import os
import signal

import pytest

from harness.base.errors import EnvironmentProblem
from harness.campaign.campaign_file import Campaign, Watcher, run_to_file
from harness.campaign.dask_executor import dask_place
from harness.campaign.record_file import read_records
from harness.page.record_equality import first_difference
from tests.campaign.stubs import Numbered, setup_of, slow_task, small_rungs

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster():
    import dask

    # Its workers have to be allowed to start processes.
    with (
        dask.config.set({"distributed.worker.daemon": False}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as running,
    ):
        yield running


class Killing(Watcher):
    """Kills a Dask worker after the first tasks."""

    def __init__(self, process):
        self.process, self.count, self.said = process, 0, []

    def finished(self, done, seen):
        self.count += 1
        if self.count == 5 and self.process:
            os.kill(self.process, signal.SIGKILL)

    def refused(self, text):
        self.said.append(text)


@pytest.mark.slow
def test_a_campaign_on_dask_gives_the_records_of_one_here(cluster, tmp_path):
    """With an engine that crashes, which costs its own case only."""
    source, setup = small_rungs("a", "crash/1", "b", "c"), setup_of("Faulty", timeout=30.0)
    run_to_file(Campaign(source, setup, jobs=1), tmp_path / "here.jsonl")
    with dask_place(cluster.scheduler_address) as place:
        run_to_file(place.running(Campaign(source, setup)), tmp_path / "there.jsonl")
    assert first_difference(tmp_path / "here.jsonl", tmp_path / "there.jsonl") == ""


@pytest.mark.slow
def test_a_dask_worker_that_is_killed_costs_no_case(cluster, tmp_path):
    source, setup = Numbered(60), setup_of(function=slow_task)
    with dask_place(cluster.scheduler_address) as place:
        victim = next(iter(place.client.run(os.getpid).values()))
        watcher = Killing(victim)
        run_to_file(place.running(Campaign(source, setup)), tmp_path / "d.jsonl", watcher=watcher)
    assert [c.id for c in read_records(tmp_path / "d.jsonl").cases] == [f"n/{i}" for i in range(60)]


def test_no_scheduler_is_a_line(monkeypatch):
    monkeypatch.setattr("harness.campaign.dask_executor.CONNECT_SECONDS", 0.5)
    with (
        pytest.raises(EnvironmentProblem, match="no Dask scheduler at tcp"),
        dask_place("tcp://127.0.0.1:9"),
    ):
        pass
