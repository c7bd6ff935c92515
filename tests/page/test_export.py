"""Flat tables: every number of the records, to the last bit, and never half a file."""

import csv
import math
from pathlib import Path

import pytest

from harness.base.errors import BadInput, EnvironmentProblem
from harness.campaign.record_file import RecordWriter, read_records
from harness.page import record_export as module
from harness.page.record_export import export
from harness.page.record_tables import TABLES
from tests.page.html import many, sample, sample_runs

DOCS = Path(__file__).parents[2] / "docs" / "records.md"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file with every odd case of the sample, and checks of properties."""
    path = tmp_path_factory.mktemp("export") / "run.jsonl"
    run = sample.run(sample_runs.everything())
    with RecordWriter(path) as writer:
        for record in (run.header, *run.cases, *(many.check(k) for k in range(30))):
            writer.write(record)
        writer.finish("2026-11-22T15:05:02Z", 51.3)
    return path


@pytest.fixture(scope="module")
def run(path):
    return read_records(path)


def read_csv(target):
    with target.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def same(text, value):
    """A cell of CSV holds exactly this value."""
    if value is None:
        return text == ""
    return float(text) == value or (math.isnan(value) and text == "nan")


def test_comparisons_have_every_number_to_the_last_bit(path, run, tmp_path):
    done = export(path, tmp_path / "c.csv", "comparisons")
    rows = read_csv(tmp_path / "c.csv")
    wanted = [
        (case, one, d) for case in run.cases for one in case.comparisons for d in one.differences
    ]
    assert done.rows == len(rows) == len(wanted)
    for row, (case, one, c) in zip(rows, wanted, strict=True):
        assert (row["case"], row["setting"], row["quantity"], row["item"], row["unit"]) == (
            case.id,
            one.setting,
            c.quantity,
            c.item,
            c.unit,
        )
        for name in ("difference", "digits", "tolerance"):
            assert same(row[name], getattr(c, name))
        assert same(row["reference_value"], c.reference)
        assert same(row["referee_value"], c.value if c.referee else None)
        assert c.referee or same(row["value"], c.value)
        assert row["within"] == str(c.within).lower()
        assert (row["engine"], row["reference"]) == (sample.ENGINE, sample.REFERENCE)
    # What is printed is not what is compared where the two define it otherwise.
    assert {"inf"} <= {row["value"] for row in rows if row["quantity"] == "df"}
    assert {"nan", "inf"} <= {row["digits"] for row in rows}


def test_verdicts_have_a_row_for_each_case_and_setting(path, run, tmp_path):
    export(path, tmp_path / "v.csv", "verdicts")
    rows = read_csv(tmp_path / "v.csv")
    wanted = [(case, v) for case in run.cases for v in case.comparisons]
    for row, (case, v) in zip(rows, wanted, strict=True):
        assert (row["case"], row["verdict"]) == (case.id, v.verdict)
        assert row["causes"] == "; ".join(v.causes)
        assert row["counts"] == str(v.setting == "default").lower()
        assert int(row["outside"]) == sum(not d.within for d in v.differences)
        assert (row["engine"], row["reference"]) == (sample.ENGINE, sample.REFERENCE)
        assert row["blamed"] == "; ".join(v.blamed)
        assert row["rows_used"] == str(case.data.rows_used)
        assert row["missing"] == "true"
    least = {r["case"]: r["least_digits"] for r in rows if r["setting"] == "default"}
    assert least["crash/REML"] == ""
    assert any(v == "nan" for v in least.values())


def test_fits_tell_a_failure_from_a_fit_and_not_reported_from_nan(path, run, tmp_path):
    export(path, tmp_path / "f.csv", "fits")
    rows = read_csv(tmp_path / "f.csv")
    assert len(rows) == sum(len(c.fits) for c in run.cases)
    failed = [r for r in rows if r["reason"]]
    assert {(r["reason"], r["fitter"], r["loglik"]) for r in failed} == {
        ("unsupported", "", ""),
        ("crash", "", ""),
    }
    assert all(r["aic"] == "" for r in rows if r["engine"] == sample.ENGINE and not r["reason"])
    assert {r["bic"] for r in rows if r["engine"] == sample.REFERENCE} == {"1764.4"}
    assert "nan" in {r["bic"] for r in rows if r["engine"] == sample.ENGINE}
    assert {"The MLE may be on the boundary."} == {r["warnings"] for r in rows} - {""}


def test_coefficients_stand_beside_their_like_for_like_values(path, run, tmp_path):
    export(path, tmp_path / "k.csv", "coefficients")
    rows = read_csv(tmp_path / "k.csv")
    row = next(r for r in rows if r["case"] == "sleepstudy/REML" and r["name"] == "x")
    case = next(c for c in run.cases if c.id == "sleepstudy/REML")
    like = next(c for c in case.audit(sample.ENGINE).coefficients if c.name == "x")
    assert (row["engine"], row["df"], row["p"]) == (sample.ENGINE, "inf", "1.3e-11")
    assert same(row["like_for_like_df"], like.df)
    assert same(row["like_for_like_p"], like.p)


def test_audits_and_properties_have_a_row_each(path, run, tmp_path):
    judgements = [j for c in run.cases for j in c.judgements]
    audited = sum(j.audit is not None for j in judgements)
    assert export(path, tmp_path / "a.csv", "audits").rows == audited
    assert export(path, tmp_path / "j.csv", "judgements").rows == len(judgements) > audited
    stated = read_csv(tmp_path / "j.csv")
    assert [int(r["true"]) for r in stated] == [
        sum(s.truth == "true" for s in j.statements) for j in judgements
    ]
    done = export(path, tmp_path / "p.csv", "properties")
    rows = read_csv(tmp_path / "p.csv")
    assert (done.rows, done.cases, done.properties) == (30, len(run.cases), 30)
    assert [r["status"] for r in rows] == [p.status for p in run.properties]
    assert rows[4]["discrepancy"] == "nan"


@pytest.mark.parametrize("table", list(TABLES))
def test_parquet_holds_what_csv_holds(path, tmp_path, table, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(module, "ROW_GROUP", 50)
    done = export(path, tmp_path / "t.parquet", table)
    export(path, tmp_path / "t.csv", table)
    stored = parquet.ParquetFile(tmp_path / "t.parquet")
    assert stored.num_row_groups == math.ceil(done.rows / 50)
    rows = stored.read().to_pylist()
    columns = TABLES[table].columns
    assert stored.schema_arrow.names == [c.name for c in columns]
    assert stored.schema_arrow.field(0).metadata == {b"about": columns[0].about.encode()}
    for row, text in zip(rows, read_csv(tmp_path / "t.csv"), strict=True):
        for column in columns:
            value, cell = row[column.name], text[column.name]
            if column.kind in ("integer", "number"):
                assert same(cell, value)
            elif column.kind == "flag":
                assert cell == ("" if value is None else str(value).lower())
            else:
                assert cell == (value or "")


def test_without_pyarrow_parquet_is_an_environment_problem_in_one_line(path, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(EnvironmentProblem) as caught:
        export(path, tmp_path / "t.parquet", "verdicts")
    assert str(caught.value) == (
        "Parquet needs pyarrow: pip install 'lmm-parity[parquet]', or write a .csv"
    )
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_used_is_refused(path, tmp_path):
    for target, table, line in (
        ("t.txt", "verdicts", "the name must end in .parquet or .csv"),
        ("t.csv", "nothing", "no table 'nothing'; there are verdicts, comparisons,"),
    ):
        with pytest.raises(BadInput, match=line):
            export(path, tmp_path / target, table)
    with pytest.raises(BadInput, match="cannot be read"):
        export(tmp_path / "no.jsonl", tmp_path / "t.csv", "verdicts")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        export(path, tmp_path / "file" / "t.csv", "verdicts")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_broken_file_leaves_an_earlier_table_as_it_was(path, tmp_path, ending):
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    lines = path.read_bytes().splitlines(keepends=True)
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b"".join([*lines[:9], b"{}\n", *lines[9:]]))
    target = tmp_path / f"t{ending}"
    target.write_text("earlier")
    with pytest.raises(BadInput, match="line 10 is not a whole record"):
        export(broken, target, "verdicts")
    assert target.read_text() == "earlier"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.jsonl", target.name]


def test_an_unfinished_run_is_exported_and_said_to_be_one(path, tmp_path):
    lines = path.read_bytes().splitlines(keepends=True)
    unfinished = tmp_path / "run.jsonl.partial"
    unfinished.write_bytes(b"".join([*lines[:9], lines[9][:-30]]))
    done = export(unfinished, tmp_path / "t.csv", "verdicts")
    assert (done.cases, done.rows, done.finished, done.torn) == (8, 16, False, True)


def columns_in_words(flat):
    lines = ["| column | kind | what it is |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| `{c.name}` | {c.kind} | {c.about} |" for c in flat.columns)])


def test_the_documentation_lists_the_columns_as_they_are():
    text = DOCS.read_text(encoding="utf-8")
    for name, flat in TABLES.items():
        section = text.partition(f"### {name}\n")[2].partition("\n### ")[0]
        assert section.strip() == f"A row is {flat.row}.\n\n{columns_in_words(flat)}"
    assert text.count("### ") == len(TABLES)
