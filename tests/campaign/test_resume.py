"""Unfinished files: whatever ended the run, going on loses no case and doubles none."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from harness.base.errors import BadInput, EnvironmentProblem
from harness.base.json import decode, encode
from harness.campaign.campaign_file import Campaign, Watcher, run_to_file
from harness.campaign.driver import start_workers
from harness.campaign.journal import Journal
from harness.campaign.record_file import RecordWriter, read_records
from harness.campaign.record_stream import RecordStream
from harness.campaign.resume import header_in
from harness.campaign.shards import merge
from harness.campaign.sources import Shard
from harness.judge.glance import glance
from harness.judge.records import Header
from harness.page.record_equality import first_difference
from tests.campaign.stubs import Numbered, held_task, quick_task, setup_of, slow_task

COUNT = 12

ORDER = [2, 0, 1, 5, 3, 11, 4, 10, 7, 6, 9, 8]
"""In which the cases of the unfinished files have arrived."""


def campaign(count=COUNT, **options):
    setup = setup_of(function=quick_task)
    return Campaign(Numbered(count), setup, jobs=1, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbed."""
    path = tmp_path_factory.mktemp("whole") / "all.jsonl"
    run_to_file(campaign(), path)
    return path


@pytest.fixture
def lines(whole):
    """The lines of the journal when all is done, in the order of a run that went its own way."""
    header, *cases, _ = whole.read_bytes().splitlines(keepends=True)
    return [header, *(_marked(n, cases[n]) for n in ORDER)]


def _marked(number, line, more=0):
    return b'{"at":%d,"more":%d,' % (number, more) + line[1:]


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
    "every case": (lambda x: x, COUNT, False),
    "every case and one more begun": (lambda x: [*x, x[-1][:9]], COUNT, True),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", TORN)
def test_an_unfinished_file_is_gone_on_with(whole, lines, unfinished, what):
    cut, before, torn = TORN[what]
    path, seen = unfinished(cut(lines)), Seen()
    run_to_file(campaign(), path, watcher=seen, resume=True)
    assert (seen.before, seen.torn) == (before, torn)
    assert len(seen.kept_ids) == before
    assert seen.kept_ids == [f"n/{i}" for i in ORDER[:before]]
    assert sorted(seen.new_ids) == sorted(f"n/{i}" for i in ORDER[before:])
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


OTHER = {
    "another case under a number": (
        lambda case: [_marked(0, case), _marked(1, case)],
        "it holds case 'n/0' where the run has case 'n/1'",
    ),
    "a number too many": (
        lambda case: [_marked(COUNT, case)],
        "it holds case 'n/0' where the run has no more",
    ),
    "a number twice": (lambda case: [_marked(0, case)] * 2, "it holds a case twice"),
    "no number": (lambda case: [case], "it is of another version of this program; remove it"),
}


@pytest.mark.parametrize("what", OTHER)
def test_cases_that_are_not_those_of_the_run_are_refused(whole, unfinished, what):
    change, message = OTHER[what]
    header, case, *_ = whole.read_bytes().splitlines(keepends=True)
    path = unfinished([header, *change(case)])
    partial = path.with_name("all.jsonl.partial")
    before = partial.read_bytes()
    with pytest.raises(BadInput) as caught:
        run_to_file(campaign(), path, resume=True)
    assert str(caught.value) == f"{partial}: cannot go on: {message}"
    assert partial.read_bytes() == before


@pytest.mark.parametrize("writer", [Journal, RecordWriter])
def test_a_file_that_is_being_written_is_left_alone(tmp_path, writer):
    with Journal(tmp_path / "all.jsonl"), pytest.raises(BadInput, match="another run is"):
        writer(tmp_path / "all.jsonl")


def test_an_unfinished_file_can_be_read_in_the_order_in_which_cases_came(lines, unfinished):
    path = unfinished([*lines[:6], lines[6][:100]])
    with RecordStream(path.with_name("all.jsonl.partial")) as stream:
        assert [record.id for _, record in stream] == [f"n/{i}" for i in ORDER[:5]]
        assert (stream.torn, stream.footer) == (True, None)
    unfinished(lines)
    with RecordStream(path.with_name("all.jsonl.partial")) as stream:
        assert len(list(stream)) == COUNT


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


