"""An output that is no regular file is refused before any work, or written to and left as it is."""

from __future__ import annotations

import os
import stat
import sys
import threading

import click
import pytest

from harness import cli
from harness.base.files import growing_place
from harness.engines import registry
from harness.store.shelf import ENVIRONMENT_VARIABLE
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
        *notes, line = capfd.readouterr().err.strip().splitlines()
        assert all(note.startswith("left out: ") for note in notes)  # rungs that cannot be made
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


FILE_OPTIONS = {
    ("run", "--out"): ["run", "--rung", "dyestuff/REML", "--out"],
    ("merge", "--out"): ["merge", "run.jsonl", "--out"],
    ("export", "--to"): ["export", "run.jsonl", "--to"],
    ("bundle make", "--key"): [
        "bundle",
        "make",
        "t.csv",
        MODEL,
        "--out",
        "b",
        "--anonymise",
        "--key",
    ],
    ("conformance", "--junit"): ["conformance", "--junit"],
    ("conformance", "--summary"): ["conformance", "--summary"],
    ("conformance", "--badge"): ["conformance", "--badge"],
    ("conformance", "--pack"): ["conformance", "--pack"],
    ("scoreboard", "--page"): ["scoreboard", "--engine", "statsmodels", "--out", "b", "--page"],
    ("audit", "--out"): ["audit", "t.csv", MODEL, "numbers.toml", "--out"],
    ("intervals", "--out"): ["intervals", "t.csv", MODEL, "--out"],
    ("compare", "--out"): ["compare", "t.csv", "y ~ x", MODEL, "--out"],
    ("audit", "--records"): ["audit", "t.csv", MODEL, "numbers.toml", "--records"],
    ("audit", "--junit"): ["audit", "t.csv", MODEL, "numbers.toml", "--junit"],
}
"""Options that name a file to write, and a command that would write it."""

FOLDER_OPTIONS = {
    ("report", "--out"): ["report", "--rung", "dyestuff/REML", "--out"],
    ("ladder", "--out"): [
        *("ladder", "--data", "t.csv", "--outcome", "y", "--predictor", "x", "--group", "g"),
        "--out",
    ],
    ("conformance", "--out"): ["conformance", "--out"],
    ("conformance", "--regressions"): ["conformance", "--regressions"],
    ("diagnose", "--out"): ["diagnose", "t.csv", MODEL, "--out"],
    ("diagnose", "--bundle"): ["diagnose", "t.csv", MODEL, "--bundle"],
    ("bundle make", "--out"): ["bundle", "make", "t.csv", MODEL, "--out"],
    ("certify", "--out"): ["certify", "dyestuff/REML", "--out"],
    ("scoreboard", "--out"): ["scoreboard", "--engine", "statsmodels", "--out"],
    ("scoreboard", "--history"): ["scoreboard", "--engine", "statsmodels", "--history"],
}
"""Options that name a folder to write to."""

READ = {
    *(("run", name) for name in ("--cases", "--recipes")),
    *(("conformance", name) for name in ("--expectations", "--stored", "--from")),
    *(("scoreboard", name) for name in ("--engines", "--from")),
    ("report", "--from"),
    *((name, "--data") for name in ("ladder", "translate", "certify")),
}
"""Options that name something to read."""


def path_options():
    found = set()
    commands = [(name, cli.cli.get_command(None, name)) for name in cli.cli.list_commands(None)]
    while commands:
        name, command = commands.pop()
        if isinstance(command, click.Group):
            commands += [(f"{name} {sub}", one) for sub, one in command.commands.items()]
        for parameter in command.params:
            if isinstance(parameter, click.Option) and isinstance(parameter.type, click.Path):
                found.add((name, parameter.opts[0]))
    return found


def test_every_option_that_takes_a_path_is_one_that_is_read_or_one_of_these_tests():
    assert path_options() == READ | set(FILE_OPTIONS) | set(FOLDER_OPTIONS)


STREAMED = {("export", "--to"), ("bundle make", "--key"), ("audit", "--junit")} | {
    key for key in FILE_OPTIONS if key[0] == "conformance"
}
"""Written as a stream to a device or a FIFO; the key refuses whatever exists."""


