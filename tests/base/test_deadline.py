"""What runs in this process ends at its deadline, whatever it does in Python."""

import math
import time

import pytest

from harness.base import heartbeat
from harness.base.deadline import NEVER, Deadline, TimeUp, stopped_at

LONG = 60.0
"""Seconds within which a stop comes on the busiest machine, and without which nothing would end."""


def spin():
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        pass
    pytest.fail("it was not stopped")


def test_a_loop_in_python_is_stopped():
    with pytest.raises(TimeUp), stopped_at(Deadline(0.05)):
        spin()


@pytest.mark.slow
def test_what_swallows_everything_that_is_raised_is_stopped_all_the_same():
    def stubborn():
        for _ in range(2):
            try:
                spin()
            except BaseException:
                continue
        spin()

    with pytest.raises(TimeUp), stopped_at(Deadline(0.05)):
        stubborn()


def test_nothing_is_begun_after_the_deadline():
    begun = []
    with pytest.raises(TimeUp), stopped_at(Deadline(0.0)):
        begun.append(1)
    assert not begun


def test_an_inner_limit_leaves_the_outer_one():
    def inner():
        with stopped_at(Deadline(LONG)):
            pass
        with pytest.raises(TimeUp), stopped_at(Deadline(0.02)):
            spin()
        spin()

    with pytest.raises(TimeUp), stopped_at(Deadline(0.2)):
        inner()


def test_the_shorter_of_two_limits_counts():
    outer = Deadline(0.05)
    with pytest.raises(TimeUp), stopped_at(outer), stopped_at(Deadline(LONG)):
        spin()


def test_without_an_end_nothing_is_stopped():
    assert math.isinf(NEVER.left)
    with stopped_at(NEVER):
        time.sleep(0.01)


def test_an_earlier_deadline_is_told_by_the_same_limit():
    whole = Deadline(20.0)
    early = whole.less(5.0)
    assert early.seconds == 20.0
    assert 14.0 < early.left <= 15.0


def test_a_heart_beats_until_the_work_is_done(monkeypatch):
    monkeypatch.setattr(heartbeat, "SECONDS", 0.01)
    beats = []
    with heartbeat.heartbeat(beats.append):
        while len(beats) < 3:
            time.sleep(0.001)
    after = len(beats)
    time.sleep(0.05)
    assert len(beats) == after
    assert beats == sorted(beats)
