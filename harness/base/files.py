"""Files are written whole or not at all, and what is no regular file is never replaced."""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from harness.base.errors import BadInput

TEMPORARY = ".lmm-parity-"
"""How the name begins under which a file is written."""


def write_file(path: Path, content: bytes | str) -> None:
    """Write a whole file; text is UTF-8 and keeps its line ends.

    Parameters
    ----------
    path : Path
        Folders above it are made. A link is followed and stays a link; a character device or a
        FIFO gets the content as a stream.

    Raises
    ------
    BadInput
        When it cannot be written; what was there is then as it was.
    """
    with open_whole(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def open_whole(path: Path, *, seeks: bool = False) -> Iterator[BinaryIO]:
    """Give a file to write to; it takes its name, and the old file's mode, when nothing goes wrong.

    Parameters
    ----------
    path : Path
        As for :func:`write_file`.
    seeks : bool
        The writer has to know where it is, as Parquet's does: streams are refused.

    Raises
    ------
    BadInput
        When it cannot be written.
    """
    found = require_writable(path, seeks=seeks)
    try:
        if found is not None and not stat.S_ISREG(found.st_mode):
            with open(os.open(path, os.O_WRONLY | os.O_NOCTTY), "wb") as file:
                yield file
            return
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        with _replacing(target, found) as file:
            yield file
    except OSError as error:
        raise _unwritable(path, error) from error


def replace_file(path: Path, content: bytes, *, prefix: str, sync: bool) -> None:
    """Write a whole file into a folder that is the program's own; errors are the system's.

    Parameters
    ----------
    prefix : str
        How the temporary name begins.
    sync : bool
        Whether the content is on the disk before the file has its name. Without it a loss of power
        can leave a file that is shorter than it should be.
    """
    with _replacing(path, None, prefix=prefix, sync=sync) as file:
        file.write(content)


def require_writable(path: Path, *, seeks: bool = False) -> os.stat_result | None:
    """Refuse an output file that could not be written, before any work is done.

    Parameters
    ----------
    path : Path
        What the user names.
    seeks : bool
        Character devices and FIFOs are refused, not only block devices, sockets and folders.

    Returns
    -------
    os.stat_result or None
        What is there now, behind any links.

    Raises
    ------
    BadInput
        In one line.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        # Nothing there, or a link to nothing.
        _require_free(path)
        return None
    except OSError as error:
        raise _unwritable(path, error) from error
    mode = found.st_mode
    if stat.S_ISREG(mode):
        folder = Path(os.path.realpath(path)).parent
        if not os.access(folder, os.W_OK | os.X_OK):
            raise BadInput(f"{path}: cannot be written: its folder is not writable")
    elif stat.S_ISDIR(mode):
        raise BadInput(f"{path}: cannot be written: it is a folder")
    elif seeks or not (stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)):
        raise BadInput(f"{path}: is no regular file; name one, or a file that does not exist")
    elif not os.access(path, os.W_OK):
        raise BadInput(f"{path}: cannot be written: Permission denied")
    return found


GROWING = (".partial", ".sorted")
"""What stands behind the name of a file while it grows, and while its lines are put in order."""


def growing_place(path: Path) -> Path:
    """Return where a file can grow that takes its name at the end: behind any link.

    Raises
    ------
    BadInput
        When there is something under one of its names that is no regular file.
    """
    require_writable(path, seeks=True)
    place = Path(os.path.realpath(path)) if path.is_symlink() else path
    for ending in GROWING:
        grows = place.with_name(place.name + ending)
        require_writable(grows, seeks=True)
        if grows.is_symlink():
            raise BadInput(f"{grows}: is a link; remove it")
    return place


def require_folder(folder: Path) -> None:
    """Make a folder, and refuse one that files cannot be made in."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from error


def _require_free(path: Path) -> None:
    above = Path(os.path.realpath(path)).parent
    while not above.exists() and above != above.parent:
        above = above.parent
    if not above.is_dir():
        raise BadInput(f"{path}: cannot be written: {above} is no folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise BadInput(f"{path}: cannot be written: {above} is not writable")


@contextmanager
def _replacing(
    target: Path, old: os.stat_result | None, *, prefix: str = TEMPORARY, sync: bool = True
) -> Iterator[BinaryIO]:
    temporary = target.with_name(f"{prefix}{os.getpid()}-{secrets.token_hex(8)}")
    file = open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb")  # noqa: SIM115
    try:
        with file:
            yield file
            file.flush()
            if old is not None:
                with suppress(PermissionError):
                    os.fchown(file.fileno(), old.st_uid, old.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
            if sync:
                os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _unwritable(path: Path, error: OSError) -> BadInput:
    return BadInput(f"{path}: cannot be written: {error.strerror or error}")
