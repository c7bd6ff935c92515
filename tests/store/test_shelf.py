"""The store of results: whole or not there, whatever happens while it is written."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import zlib

import pytest

from harness.store.shelf import ENVIRONMENT_VARIABLE, Store, default_root

KEY = "0f" * 32
OTHER = "1e" * 32
SHELF = "lme4/0123456789abcdef"
TEXT = b'{"estimate": 10.467285959596}' * 40
NOISE = bytes(i * i % 251 for i in range(50))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cache")


def entry(store):
    (path,) = store.root.rglob(KEY)
    return path


@pytest.mark.parametrize("content", [TEXT, NOISE, b"", b"\0" * 100_000])
def test_content_comes_back_as_it_was(store, content):
    assert store.get(SHELF, KEY) is None
    assert store.put(SHELF, KEY, content)
    assert Store(store.root).get(SHELF, KEY) == content


def test_text_takes_less_room_than_it_has_characters(store):
    store.put(SHELF, KEY, TEXT)
    assert entry(store).stat().st_size < len(TEXT) / 4


def test_namespaces_are_apart(store):
    store.put("lme4/a", KEY, b"one")
    store.put("lme4/b", KEY, b"two")
    assert (store.get("lme4/a", KEY), store.get("lme4/b", KEY)) == (b"one", b"two")
    assert set(store.namespaces("lme4")) == {"lme4/a", "lme4/b"}
    assert store.namespaces("lme") == ()


def test_a_namespace_of_two_digits_is_no_bucket(store):
    store.put("0f/1e", KEY, b"one")
    assert store.namespaces() == ("0f/1e",)
    assert store.info().entries == 1


@pytest.mark.parametrize("name", ["", "..", "a/../b", "/etc", "a//b", ".hidden", "a b", "@0f"])
def test_no_namespace_leads_out_of_the_store(store, name):
    with pytest.raises(ValueError, match="not a namespace"):
        store.put(name, KEY, b"")


@pytest.mark.parametrize("key", ["", "abc", "../../x", "G" * 64, KEY.upper()])
def test_a_key_is_a_hash(store, key):
    with pytest.raises(ValueError, match="not a key"):
        store.get(SHELF, key)


@pytest.mark.parametrize("at", [0, 5, 13, 28, 29, 30, -1])
def test_one_flipped_bit_is_found(store, at):
    store.put(SHELF, KEY, TEXT)
    path = entry(store)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    assert store.get(SHELF, KEY) is None
    assert (store.corrupt, path.exists()) == (1, False)
    store.put(SHELF, KEY, TEXT)
    assert store.get(SHELF, KEY) == TEXT


@pytest.mark.parametrize("length", [0, 1, 13, 20, 29, 30, 60])
def test_a_torn_entry_is_found(store, length):
    store.put(SHELF, KEY, TEXT)
    path = entry(store)
    path.write_bytes(path.read_bytes()[:length])
    assert store.get(SHELF, KEY) is None
    assert (store.corrupt, path.exists()) == (1, False)


def test_an_entry_in_the_wrong_place_is_found(store):
    store.put(SHELF, KEY, TEXT)
    store.put(SHELF, OTHER, b"another")
    (other,) = store.root.rglob(OTHER)
    other.write_bytes(entry(store).read_bytes())
    assert store.get(SHELF, OTHER) is None
    assert store.corrupt == 1


def test_a_valid_entry_of_another_program_is_not_taken(store):
    store.put(SHELF, KEY, TEXT)
    entry(store).write_bytes(zlib.compress(TEXT))
    assert store.get(SHELF, KEY) is None


WRITER = """
import sys
from pathlib import Path
from harness.store.shelf import Store
root, key, content = Path(sys.argv[1]), sys.argv[2], sys.argv[3].encode() * int(sys.argv[4])
store = Store(root)
for _ in range(200):
    assert store.put("shelf", key, content), store.trouble
