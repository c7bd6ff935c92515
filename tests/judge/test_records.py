"""Record files: whole when they have their name, refused with one line when they are not."""

import json

import msgspec
import pytest

from harness.base.errors import BadInput
from harness.base.json import encode
from harness.campaign.record_file import RecordWriter, read_records
from harness.campaign.serial import Plan, header_of, run
from harness.data.ladder import full_ladder
from harness.data.rungs import select
from harness.engines.lme4 import Lme4Engine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge import case_record
from harness.judge.records import FORMAT, CaseRecord, Footer, Header, json_schema

pytestmark = pytest.mark.r


def plan(session, *wanted):
    return Plan(
        "A title", select(full_ladder(), wanted), (StatsmodelsEngine(), Lme4Engine(session))
    )


def write_run(plan, path):
    with RecordWriter(path) as writer:
        writer.write(header_of(plan))
        for record in run(plan):
            writer.write(record)
        writer.finish("2026-01-01T00:00:00+00:00", 1.0)


@pytest.fixture(scope="module")
def written(r, tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "parity.jsonl"
    write_run(plan(r, "dyestuff2", "tutorial/lm-global", "tutorial/lmm-full/REML"), path)
    return path


@pytest.fixture
def lines(written):
    return written.read_bytes().splitlines(keepends=True)


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a record file and returns its path."""

    def write(parts):
        path = tmp_path / "given.jsonl"
        path.write_bytes(b"".join(parts))
        return path

    return write


def refusal(path):
    with pytest.raises(BadInput) as caught:
        read_records(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def test_a_run_comes_back_as_it_was_written(written, lines):
    run = read_records(written)
    assert run.header.planned == len(run.cases) == run.footer.cases == len(lines) - 2 == 4
    again = [encode(r) + b"\n" for r in (run.header, *run.cases, run.footer)]
    assert again == lines
    assert sum(run.footer.verdicts.values()) == 4


def test_the_header_says_what_ran_and_where(written):
    header = read_records(written).header
    assert (header.title, header.engines) == ("A title", ("statsmodels", "lme4"))
    assert header.reference == "lme4"
    assert header.settings == ("default", "tight")
    assert {"Python", "R", "lme4", "lmerTest", "statsmodels", "numpy"} <= set(header.versions)
    assert header.blas["numpy"] != ""
    assert header.blas["lme4"] != ""


def test_what_an_engine_did_not_report_is_null_and_not_nan(written):
    raw = [json.loads(line) for line in written.read_bytes().splitlines()]
    (record,) = (r for r in raw if r.get("id") == "dyestuff2/REML")
    left, right = record["fits"][:2]
    assert left["aic"] == "nan"
    assert isinstance(right["aic"], float)
    assert left["coefficients"][0]["df"] == "inf"
    (ols,) = (r for r in raw if r.get("id") == "tutorial/lm-global")
    assert ols["fits"][0]["singular"] is None


def test_a_file_has_its_name_only_when_the_run_came_to_its_end(tmp_path, lines):
    path = tmp_path / "deep" / "parity.jsonl"
    header = msgspec.json.decode(lines[0], type=Header, strict=False)
    with RecordWriter(path) as writer:
        writer.write(header)
        assert not path.exists()
        assert writer.partial.read_bytes() == lines[0]
        writer.finish("2026-01-01T00:00:00+00:00", 1.0)
        assert path.exists()
        assert not writer.partial.exists()


def test_a_run_that_breaks_off_leaves_an_earlier_file_as_it_was(tmp_path, lines):
    path = tmp_path / "parity.jsonl"
    path.write_bytes(b"".join(lines))
    header = msgspec.json.decode(lines[0], type=Header, strict=False)

    def break_off():
        with RecordWriter(path) as writer:
            writer.write(header)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert path.read_bytes() == b"".join(lines)
    assert "did not finish" in refusal(path.with_name("parity.jsonl.partial"))


def test_a_missing_file_is_refused(tmp_path):
    assert refusal(tmp_path / "no.jsonl").startswith("cannot be read: No such file")


def test_an_empty_file_is_refused(file):
    assert refusal(file([])) == "the file is empty; run `lmm-parity report` to make it"


def test_a_file_that_does_not_come_to_its_end_is_refused(file, lines):
    for parts in (lines[:-1], [*lines[:2], lines[2][:-20]]):
        assert refusal(file(parts)).startswith("the run did not finish (no footer line)")


def test_a_case_that_is_there_twice_is_refused_with_its_line(file, lines):
    text = refusal(file([*lines[:3], lines[1], *lines[3:]]))
    assert text.startswith("line 4: case ")
    assert text.endswith("is there twice")


@pytest.mark.parametrize("which", [0, -1])
def test_two_files_in_one_are_refused(file, lines, which):
    text = refusal(file([*lines[:2], lines[which], *lines[2:]]))
    assert text.startswith(("line 3 is a second header", "line 4 is a"))


def test_a_footer_that_counts_otherwise_is_refused(file, lines):
    text = refusal(file([*lines[:2], lines[-1]]))
    assert text == "the footer counts 4 cases, the file has 1"


def test_a_file_without_a_header_is_refused(file, lines):
    assert refusal(file(lines[1:])).startswith("line 1 is not a header")


@pytest.mark.parametrize("garbage", [b"hello\n", b"\x00\xff\n", b"{}\n", b"[1, 2]\n", b"\n"])
def test_garbage_is_refused_with_its_line(file, lines, garbage):
    assert refusal(file([garbage])).startswith("line 1 is not a whole record")
    assert refusal(file([lines[0], garbage])).startswith("line 2 is not a whole record")


def test_another_format_is_refused(file, lines):
    newer = lines[0].replace(b'"format":%d' % FORMAT, b'"format":99')
    assert newer != lines[0]
    assert refusal(file([newer, *lines[1:]])) == (
        f"record format 99; this program reads {FORMAT}: run it again, or read it with the version "
        "that wrote it"
    )


def test_the_schema_names_every_field_of_every_line(lines):
    """The schema has what a reader in another language needs: each key, and which must be there."""
    definitions = json_schema()["$defs"]
    kinds = {"header": Header, "case": CaseRecord, "footer": Footer}
    for line in lines:
        record = json.loads(line)
        schema = definitions[kinds[record["record"]].__name__]
        assert set(record) <= set(schema["properties"])
        assert set(schema["required"]) <= set(record)
    fit = definitions["Fit"]["properties"]
    shown = json.loads(lines[-2])["fits"][0]
    assert set(shown) <= set(fit)


def test_the_schema_allows_the_words_for_what_is_not_finite():
    loglik, nothing = json_schema()["$defs"]["Fit"]["properties"]["loglik"]["anyOf"]
    assert loglik == {"type": ["number", "string"], "pattern": "^(nan|inf|-inf)$"}
    assert nothing == {"type": "null"}


def test_big_cases_are_embedded_without_their_rows(r, tmp_path, monkeypatch):
    """Pastes has 60 rows, 10 batches and 30 casks: all but the batches are over a limit of 20."""
    monkeypatch.setattr(case_record, "EMBED_ROWS", 20)
    path = tmp_path / "parity.jsonl"
    write_run(plan(r, "pastes/REML"), path)
    (case,) = read_records(path).cases
    assert (case.data.x, case.data.y, case.data.group) == ((), (), ())
    assert (case.data.rows, case.data.groups) == (60, {"batch": 10, "batch:cask": 30})
    for fit in case.fits:
        assert (fit.fitted, fit.residuals) == ((), ())
        batches, casks = fit.random
        assert len(batches.levels) == len(batches.effects) == 10
        assert (casks.levels, casks.effects) == ((), None)
    # What is compared is compared before it is left out.
    assert {"random_effect", "fitted"} <= {
        d.quantity for c in case.comparisons for d in c.differences
    }


def test_the_limit_is_far_above_the_tutorials_data():
    assert case_record.EMBED_ROWS == 2000


def test_small_cases_carry_their_rows(written):
    case = next(c for c in read_records(written).cases if c.id == "tutorial/lmm-full/REML")
    assert (case.data.x_name, case.data.y_name) == ("edu", "score")
    assert len(case.data.x) == len(case.data.y) == len(case.data.group) == 60
    assert set(case.data.group) == {0, 1, 2}
    assert [len(f.fitted) for f in case.fits] == [60] * 4