@pytest.mark.slow
@pytest.mark.parametrize(("kept", "whole"), [(1, 0), (4, 0), (5, 1), (6, 1), (8, 1), (9, 2)])
def test_a_task_of_several_records_is_done_again_unless_it_is_whole(
    tmp_path, unfinished, kept, whole
):
    several = Campaign(Numbered(4), setup_of(function=several_task), jobs=1)
    run_to_file(several, tmp_path / "quiet.jsonl")
    header, *lines, _ = (tmp_path / "quiet.jsonl").read_bytes().splitlines(keepends=True)
    marked = [_marked(i // 4, line, 3 - i % 4) for i, line in enumerate(lines)]
    path, seen = unfinished([header, *marked][:kept]), Seen()
    run_to_file(several, path, watcher=seen, resume=True)
    assert (seen.before, len(seen.kept_ids)) == (whole, 4 * whole)
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


def test_a_disk_that_is_full_when_the_file_is_sorted_leaves_the_journal(lines, unfinished, whole):
    path = unfinished(lines)
    partial, sorting = (path.with_name(f"all.jsonl.{x}") for x in ("partial", "sorted"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    start_workers(campaign().setup, 1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (whole.stat().st_size // 2, before[1]))
    try:
        with pytest.raises(EnvironmentProblem) as caught:
            run_to_file(campaign(), path, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(caught.value) == (
        f"{sorting}: cannot be written: File too large; the records before are kept"
    )
    assert (partial.read_bytes(), sorting.exists()) == (b"".join(lines), False)
    run_to_file(campaign(), path, resume=True)
    assert first_difference(path, whole) == ""
    assert not partial.exists()


def test_a_run_killed_while_its_file_is_sorted_is_gone_on_with(lines, unfinished, whole):
    """Before the file has its name, and after it has it and before the journal is removed."""
    path = unfinished(lines)
    path.with_name("all.jsonl.sorted").write_bytes(whole.read_bytes()[:-40])
    run_to_file(campaign(), path, resume=True)
    unfinished(lines)
    run_to_file(campaign(), path, resume=True)
    assert first_difference(path, whole) == ""
    assert sorted(path.parent.iterdir()) == [path]


TASKS = 3000


@pytest.mark.slow
def test_sorting_holds_no_more_than_a_task_in_memory(tmp_path, whole):
    header, case = whole.read_bytes().splitlines()[:2]
    numbers = random.Random(3).sample(range(TASKS), TASKS)
    path = tmp_path / "many.jsonl"
    tracemalloc.start()
    with Journal(path) as journal:
        journal.begin(decode(header, Header))
        for number in numbers:
            journal.add(number, [case.replace(b'"id":"n/0"', b'"id":"n/%d"' % number)])
        journal.finish("", 0.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 1000 * TASKS
    # Two numbers a task while it is written, some five more while they are put in order.
    assert peak < 100 * TASKS
    with path.open("rb") as file:
        ids = [glance(line).of for line in file]
    assert ids == ["", *(f"n/{i}" for i in range(TASKS)), ""]


ALONE = """
import sys
from pathlib import Path
from harness.campaign.campaign_file import Campaign, run_to_file
from tests.campaign.stubs import Numbered, setup_of, slow_task
if __name__ == "__main__":
    setup = setup_of(function=slow_task)
    run_to_file(Campaign(Numbered(40), setup, jobs=2), Path(sys.argv[1]), resume=True)
"""


@pytest.mark.slow
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


BEHIND = """
import sys
from pathlib import Path
from harness.campaign.campaign_file import run_to_file
from tests.campaign.test_resume import held
if __name__ == "__main__":
    run_to_file(held(sys.argv[1]), Path(sys.argv[1]) / "all.jsonl", resume=True)
"""


def held(folder):
    return Campaign(Numbered(40), setup_of(function=held_task, store=str(folder)), jobs=2)


@pytest.mark.slow
def test_nothing_behind_a_slow_case_is_done_again_after_a_kill(tmp_path):
    """The first case takes long; meanwhile the others are done, and the run is killed."""
    script, path = tmp_path / "alone.py", tmp_path / "all.jsonl"
    script.write_text(BEHIND)
    partial = tmp_path / "all.jsonl.partial"
    parent = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    deadline = time.monotonic() + 60
    while not partial.exists() or partial.read_bytes().count(b"\n") < 1 + 39:
        assert time.monotonic() < deadline
        assert parent.poll() is None
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    (tmp_path / "first").touch()
    (tmp_path / "hold").touch()  # were one of the others done again, it would not end
    run_to_file(held(tmp_path), path, resume=True)
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
    journal = tmp_path / "part-2.jsonl.partial"
    journal.write_bytes(b"".join([lines[0], _marked(1, lines[2]), _marked(0, lines[1])]))
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
        ([first, journal, third], "did not finish; go on with it by --resume"),
        ([first, other, third], "is of another run: versions numpy was 1.0, is "),
    ):
        with pytest.raises(BadInput) as caught:
            merge(given, out)
        assert message in str(caught.value)
        assert not list(tmp_path.glob("merged*"))
