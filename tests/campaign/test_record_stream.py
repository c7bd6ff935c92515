"""Files read line by line: the same records, unfinished ones too, in memory that does not grow."""

import tracemalloc

import pytest

from harness.base.errors import BadInput
from harness.base.json import encode
from harness.campaign.record_stream import RecordStream
from harness.page.run_summary import summarize
from tests.page.html import many


@pytest.fixture
def file(tmp_path):
    return many.write(tmp_path / "run.jsonl", 40, checks=15)


def lines(path):
    return path.read_bytes().splitlines(keepends=True)


def refusal(path):
    with pytest.raises(BadInput) as caught, RecordStream(path) as stream:
        list(stream)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def test_it_gives_every_record_in_the_order_of_the_file(file):
    with RecordStream(file) as stream:
        records = [encode(record) for _, record in stream]
        ends = [encode(stream.header), encode(stream.footer)]
        assert not stream.torn
    assert [ends[0], *records, ends[1]] == [line.rstrip(b"\n") for line in lines(file)]
    assert len(records) == 40 + 15


def test_it_can_be_read_again_and_a_case_by_its_place(file):
    with RecordStream(file) as stream:
        first = list(stream)
        assert [place for place, _ in stream] == [place for place, _ in first]
        place, record = first[20]
        assert encode(stream.read(place)) == encode(record)
    assert lines(file)[place.line - 1] == file.read_bytes()[place.start :][: place.length]


def test_a_last_line_that_broke_off_is_left_out_and_said(file):
    parts = lines(file)
    file.write_bytes(b"".join([*parts[:11], parts[11][:-40]]))
    with RecordStream(file) as stream:
        assert sum(1 for _ in stream) == 10
        assert stream.torn
        assert stream.footer is None


def test_a_file_cut_between_two_lines_is_unfinished_but_not_torn(file):
    file.write_bytes(b"".join(lines(file)[:11]))
    with RecordStream(file) as stream:
        assert sum(1 for _ in stream) == 10
        assert (stream.torn, stream.footer) == (False, None)


def test_a_broken_line_before_the_last_is_refused(file):
    parts = lines(file)
    file.write_bytes(b"".join([*parts[:5], parts[5][:-40] + b"\n", *parts[6:]]))
    assert refusal(file).startswith("line 6 is not a whole record")


def test_a_record_that_is_there_twice_is_refused_with_its_line(file):
    parts = lines(file)
    file.write_bytes(b"".join([*parts[:9], parts[1], *parts[9:-1]]))
    assert refusal(file) == "line 10: case 'drawn/000000' is there twice"
    file.write_bytes(b"".join([*parts[:-1], parts[17]]))
    assert refusal(file) == "line 57: property 'property-3' of case 'drawn/000002' is there twice"


def test_ids_with_the_same_hash_are_not_taken_for_one(file, monkeypatch):
    monkeypatch.setattr("harness.campaign.record_stream.hash", len, raising=False)
    with RecordStream(file) as stream:
        assert sum(1 for _ in stream) == 55


def test_a_second_header_anything_after_the_footer_and_a_wrong_footer_are_refused(file):
    parts = lines(file)
    file.write_bytes(b"".join([*parts[:3], parts[0], *parts[3:]]))
    assert refusal(file) == "line 4 is a second header"
    file.write_bytes(b"".join([*parts, parts[-1]]))
    assert refusal(file) == "line 58 is a footer after the footer"
    file.write_bytes(b"".join([*parts[:20], parts[-1]]))
    assert refusal(file) == "the footer counts 40 cases, the file has 4"
    file.write_bytes(b"".join([*parts[:3], *parts[4:]]))
    assert refusal(file) == "the footer counts 15 properties, the file has 14"


def test_a_file_that_is_none_is_refused(tmp_path, file):
    path = tmp_path / "other.jsonl"
    assert refusal(path) == "cannot be read: No such file or directory"
    path.with_name("other.jsonl.partial").write_bytes(b"")
    assert refusal(path).endswith(f"an unfinished run is in {path}.partial")
    path.write_bytes(b"")
    assert refusal(path).startswith("the file is empty")
    path.write_bytes(lines(file)[1])
    assert refusal(path).startswith("line 1 is not a header")
    path.write_bytes(lines(file)[0].replace(b'"format":3', b'"format":99'))
    assert refusal(path).startswith("record format 99")


def test_an_older_record_is_refused_in_a_line_that_says_what_to_do(tmp_path, file):
    path = tmp_path / "older.jsonl"
    head, case = lines(file)[:2]
    old = b'"format":2'
    # An older header may lack fields of today's: its format is what counts.
    path.write_bytes(head.replace(b'"format":3', old).replace(b'"reference":', b'"beside":'))
    assert refusal(path).startswith("record format 2; this program reads 3: run it again")
    path.write_bytes(head + case.replace(b'"judgements":', b'"verdicts":'))
    said = refusal(path)
    assert said.startswith("line 2 is not a whole record: ")
    assert "\n" not in said
    assert said.endswith("run it again, or read it with the version that wrote it")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_cases(tmp_path):
    sizes, peaks = (250, 1250), []
    for cases in sizes:
        path = many.write(tmp_path / f"{cases}.jsonl", cases)
        tracemalloc.start()
        with RecordStream(path) as stream:
            summary = summarize(stream)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert summary.cases == cases
    # The hash of each record, and a sorted copy of all at the end: less than a hundredth of the
    # 18 kB that a record has.
    assert peaks[1] - peaks[0] < 180 * (sizes[1] - sizes[0])
