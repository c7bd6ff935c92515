"""Run one campaign in this process and print what it took as JSON: ``one_campaign.py REQUEST``.

It is a process of its own so that its start-up, its processor time and its memory are those of a
campaign and of nothing else. The clock runs from when all workers are warm to when the last record
is in the file.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from harness.base.numerics import pin
from harness.campaign.fork_server import start_server


def main() -> None:
    """Do what the request asks for."""
    began = time.perf_counter()
    request = json.loads(sys.argv[1])
    pin()
    start_server()

    from benchmarks import tasks
    from harness.campaign.campaign_file import Campaign, Watcher, run_to_file
    from harness.campaign.case_task import case_task, unfinished_case
    from harness.campaign.setup import Setup
    from harness.campaign.sources import Recipes, Source
    from harness.campaign.worker_process import Done

    class Clock(Watcher):
        """Notes when all is warm, and seconds and processor time from there."""

        warm = cpu = 0.0
        in_workers = 0.0
        retried = 0

        def started(self, *_: object, **__: object) -> None:
            self.warm, self.cpu = time.perf_counter(), time.process_time()

        def finished(self, done: Done, *_: object) -> None:
            self.in_workers += done.seconds
            self.retried += len(done.retried) + bool(done.problem)
            self.last, self.spent = time.perf_counter(), time.process_time()

    source: Source
    options: dict[str, Any] = {"store": request.get("store")}
    if "recipes" in request:
        source = Recipes.of(Path(request["recipes"]))
        task = tasks.timed_case if request.get("timed") else case_task
        setup = Setup(("statsmodels", "lme4"), "lme4", task, unfinished_case, **options)
    else:
        source = tasks.Numbered(request["stubs"])
        setup = Setup(
            ("benchmarks.tasks:Stub", "referee"),
            "referee",
            tasks.stub_case,
            unfinished_case,
            **options,
        )
    clock = Clock()
    out = Path(request["out"])
    footer = run_to_file(Campaign(source, setup, jobs=request["jobs"]), out, watcher=clock)
    print(
        json.dumps(
            {
                "cases": footer.cases,
                "start_up": clock.warm - began,
                "wall": clock.last - clock.warm,
                "whole": time.perf_counter() - began,
                "in_workers": clock.in_workers,
                "parent_cpu": clock.spent - clock.cpu,
                "retried": clock.retried,
                "bytes": out.stat().st_size,
            }
        )
    )


if __name__ == "__main__":
    main()
