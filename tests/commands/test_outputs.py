"""An output that is no regular file is refused before any work, or written to and left as it is."""

from __future__ import annotations

import os
import stat
import sys
import threading

import pytest

from harness import cli
from harness.engines import registry
from tests.page.html import many

TABLE = "y,x,g\n" + "".join(f"{i % 7}.5,{i % 4},{'abc'[i % 3]}\n" for i in range(24))
MODEL = "y ~ x + (1 | g)"


@pytest.fixture
def refused(monkeypatch, capfd, tmp_path):
    """Run a command that has to end before an engine is opened; return the line that says why."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(TABLE)

    def no_engine(*_, **__):
        raise AssertionError("work was done")

    for name in ("open_lme4", "open_engine"):
        monkeypatch.setattr(registry, name, no_engine)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["lmm-parity", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 2
        line = capfd.readouterr().err.strip()
        assert "\n" not in line
        return line

    return call


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["report", "--rung", "dyestuff", "--out", "."], "parity.html"),
        (["diagnose", "t.csv", MODEL, "--out", "."], "diagnosis.html"),
        (["diagnose", "t.csv", MODEL, "--out", "."], "diagnosis.json"),
        (["bundle", "make", "t.csv", MODEL, "--out", "b", "--anonymise", "--key", "key"], "key"),
        (["conformance", "--junit", "junit.xml"], "junit.xml"),
        (["conformance", "--summary", "summary.md"], "summary.md"),
        (["conformance", "--badge", "badge.json"], "badge.json"),
        (["conformance", "--pack", "pack.gz"], "pack.gz"),
        (["conformance", "--out", "."], "conformance.html"),
        (["export", "run.jsonl", "--to", "v.csv"], "v.csv"),
        (["certify", "dyestuff/REML", "--out", "."], "dyestuff_REML.toml"),
    ],
)
def test_a_socket_in_the_way_is_refused_before_any_work(refused, tmp_path, arguments, place):
    # Nothing can be written to it, and it is there for some other program.
    many.write(tmp_path / "run.jsonl", 2)
    path = tmp_path / place
    os.mknod(path, 0o600 | stat.S_IFSOCK)
    assert place in refused(*arguments)
    assert stat.S_ISSOCK(path.lstat().st_mode)


def test_parquet_is_not_written_to_a_fifo(refused, tmp_path):
    many.write(tmp_path / "run.jsonl", 2)
    os.mkfifo(tmp_path / "v.parquet")
    assert "v.parquet: is no regular file" in refused("export", "run.jsonl", "--to", "v.parquet")
    assert stat.S_ISFIFO((tmp_path / "v.parquet").lstat().st_mode)


def test_a_table_goes_through_a_fifo(monkeypatch, tmp_path):
    many.write(tmp_path / "run.jsonl", 2)
    fifo, got = tmp_path / "v.csv", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: got.append(fifo.read_text()), daemon=True)
    reader.start()
    arguments = ["lmm-parity", "export", str(tmp_path / "run.jsonl"), "--to", str(fifo), "--quiet"]
    monkeypatch.setattr(sys, "argv", arguments)
    cli.main()
    reader.join(10)
    assert got[0].startswith("case,")
    assert len(got[0].splitlines()) == 5  # a head, and two settings of two cases
    assert stat.S_ISFIFO(fifo.lstat().st_mode)


def test_a_linked_table_is_written_where_the_link_leads(monkeypatch, tmp_path):
    many.write(tmp_path / "run.jsonl", 2)
    (tmp_path / "far").mkdir()
    link = tmp_path / "v.csv"
    link.symlink_to("far/table.csv")
    arguments = ["lmm-parity", "export", str(tmp_path / "run.jsonl"), "--to", str(link), "--quiet"]
    monkeypatch.setattr(sys, "argv", arguments)
    cli.main()
    assert link.is_symlink()
    assert len((tmp_path / "far" / "table.csv").read_text().splitlines()) == 5


def test_a_bundle_refuses_a_place_that_no_folder_can_have(refused, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    arguments = ("bundle", "make", "t.csv", MODEL, "--out")
    assert "fifo: there is a file of that name" in refused(*arguments, "fifo")
    assert "fifo/deeper: cannot be written: " in refused(*arguments, "fifo/deeper")
    assert stat.S_ISFIFO((tmp_path / "fifo").lstat().st_mode)
