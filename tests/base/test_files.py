"""Files are written whole; nodes, FIFOs and links are what they were afterwards."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from harness.base.errors import BadInput
from harness.base.files import (
    open_whole,
    replace_file,
    require_folder,
    require_writable,
    write_file,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make device nodes")
not_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node of one's own that swallows what it gets, as the system's null does."""
    path = tmp_path / "swallows"
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        path.open("wb").close()
    except OSError as error:
        pytest.skip(f"no device nodes here: {error}")
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_text_is_utf8_with_the_line_ends_it_has(tmp_path):
    write_file(tmp_path / "a" / "b.txt", "σ²\r\nx\n")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "σ²\r\nx\n".encode()
    assert names(tmp_path / "a") == {"b.txt"}


def test_the_mode_of_the_old_file_is_kept(tmp_path):
    path = tmp_path / "old"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "new", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_breaks_off_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def half() -> None:
        with open_whole(path) as file:
            file.write(b"half of the n")
            file.flush()
            assert len(names(tmp_path)) == 2  # beside it, under another name
            raise error

    with pytest.raises(error):
        half()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"file"}


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match=r"file: cannot be written: No space left on device$"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"file"}


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_one_and_its_target_is_written(tmp_path, exists):
    target, link = tmp_path / "elsewhere" / "target", tmp_path / "link"
    target.parent.mkdir()
    if exists:
        target.write_bytes(b"old")
    link.symlink_to("elsewhere/target")
    write_file(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert not target.is_symlink()
    assert names(target.parent) == {"target"}


def test_a_ring_of_links_is_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(BadInput, match="cannot be written: Too many levels of symbolic links"):
        require_writable(tmp_path / "a")
    assert (tmp_path / "a").is_symlink()


@pytest.mark.parametrize("through_link", [False, True])
def test_a_fifo_gets_the_content_and_stays_a_fifo(tmp_path, fifo, through_link):
    path = fifo
    if through_link:
        path = tmp_path / "link"
        path.symlink_to(fifo)
    before, got = names(tmp_path), []
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()), daemon=True)
    reader.start()
    write_file(path, "all of it\n")
    reader.join(10)
    assert got == [b"all of it\n"]
    assert stat.S_ISFIFO(fifo.lstat().st_mode)
    assert names(tmp_path) == before


@as_root
def test_a_character_device_gets_the_content_and_stays_a_device(node):
    before = node.lstat()
    write_file(node, b"swallowed")
    after = node.lstat()
    assert stat.S_ISCHR(after.st_mode)
    assert (after.st_rdev, after.st_ino) == (before.st_rdev, before.st_ino)
    assert names(node.parent) == {node.name}


@as_root
def test_a_block_device_is_refused(tmp_path):
    path = tmp_path / "disk"
    try:
        # A number that no disk has: nothing can be opened behind it.
        os.mknod(path, 0o600 | stat.S_IFBLK, os.makedev(240, 255))
    except OSError as error:
        pytest.skip(f"no device nodes here: {error}")
    with pytest.raises(BadInput, match="is no regular file"):
        require_writable(path)
    with pytest.raises(BadInput, match="is no regular file"):
        write_file(path, b"")
    assert stat.S_ISBLK(path.lstat().st_mode)


def test_a_writer_that_seeks_refuses_a_fifo_at_once(fifo):
    with pytest.raises(BadInput, match="is no regular file"):
        require_writable(fifo, seeks=True)
    with pytest.raises(BadInput, match="is no regular file"), open_whole(fifo, seeks=True):
        pass
    assert stat.S_ISFIFO(fifo.lstat().st_mode)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(BadInput, match=f"^{tmp_path}: cannot be written: it is a folder$"):
        require_writable(tmp_path)


def test_a_file_where_a_folder_has_to_be_is_refused(tmp_path):
    (tmp_path / "taken").write_bytes(b"")
    for path in (tmp_path / "taken" / "a", tmp_path / "taken" / "a" / "b"):
        with pytest.raises(BadInput, match="cannot be written: "):
            require_writable(path)
    with pytest.raises(BadInput, match="taken: cannot be written: File exists"):
        require_folder(tmp_path / "taken")


def test_looking_makes_nothing(tmp_path):
    require_writable(tmp_path / "a" / "b" / "c")
    require_folder(tmp_path / "d" / "e")
    assert names(tmp_path) == {"d"}
    assert names(tmp_path / "d" / "e") == set()


@not_root
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(BadInput, match="not writable"):
        require_writable(tmp_path / "a")


def test_a_file_of_the_programs_own_folder_says_what_the_system_says(tmp_path):
    replace_file(tmp_path / "a", b"1", prefix=".writing-", sync=False)
    assert (tmp_path / "a").read_bytes() == b"1"
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "none" / "a", b"1", prefix=".writing-", sync=False)
