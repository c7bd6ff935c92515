"""Commands end at their limit, and are never silent for long."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.base import heartbeat
from harness.commands.progress import progress
from tests.commands.forever import BEGUN
from tests.interruptible import interruptible

pytestmark = pytest.mark.slow

FOREVER = ("--engine", "tests.commands.forever:Forever", "--reference", "referee")
MODEL = ("fixtures/data/sleepstudy.csv", "Reaction ~ Days + (1 | Subject)")

ROOT = Path(__file__).parents[2]

SLACK = 60.0
"""Seconds for starting and ending on the busiest machine; without a limit nothing would end."""


def test_fit_ends_at_its_limit_and_says_what_was_stopped(lmm_parity, monkeypatch):
    monkeypatch.setattr(heartbeat, "SECONDS", 2.0)
    began = time.monotonic()
    code, out, err = lmm_parity("fit", *MODEL, *FOREVER, "--timeout", 8)
    assert time.monotonic() - began < 8 + SLACK
    assert code == 1
    assert re.search(r"^forever: no fit \(timeout\): stopped after \d s \(limit 8 s\)$", out, re.M)
    assert "referee: logLik -893.2" in out
    assert re.search(r"^Fitting: forever and referee, and judging \(2 s\)$", err, re.M)


def test_a_campaign_stops_the_fit_and_goes_on(lmm_parity, tmp_path):
    began = time.monotonic()
    code, out, _ = lmm_parity(
        *("run", "--rung", "dyestuff/REML", *FOREVER, "--timeout", 1, "--jobs", 1, "--no-cache"),
        *("--out", tmp_path / "run.jsonl"),
    )
    assert time.monotonic() - began < 4 * 1 + 2 * SLACK
    assert code == 1
    assert "1 cases in" in out


def test_in_a_log_a_line_comes_whenever_nothing_was_said(capfd, monkeypatch):
    monkeypatch.setattr(heartbeat, "SECONDS", 0.02)
    with progress("Working", 3, hidden=False) as told:
        told("first")
        time.sleep(0.3)
        told("second")
        time.sleep(0.3)
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "Working 1/3: first (0 s)"
    assert lines[-1].startswith("Working 2/3: second")
    with progress("Working", 3, hidden=True):
        time.sleep(0.1)
    assert capfd.readouterr().err == ""


def test_ctrl_c_stops_a_fit_in_this_process(tmp_path):
    program = [sys.executable, "-m", "harness", "fit", *MODEL, *FOREVER]
    begun = tmp_path / "begun"
    process = subprocess.Popen(
        program,
        cwd=ROOT,
        env=os.environ | {BEGUN: str(begun)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,  # noqa: PLW1509
    )
    while not begun.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SLACK)
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "lmm-parity: interrupted; no report was written"