"""


def python(code, *arguments, **options):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], **options)


@pytest.mark.slow
def test_two_writers_of_one_key_never_show_half_an_entry(store):
    # One key has one content in use; two that differ in length show whether they ever mix.
    writers = [python(WRITER, store.root, KEY, "a", 7), python(WRITER, store.root, KEY, "bc", 9999)]
    whole = {b"a" * 7, b"bc" * 9999}
    seen = set()
    while any(writer.poll() is None for writer in writers):
        seen.add(store.get("shelf", KEY))
    assert [writer.returncode for writer in writers] == [0, 0]
    assert store.get("shelf", KEY) in whole
    assert seen - {None} <= whole
    assert len(seen - {None}) >= 1
    assert store.corrupt == 0
    assert store.info().unfinished == 0


@pytest.mark.slow
def test_clearing_while_another_writes_harms_neither(store):
    ended = threading.Event()
    kept = []

    def write():
        writer = Store(store.root)
        while not ended.is_set():
            kept.append(writer.put(SHELF, KEY, TEXT) or writer.trouble)

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(200):
        store.clear()
        # At most one clearing falls into the writing of one entry.
        begun = len(kept)
        while len(kept) < begun + 2:
            time.sleep(0)
    ended.set()
    thread.join()
    assert set(kept) == {True}
    assert Store(store.root).put(SHELF, KEY, TEXT)
    assert store.get(SHELF, KEY) == TEXT


KILLED = """
import os, signal, sys
from pathlib import Path
from harness.store.shelf import Store
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Store(Path(sys.argv[1])).put("shelf", sys.argv[2], b"content")
"""


def test_a_writer_killed_before_the_end_leaves_no_entry(store):
    writer = python(KILLED, store.root, KEY)
    assert writer.wait() == -signal.SIGKILL
    assert store.get("shelf", KEY) is None
    assert store.corrupt == 0
    found = store.info()
    assert (found.entries, found.unfinished) == (0, 1)
    store.clear()
    assert not store.root.exists()


FULL = """
import sys
from pathlib import Path
from harness.store.shelf import Store
store = Store(Path(sys.argv[1]))
keys = [f"{i:064x}" for i in range(60)]
wrote = [store.put("shelf", key, bytes(j * j % 251 for j in range(5000))) for key in keys]
whole = [store.get("shelf", key) is not None for key in keys]
print(wrote == whole, any(wrote), store.unwritten == wrote.count(False) > 0)
print(store.corrupt, store.info().unfinished)
"""


def in_a_small_disk(folder, *command):
    """Run a command with a file system of 64 kB on a folder, for it alone."""
    mount = f"mount -t tmpfs -o size=64k tmpfs '{folder}' && exec \"$@\""
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh", *command],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_disk_costs_entries_and_one_warning_only(tmp_path):
    if shutil.which("unshare") is None or in_a_small_disk(tmp_path, "true").returncode != 0:
        pytest.skip("a file system of its own cannot be mounted here")
    done = in_a_small_disk(tmp_path, sys.executable, "-c", FULL, str(tmp_path / "cache"))
    assert done.stdout == "True True True\n0 0\n"
    assert done.stderr.count("\n") == 1
    assert "No space left on device (lmm-parity cache clear makes room)" in done.stderr


LIMITED = """
import resource, sys
from pathlib import Path
from harness.store.shelf import Store
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
store = Store(Path(sys.argv[1]))
noise = bytes(i * i * 7 % 251 for i in range(250))
print(store.put("shelf", sys.argv[2], noise), store.get("shelf", sys.argv[2]), store.corrupt)
"""


def test_a_write_that_stops_in_the_middle_leaves_nothing(store):
    done = python(LIMITED, store.root, KEY, stdout=-1, stderr=-1, text=True)
    out, err = done.communicate()
    assert out == "False None 0\n"
    assert "File too large" in err
    assert not [p for p in store.root.rglob("*") if p.is_file() and p.name != "CACHEDIR.TAG"]


def test_a_folder_that_cannot_be_written_warns_once(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "cache")
    assert [store.put(SHELF, KEY, TEXT) for _ in range(3)] == [False] * 3
    assert store.get(SHELF, KEY) is None
    assert store.unwritten == 3
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith(f"lmm-parity: results cannot be stored in {store.root}: Not a directory")
    assert (store.namespaces(), store.info().entries) == ((), 0)


@pytest.mark.parametrize("kind", ["fifo", "device", "link"])
def test_an_entry_that_is_no_file_is_neither_waited_for_nor_replaced(store, capsys, kind):
    store.put(SHELF, KEY, TEXT)
    path = entry(store)
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(store.root / "far")
    else:
        try:
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("no node may be made here")
    before = path.lstat()
    assert store.get(SHELF, KEY) is None
    assert not store.put(SHELF, KEY, TEXT)
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert "is no regular file" in capsys.readouterr().err
    assert not (store.root / "far").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_still_read(store):
    store.put(SHELF, KEY, TEXT)
    for path in (entry(store).parent, store.root):
        path.chmod(0o500)
    assert not store.put(SHELF, OTHER, TEXT)
    assert store.get(SHELF, KEY) == TEXT


def test_info_counts_by_namespace(store):
    assert store.info().entries == 0
    store.put("lme4/a", KEY, TEXT)
    store.put("lme4/a", OTHER, NOISE)
    store.put("records", KEY, NOISE)
    store.describe("lme4/a", {"versions": {"lme4": "1.1-31"}})
    found = store.info()
    assert [(shelf.namespace, shelf.entries) for shelf in found.shelves] == [
        ("lme4/a", 2),
        ("records", 1),
    ]
    assert found.shelves[0].description == {"versions": {"lme4": "1.1-31"}}
    on_disk = sum(p.stat().st_size for k in (KEY, OTHER) for p in store.root.rglob(k))
    assert (found.entries, found.bytes, found.corrupt) == (3, on_disk, None)


def test_info_with_check_removes_what_is_damaged(store):
    store.put("lme4/a", KEY, TEXT)
    store.put("lme4/a", OTHER, TEXT)
    entry(store).write_bytes(b"nonsense")
    found = store.info(check=True)
    assert (found.corrupt, found.entries) == (1, 1)


def test_clear_takes_one_namespace_or_all_and_nothing_else(store):
    store.put("lme4/a", KEY, TEXT)
    store.put("lme4/b", KEY, TEXT)
    store.put("records", KEY, TEXT)
    store.describe("lme4/a", {})
    (store.root / "records" / "thesis.txt").write_text("mine")
    (store.root / "mine").mkdir()
    assert store.clear("lme4").entries == 2
    assert not (store.root / "lme4").exists()
    assert store.get("records", KEY) == TEXT
    assert store.clear().entries == 1
    left = sorted(p.relative_to(store.root).as_posix() for p in store.root.rglob("*"))
    assert left == ["mine", "records", "records/thesis.txt"]


def test_backup_programs_are_told_that_it_is_a_cache(store):
    store.put(SHELF, KEY, TEXT)
    tag = (store.root / "CACHEDIR.TAG").read_text()
    assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
    store.clear()
    assert not store.root.exists()


def test_the_most_recently_used_namespace_comes_first(store):
    for name in ("lme4/b", "lme4/a", "lme4/c"):
        store.put(name, KEY, TEXT)
        store.describe(name, {"engine": "lme4"})
    for name, when in (("lme4/b", 1e9), ("lme4/a", 3e9), ("lme4/c", 2e9)):
        os.utime(store.root / name / "description.json", (when, when))
    assert store.namespaces("lme4") == ("lme4/a", "lme4/c", "lme4/b")
    store.touch("lme4/b")
    os.utime(store.root / "lme4/a/description.json", (1e8, 1e8))
    assert store.namespaces("lme4")[-1] == "lme4/a"


@pytest.mark.parametrize("text", ["", "{", "[1]", "\udcff"])
def test_a_damaged_description_is_none(store, text):
    store.describe(SHELF, {"engine": "lme4"})
    path = store.root / SHELF / "description.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert store.description(SHELF) == {}


def test_where_it_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "own"))
    assert default_root() == tmp_path / "own"
    assert Store().root == tmp_path / "own"
    monkeypatch.delenv(ENVIRONMENT_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_root() == tmp_path / "xdg" / "lmm-parity"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_root() == tmp_path / ".cache" / "lmm-parity"


def test_a_fifo_for_a_description_is_none(tmp_path):
    shelf = Store(tmp_path)
    assert shelf.describe("a/b", {"engine": "x"})
    (path,) = tmp_path.rglob("description.json")
    path.unlink()
    os.mkfifo(path)
    assert shelf.description("a/b") == {}
