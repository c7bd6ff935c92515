"""Unfinished files: whatever ended the run, going on loses no case and doubles none."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from harness.base.errors import BadInput, EnvironmentProblem
from harness.base.json import encode
from harness.campaign.campaign_file import Campaign, Watcher, run_to_file
from harness.campaign.driver import start_workers
from harness.campaign.resume import header_in
from harness.campaign.shards import merge
from harness.campaign.sources import Shard
from harness.judge.records import RecordWriter, read_records
from harness.page.record_equality import first_difference
from tests.campaign.stubs import Numbered, quick_task, setup_of, slow_task

COUNT = 12


def campaign(count=COUNT, **options):
    setup = setup_of(function=quick_task, records=1)
    return Campaign(Numbered(count), setup, jobs=1, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbed."""
    path = tmp_path_factory.mktemp("whole") / "all.jsonl"
    run_to_file(campaign(), path)
    return path


@pytest.fixture
def lines(whole):
    return whole.read_bytes().splitlines(keepends=True)


@pytest.fixture
def unfinished(tmp_path):
    """Return a function that writes an unfinished file and returns the path of the whole one."""

    def write(parts):
        (tmp_path / "all.jsonl.partial").write_bytes(b"".join(parts))
        return tmp_path / "all.jsonl"

    return write


class Seen(Watcher):
    def __init__(self):
        self.before = self.torn = None
        self.kept_ids, self.new_ids = [], []

    def kept(self, seen):
        self.kept_ids.append(seen.of)

    def started(self, header, done, *, torn):
        self.before, self.torn = done, torn

    def finished(self, done, seen):
        self.new_ids.append(done.id)


TORN = {
    "nothing but a header": (lambda x: x[:1], 0, False),
    "an empty file": (lambda x: [], 0, False),
    "a torn header": (lambda x: [x[0][:40]], 0, False),
    "whole lines": (lambda x: x[:6], 5, False),
    "a torn line": (lambda x: [*x[:6], x[6][:100]], 5, True),
    "a line without its end": (lambda x: [*x[:6], x[6].rstrip(b"\n")], 5, True),
    "zeros, as a power cut leaves them": (lambda x: [*x[:6], bytes(3000)], 5, True),
    "zeros and an end of line": (lambda x: [*x[:6], bytes(3000) + b"\n"], 5, True),
    "a damaged line in the middle": (lambda x: [*x[:4], b"{}\n", *x[5:8]], 3, True),
    "every case": (lambda x: x[:-1], COUNT, False),
    "every case and a torn footer": (lambda x: [*x[:-1], x[-1][:9]], COUNT, True),
    "everything, not yet renamed": (lambda x: x, COUNT, False),
}


@pytest.mark.parametrize("what", TORN)
def test_an_unfinished_file_is_gone_on_with(whole, lines, unfinished, what):
    cut, before, torn = TORN[what]
    path, seen = unfinished(cut(lines)), Seen()
    run_to_file(campaign(), path, watcher=seen, resume=True)
    assert (seen.before, seen.torn) == (before, torn)
    assert len(seen.kept_ids) == before
    assert [*seen.kept_ids, *seen.new_ids] == [f"n/{i}" for i in range(COUNT)]
    assert first_difference(path, whole) == ""
    assert read_records(path).footer.verdicts == read_records(whole).footer.verdicts
    assert not path.with_name("all.jsonl.partial").exists()


def test_without_a_file_resuming_begins(tmp_path, whole):
    run_to_file(campaign(), tmp_path / "all.jsonl", resume=True)
    assert first_difference(tmp_path / "all.jsonl", whole) == ""


CHANGED = {
    "version": (
        lambda h: {"versions": h.versions | {"numpy": "1.0"}},
        "versions numpy was 1.0, is ",
    ),
    "setting": (lambda h: {"settings": ("default",)}, "settings were ('default',), are "),
    "timeout": (lambda h: {"options": h.options | {"timeout": "1"}}, "timeout was 1, is 20"),
    "source": (lambda h: {"options": h.options | {"count": "3"}}, "count was 3, is 12"),
    "number": (lambda h: {"planned": 3}, "planned was 3, is 12"),
    "engine": (lambda h: {"engines": ("a", "b")}, "engines were ('a', 'b'), are ('good', "),
}


@pytest.mark.parametrize("what", CHANGED)
def test_another_run_is_refused_with_what_differs(lines, unfinished, what):
    change, message = CHANGED[what]
    path = unfinished(lines[:3])
    partial = path.with_name("all.jsonl.partial")
    header = header_in(partial)
    other = encode(msgspec.structs.replace(header, **change(header))) + b"\n"
    before = unfinished([other, *lines[1:3]]) and partial.read_bytes()
    with pytest.raises(BadInput, match="cannot go on: ") as caught:
        run_to_file(campaign(), path, resume=True)
    assert message in str(caught.value)
    assert partial.read_bytes() == before


def test_cases_in_another_order_are_refused(lines, unfinished):
    path = unfinished([lines[0], lines[2], lines[1]])
    with pytest.raises(BadInput, match="holds case 'n/1' where the run has case 'n/0'"):
        run_to_file(campaign(), path, resume=True)


