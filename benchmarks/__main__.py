"""Measure everything beside its peer, in one run: ``python -m benchmarks [--quick]``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from harness.base.numerics import pin


def main() -> None:
    """Run the sections one after the other and print, or write, the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--pymer4", metavar="PYTHON", help="a Python that has pymer4 0.8")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the page there as well")
    chosen = parser.parse_args()
    pin()

    from benchmarks import page

    page.describe_start()
    with tempfile.TemporaryDirectory(prefix="lmm-parity-bench-") as name:
        folder = Path(name)
        sections: dict[str, Callable[[], str]] = {
            "routes": lambda: page.routes(quick=chosen.quick, pymer4=chosen.pymer4),
            "referee": lambda: page.referee(quick=chosen.quick),
            "campaigns": lambda: page.campaigns(folder, quick=chosen.quick),
            "stub cases": lambda: page.stubs(folder, quick=chosen.quick),
        }
        parts = []
        for title, section in sections.items():
            started = time.perf_counter()
            parts.append(section())
            print(f"{title}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    text = page.whole(parts, quick=chosen.quick)
    print(text)
    if chosen.out is not None:
        chosen.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
