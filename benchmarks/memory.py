"""The largest resident memory of a program and of each process below it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

EVERY_SECONDS = 0.5


@dataclass
class Peaks:
    """Megabytes, by what a process is: its own peak, and the peak of the sum over all.

    Shared pages count in every process that has them, so the sum is an upper bound.
    """

    of: dict[str, float] = field(default_factory=dict)
    together: float = 0.0


def run_watched(
    command: Sequence[str], *, env: dict[str, str], cwd: Path
) -> tuple[subprocess.CompletedProcess[str], Peaks]:
    """Run a command to its end and look at its processes meanwhile."""
    process = subprocess.Popen(
        command, env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    peaks, ended = Peaks(), threading.Event()

    def watch() -> None:
        while not ended.wait(EVERY_SECONDS):
            _look(process.pid, peaks)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    out, error = process.communicate()
    ended.set()
    thread.join()
    return subprocess.CompletedProcess(command, process.returncode, out, error), peaks


def _look(root: int, peaks: Peaks) -> None:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text(encoding="ascii", errors="replace")
            except OSError:
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    together, waiting = 0.0, [root]
    while waiting:
        process = waiting.pop()
        waiting += children.get(process, [])
        try:
            text = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
            line = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        sizes = {
            name: int(rest.split()[0]) / 1024
            for name, _, rest in (row.partition(":") for row in text.splitlines())
            if name in ("VmHWM", "VmRSS")
        }
        what = _kind(process == root, line)
        peaks.of[what] = max(peaks.of.get(what, 0.0), sizes.get("VmHWM", 0.0))
        together += sizes.get("VmRSS", 0.0)
    peaks.together = max(peaks.together, together)


def _kind(root: bool, line: str) -> str:
    if root:
        return "parent"
    if "harness.rbridge.template" in line:
        return "R"
    return "worker" if "forkserver" in line else "other"