def test_a_file_that_is_being_written_is_left_alone(tmp_path):
    with RecordWriter(tmp_path / "all.jsonl"), pytest.raises(BadInput, match="another run is"):
        RecordWriter(tmp_path / "all.jsonl")


def several_task(engines, task):
    return [quick_task(engines, task)[0], *(_property(task.id, i) for i in range(3))]


def _property(case, number):
    from harness.judge.property_outcome import PropertyOutcome

    return encode(
        PropertyOutcome(
            property=f"p{number}",
            case=case,
            group="",
            engine="good",
            reference="referee",
            setting="default",
            status="holds",
        )
    )


@pytest.mark.parametrize("kept", [5, 6, 8, 9])
def test_a_task_of_several_records_is_done_again_unless_it_is_whole(tmp_path, unfinished, kept):
    several = Campaign(Numbered(4), setup_of(function=several_task), jobs=1)
    run_to_file(several, tmp_path / "quiet.jsonl")
    lines = (tmp_path / "quiet.jsonl").read_bytes().splitlines(keepends=True)
    path = unfinished(lines[:kept])
    run_to_file(several, path, resume=True)
    assert first_difference(path, tmp_path / "quiet.jsonl") == ""
    footer = read_records(path).footer
    assert (footer.cases, footer.properties) == (4, 12)


def test_a_full_disk_is_one_line_and_what_was_written_stays(tmp_path, whole):
    """A limit on file sizes is met where a full disk would be: in the middle of a write."""
    path = tmp_path / "all.jsonl"
    partial = path.with_name("all.jsonl.partial")
    start_workers(campaign().setup, 1)  # which must not have the limit
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = whole.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, before[1]))
    try:
        with pytest.raises(EnvironmentProblem) as caught:
            run_to_file(campaign(), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(caught.value) == (
        f"{partial}: cannot be written: File too large; the records before are kept"
    )
    assert size // 4 < partial.stat().st_size <= size // 2
    assert partial.read_bytes().endswith(b"}\n")
    run_to_file(campaign(), path, resume=True)
    assert first_difference(path, whole) == ""


ALONE = """
import sys
from pathlib import Path
from harness.campaign.campaign_file import Campaign, run_to_file
from tests.campaign.stubs import Numbered, setup_of, slow_task
if __name__ == "__main__":
    setup = setup_of(function=slow_task)
    run_to_file(Campaign(Numbered(40), setup, jobs=2), Path(sys.argv[1]), resume=True)
"""


def test_a_run_killed_twice_has_every_case_once(tmp_path):
    script, path = tmp_path / "alone.py", tmp_path / "all.jsonl"
    script.write_text(ALONE)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    partial = path.with_name("all.jsonl.partial")
    for wanted in (8, 20):
        parent = subprocess.Popen([sys.executable, str(script), str(path)], env=environment)
        deadline = time.monotonic() + 120
        while not partial.exists() or partial.read_bytes().count(b"\n") <= wanted:
            assert time.monotonic() < deadline
            assert parent.poll() is None
            time.sleep(0.02)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    setup = setup_of(function=slow_task)
    run_to_file(Campaign(Numbered(40), setup, jobs=2), path, resume=True)
    assert [c.id for c in read_records(path).cases] == [f"n/{i}" for i in range(40)]


def shards(tmp_path, count=3):
    paths = []
    for index in range(1, count + 1):
        paths.append(tmp_path / f"part-{index}.jsonl")
        run_to_file(campaign(shard=Shard(index, count)), paths[-1])
    return paths


def test_shards_merge_into_the_file_of_one_run(tmp_path, whole):
    out = tmp_path / "merged.jsonl"
    merge(shards(tmp_path)[::-1], out)
    assert first_difference(out, whole) == ""
    one, other = read_records(out).header, read_records(whole).header
    assert (one.planned, one.options) == (other.planned, other.options)


def test_what_does_not_merge_is_refused_and_nothing_is_written(tmp_path, whole):
    paths, out = shards(tmp_path), tmp_path / "merged.jsonl"
    lines = paths[1].read_bytes().splitlines(keepends=True)
    short, unended = tmp_path / "short.jsonl", tmp_path / "unended.jsonl"
    short.write_bytes(b"".join([*lines[:3], lines[-1]]))
    unended.write_bytes(b"".join(lines[:-1]))
    header = header_in(paths[1])
    other = tmp_path / "other.jsonl"
    changed = msgspec.structs.replace(header, versions=header.versions | {"numpy": "1.0"})
    other.write_bytes(b"".join([encode(changed) + b"\n", *lines[1:]]))
    first, second, third = paths
    for given, message in (
        ([first, third], "of 3 shards 2 missing"),
        ([first, second, third, second], "shard 2 is there twice"),
        ([first, whole, third], "not a shard; its run had no --shard"),
        ([first, tmp_path / "no", third], "no such file"),
        ([first, short, third], "short.jsonl: has "),
        ([first, unended, third], "did not finish"),
        ([first, other, third], "is of another run: versions numpy was 1.0, is "),
    ):
        with pytest.raises(BadInput) as caught:
            merge(given, out)
        assert message in str(caught.value)
        assert not list(tmp_path.glob("merged*"))