@pytest.mark.parametrize("key", FILE_OPTIONS, ids=" ".join)
@pytest.mark.parametrize("kind", ["fifo", "device", "socket", "block", "partial"])
def test_a_file_that_is_none_is_never_replaced(refused, tmp_path, key, kind):
    many.write(tmp_path / "run.jsonl", 2)
    grows = key in (("run", "--out"), ("merge", "--out"))
    if (kind == "partial" and not grows) or (kind in ("fifo", "device") and key in STREAMED):
        pytest.skip("written as a stream, or does not grow")
    place = tmp_path / ("made.partial" if kind == "partial" else "made")
    before = special(place, kind)
    assert place.name in refused(*FILE_OPTIONS[key], "made")
    assert same(place, before)


@pytest.mark.parametrize("key", FOLDER_OPTIONS, ids=" ".join)
@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_a_folder_that_is_none_is_never_replaced(refused, tmp_path, key, kind):
    before = special(tmp_path / "made", kind)
    assert "made" in refused(*FOLDER_OPTIONS[key], "made")
    assert same(tmp_path / "made", before)


@pytest.mark.parametrize("key", [("report", "--out"), ("ladder", "--out")], ids=" ".join)
@pytest.mark.parametrize("name", ["parity.html", "parity.jsonl", "parity.jsonl.partial"])
def test_what_lies_in_the_folder_is_never_replaced(refused, tmp_path, key, name):
    (tmp_path / "made").mkdir()
    before = special(tmp_path / "made" / name, "socket")
    assert name in refused(*FOLDER_OPTIONS[key], "made")
    assert same(tmp_path / "made" / name, before)


def test_a_page_of_published_numbers_never_replaces_what_is_no_file(refused, tmp_path):
    (tmp_path / "made").mkdir()
    before = special(tmp_path / "made" / "published.html", "socket")
    given = ("report", "--published", "--case", "jtools", "--out", "made")
    assert "published.html" in refused(*given)
    assert same(tmp_path / "made" / "published.html", before)


CACHED = {
    "run": ["run", "--rung", "dyestuff/REML", "--out", "r.jsonl"],
    "report": FOLDER_OPTIONS["report", "--out"] + ["made"],
    "ladder": FOLDER_OPTIONS["ladder", "--out"] + ["made"],
    "conformance": ["conformance", "--quiet", "--out", "made"],
    "cache info": ["cache", "info"],
    "cache clear": ["cache", "clear"],
}
"""Commands that look into the cache."""


@pytest.mark.parametrize("command", CACHED)
@pytest.mark.parametrize("kind", ["fifo", "device", "socket", "file", "dangling", "below"])
def test_a_cache_that_is_no_folder_is_refused(refused, monkeypatch, tmp_path, command, kind):
    place = tmp_path / "kept"
    if kind in ("file", "below"):
        place.write_text("mine")
    elif kind == "dangling":
        place.symlink_to("nothing")
    else:
        special(place, kind)
    before = place.lstat()
    named = place / "deeper" if kind == "below" else place
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(named))
    line = refused(*CACHED[command])
    assert f"{named}: the cache cannot be kept there: {place} is no folder" in line
    assert same(place, before)
    assert not (tmp_path / "nothing").exists()


def test_a_cache_may_be_a_link_to_a_folder(lmm_parity, monkeypatch, tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "kept").symlink_to("far")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "kept"))
    assert lmm_parity("cache", "info")[0] == 0


def special(path, kind):
    """Make a node of a kind in the test's own folder."""
    try:
        if kind == "device":
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        elif kind == "block":
            os.mknod(path, 0o600 | stat.S_IFBLK, os.makedev(7, 200))
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            os.mknod(path, 0o600 | stat.S_IFSOCK)
    except PermissionError:
        pytest.skip("no node may be made here")
    return path.lstat()


def same(path, before):
    now = path.lstat()
    return (now.st_ino, now.st_mode, now.st_rdev) == (before.st_ino, before.st_mode, before.st_rdev)


def test_a_linked_record_file_grows_where_the_link_leads(tmp_path):
    (tmp_path / "far").mkdir()
    link = tmp_path / "run.jsonl"
    link.symlink_to("far/records.jsonl")
    many.write(growing_place(link), 2)
    assert link.is_symlink()
    assert (tmp_path / "far" / "records.jsonl").read_text().count("\n") == 4
