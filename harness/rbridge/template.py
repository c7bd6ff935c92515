"""The template process: starts R once, then forks a worker whenever it is asked for one.

Starting R with lme4 takes seconds, forking a process that has it takes milliseconds. That is why a
worker that crashed or hung can simply be thrown away. The template never fits anything itself and
has one thread only, so that it can be forked safely.

It is a plain child process rather than a ``multiprocessing`` fork server: those import the caller's
``__main__`` again, share one server per program, and give the caller no say in its environment.

Parent and template talk over a Unix socket, one request and one answer at a time::

    fork  + a file descriptor   -> process number of a worker that serves that descriptor
    reap <process number>       -> kills it if need be; its exit code, negative for a signal
"""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import signal
import socket
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from harness.base.memory import limit_with
from harness.base.parents_death import send_at_parents_death

if TYPE_CHECKING:
    from harness.rbridge.session import EmbeddedR

WATCH_SECONDS = 1.0
"""How often a process looks whether its parent is still there."""


def main(arguments: list[str]) -> NoReturn:
    """Run the template.

    Parameters
    ----------
    arguments : list of str
        File descriptor of the socket, megabytes that a worker may allocate on top of what the
        template has (0: no limit), folder to delete at the end, R packages to load with commas
        between them, paths of the R scripts.
    """
    control = socket.socket(fileno=int(arguments[0]))
    memory_mb = int(arguments[1])
    folder = Path(arguments[2])
    # A segmentation fault is an answer here; its core dump would only fill the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Where it was stopped it goes on then, finds the socket closed, and clears up.
    send_at_parents_death(signal.SIGCONT)
    try:
        from harness.rbridge.rpy2_start import load_rpy2

        load_rpy2()
        from harness.rbridge.session import EmbeddedR

        packages = [name for name in arguments[3].split(",") if name]
        r = EmbeddedR([Path(script) for script in arguments[4:]], packages)
    except BaseException as error:
        text = f"{type(error).__name__}: {error}".removesuffix(": ")
        control.sendall(json.dumps({"error": text}).encode())
        os._exit(1)
    control.sendall(json.dumps({"mode": r.mode}).encode())
    try:
        _answer_requests(control, r, memory_mb)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        # Not sys.exit(): R's own clean-up is not safe after forks, and there is nothing to save.
        os._exit(0)


def _answer_requests(control: socket.socket, r: EmbeddedR, memory_mb: int) -> None:
    workers: set[int] = set()
    parent = os.getppid()
    try:
        while True:
            if not select.select([control], [], [], WATCH_SECONDS)[0]:
                if os.getppid() != parent:
                    return
                continue
            message, descriptors, _, _ = socket.recv_fds(control, 64, 1)
            if not message:
                return
            if message == b"fork":
                process = os.fork()
                if process == 0:
                    control.close()
                    _serve(descriptors[0], r, memory_mb)
                os.close(descriptors[0])
                workers.add(process)
                control.sendall(str(process).encode())
            else:
                process = int(message.removeprefix(b"reap "))
                workers.discard(process)
                control.sendall(str(_end(process)).encode())
    except (BrokenPipeError, ConnectionResetError):
        return
    finally:
        for process in workers:
            _end(process)


def _end(process: int) -> int:
    # The number cannot have been given to another process: nobody but this one can collect it.
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def _serve(descriptor: int, r: EmbeddedR, memory_mb: int) -> NoReturn:
    """Answer calls until the other end is closed."""
    send_at_parents_death(signal.SIGKILL)
    try:
        if memory_mb:
            _limit_memory(memory_mb)
        threading.Thread(target=_watch, args=(descriptor, os.getppid()), daemon=True).start()
        connection = Connection(descriptor)
        while True:
            function, payload = connection.recv()
            try:
                answer = (*r.call(function, payload), "")
            except Exception as error:
                answer = (None, {}, f"{type(error).__name__}: {error}")
            connection.send(answer)
    except (EOFError, ConnectionError):
        os._exit(0)
    except BaseException as error:
        sys.stderr.write(f"worker ended: {error!r}\n")
        sys.stderr.flush()
        os._exit(1)


def _watch(descriptor: int, template: int) -> NoReturn:
    """End this process as soon as nobody waits for its answer, also in the middle of a fit."""
    poll = select.poll()
    poll.register(descriptor, 0)
    while not poll.poll(WATCH_SECONDS * 1000) and os.getppid() == template:
        pass
    os._exit(0)


def _limit_memory(megabytes: int) -> None:
    # R then reports a failed allocation as an error; without a limit the system kills something.
    limit = limit_with(megabytes)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_AS, limit)
