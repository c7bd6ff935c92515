"""What was done before its turn is kept beside the file, and taken from there by who goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.campaign import ahead as module
from harness.campaign.ahead import Ahead
from harness.campaign.campaign_file import Campaign, run_to_file
from harness.campaign.worker_process import Done
from harness.judge.records import read_records
from tests.campaign.stubs import Numbered, held_task, setup_of

HEADER = b'{"record":"header"}\n'


def done(number, size=10):
    return Done(f"n/{number}", (b"x" * size, b"\xff\n"), 1.5, ("once",))


def test_what_is_kept_is_taken_by_the_next_process(tmp_path):
    first = Ahead(tmp_path / "a", HEADER)
    for number in (3, 5, 4):
        first.keep(number, done(number))
    again = Ahead(tmp_path / "a", HEADER, 4)
    assert [again.take(n, f"n/{n}") for n in (3, 4, 5, 6)] == [None, done(4), done(5), None]
    assert again.take(4, "another") is None
    assert len(Ahead(tmp_path / "a", b"another header\n")) == 0
    assert len(Ahead(tmp_path / "a", HEADER)) == 0  # which the one before has emptied


def test_an_entry_that_broke_off_is_left_out_and_the_next_is_whole(tmp_path):
    first = Ahead(tmp_path / "a", HEADER)
    first.keep(1, done(1))
    first.keep(2, done(2))
    os.truncate(first.path, first.path.stat().st_size - 3)
    again = Ahead(tmp_path / "a", HEADER)
    assert (again.take(1, "n/1"), again.take(2, "n/2")) == (done(1), None)
    again.keep(3, done(3))
    third = Ahead(tmp_path / "a", HEADER)
    assert [third.take(n, f"n/{n}") for n in (1, 2, 3)] == [done(1), None, done(3)]


def test_the_file_stays_small_and_goes_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 20_000)
    with Ahead(tmp_path / "a", HEADER) as kept:
        for number in range(100):
            kept.keep(number, done(number, 1000))
            if number >= 5:
                kept.drop(number - 5)
            assert kept.path.stat().st_size <= 22_000
        assert kept.take(97, "n/97") == done(97, 1000)
        for number in range(95, 100):
            kept.drop(number)
        assert kept.path.stat().st_size == 0
    assert not kept.path.exists()


def test_where_it_cannot_be_written_nothing_is_kept_and_nothing_raised(tmp_path):
    kept = Ahead(tmp_path / "no folder" / "a", HEADER)
    kept.keep(1, done(1))
    assert kept.take(1, "n/1") is None


ALONE = """
import sys
from pathlib import Path
from harness.campaign.campaign_file import run_to_file
from tests.campaign.test_ahead import campaign
if __name__ == "__main__":
    run_to_file(campaign(sys.argv[1]), Path(sys.argv[1]) / "all.jsonl", resume=True)
"""


def campaign(folder, count=40):
    setup = setup_of(function=held_task, store=str(folder))
    return Campaign(Numbered(count), setup, jobs=2)


def test_nothing_behind_a_slow_case_is_done_again_after_a_kill(tmp_path):
    """The first case takes long; meanwhile the others are done, and the run is killed."""
    script, path = tmp_path / "alone.py", tmp_path / "all.jsonl"
    script.write_text(ALONE)
    kept = tmp_path / "all.jsonl.ahead"
    parent = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    deadline = time.monotonic() + 60
    while not kept.exists() or kept.read_bytes().count(b"\n") < 1 + 39:
        assert time.monotonic() < deadline
        assert parent.poll() is None
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert (tmp_path / "all.jsonl.partial").read_bytes().count(b"\n") == 1
    (tmp_path / "first").touch()
    (tmp_path / "hold").touch()  # were one of the others done again, it would not end
    run_to_file(campaign(tmp_path), path, resume=True)
    assert [c.id for c in read_records(path).cases] == [f"n/{i}" for i in range(40)]
    assert not kept.exists()


@pytest.mark.parametrize("resume", [True, False])
def test_what_was_kept_of_another_run_is_not_taken(tmp_path, resume):
    path = tmp_path / "all.jsonl"
    stale = Ahead(path, HEADER)
    stale.keep(0, Done("n/0", (b"not a record",), 0.0))
    (tmp_path / "first").touch()
    run_to_file(campaign(tmp_path, 3), path, resume=resume)
    assert len(read_records(path).cases) == 3
    assert not stale.path.exists()
