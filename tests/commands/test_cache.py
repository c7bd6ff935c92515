"""``lmm-parity cache``: where it is, what it holds, and to be rid of it."""

import json
import os
import time
from functools import partial

import pytest

from harness.store.shelf import ENVIRONMENT_VARIABLE, Store

KEYS = ["0f" * 32, "1e" * 32, "2d" * 32]


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Return a store with two fits of lme4 and one of another engine, where the program looks."""
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "cache"))
    store = Store()
    store.put("lme4/aa", KEYS[0], b"x" * 1500)
    store.put("lme4/bb", KEYS[1], b"y")
    store.put("my%20engine/cc", KEYS[2], b"z")
    store.describe("lme4/aa", {"engine": "lme4", "versions": {"lme4": "1.1-31", "R": "4.2.2"}})
    return store


@pytest.fixture
def run(lmm_parity):
    return partial(lmm_parity, "cache")


def test_info_shows_place_entries_and_versions(run, store):
    code, out, err = run("info")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == str(store.root)
    assert lines[1].startswith("  3 entries, ")
    assert lines[2].startswith("  lme4/aa  1 entry, ")
    assert lines[2].endswith(" bytes, used today, lme4 1.1-31")
    assert len(lines) == 5


def test_info_as_json(run, store):
    code, out, _ = run("info", "--json")
    found = json.loads(out)
    assert (code, found["root"], found["entries"]) == (0, str(store.root), 3)
    assert found["bytes"] == sum(shelf["bytes"] for shelf in found["shelves"]) > 0
    assert found["shelves"][0]["description"]["versions"]["R"] == "4.2.2"
    assert found["corrupt"] is None


def test_info_of_nothing(run, monkeypatch, tmp_path):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "none"))
    assert run("info") == (0, f"{tmp_path}/none\n  0 entries, 0 bytes\n", "")
    assert not (tmp_path / "none").exists()


def test_check_removes_what_is_damaged(run, store):
    assert run("info", "--check")[1].endswith("  every entry was read: none is damaged\n")
    (path,) = store.root.rglob(KEYS[0])
    path.write_bytes(path.read_bytes()[:-1])
    assert run("info", "--check")[1].endswith("  every entry was read: 1 damaged, removed\n")
    assert json.loads(run("info", "--check", "--json")[1])["entries"] == 2


def test_clear_one_engine(run, store):
    code, out, err = run("clear", "--engine", "lme4")
    assert (code, err) == (0, "")
    assert out.startswith("2 entries, ")
    assert out.endswith(f" removed from {store.root}\n")
    assert store.namespaces() == ("my%20engine/cc",)


def aged(store, key, days):
    """Make an entry as if it had last been used so many days ago."""
    (path,) = store.root.rglob(key)
    os.utime(path, (time.time() - days * 86_400,) * 2)


def test_info_says_when_entries_were_used(run, store):
    aged(store, KEYS[1], 12.5)
    aged(store, KEYS[2], 1.5)
    store.put("lme4/bb", KEYS[0], b"later")
    lines = run("info")[1].splitlines()
    assert ", used today to 12 days ago" in lines[3]
    assert lines[4].endswith(", used 1 day ago")
    shelf = json.loads(run("info", "--json")[1])["shelves"][1]
    assert shelf["newest"] - shelf["oldest"] == pytest.approx(12.5 * 86_400, abs=100)


def test_clear_what_was_not_used_for_some_days(run, store):
    aged(store, KEYS[0], 40)
    aged(store, KEYS[1], 40)
    assert Store().get("lme4/bb", KEYS[1]) == b"y"  # it is in use
    code, out, err = run("clear", "--older-than", "30")
    assert (code, err) == (0, "")
    assert out.startswith("1 entry, ")
    assert store.namespaces() == ("lme4/bb", "my%20engine/cc")
    assert run("clear", "--older-than", "30")[1].startswith("0 entries, 0 bytes, ")
    assert run("clear", "--older-than", "-1")[0] == 2
    assert store.info().entries == 2


def test_clear_an_engine_with_a_space_in_its_name(run, store):
    assert run("clear", "--engine", "my engine", "--quiet") == (0, "", "")
    assert store.namespaces("my%20engine") == ()


def test_clear_all(run, store):
    code, out, _ = run("clear", "--json")
    assert (code, json.loads(out)["entries"]) == (0, 3)
    assert not store.root.exists()
    assert run("clear")[:2] == (0, f"0 entries, 0 bytes, removed from {store.root}\n")


def test_an_engine_of_which_nothing_is_kept_is_bad_input(run, store):
    code, out, err = run("clear", "--engine", "lme5")
    assert (code, out) == (2, "")
    assert err == (
        f"lmm-parity: nothing is kept of 'lme5' in {store.root}; there is lme4, my engine\n"
    )
    assert store.info().entries == 3
    store.clear()
    assert run("clear", "--engine", "lme4")[2].endswith("; it is empty\n")


def test_what_cannot_be_removed_is_one_clear_line(run, store, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    code, _, err = run("clear")
    assert code == 2
    assert err == f"lmm-parity: {store.root}: cannot be cleared: Permission denied\n"
