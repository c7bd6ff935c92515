"""The scoreboard: engines are judged alone, what they do not support is no fault of theirs."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.base.files import write_file
from harness.conformance.fit_times import measure
from harness.conformance.scoreboard import CRITERIA, read_scoreboard
from harness.engines.engine import Failure
from harness.engines.referee_engine import RefereeEngine
from harness.page.scoreboard_site import board_json

HERE = Path(__file__).parent
NARROW = HERE.parent / "engines" / "planted_program.py"
EXAMPLES = 2


def program(name, *words):
    return f"{name}={shlex.join([sys.executable, *map(str, words)])}"


ENGINES = (
    program("right", "-m", "harness", "engine", "serve", "referee"),
    program("ml-for-reml", HERE / "served_mistake.py", "ml-for-reml"),
    # It refuses all but one table, and says so.
    program("narrow", "-I", "-S", NARROW, "right"),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory, command):
    """Return the folder of a board of three programs."""
    folder = tmp_path_factory.mktemp("board")
    named = [word for engine in ENGINES for word in ("--engine", engine)]
    ran = command(
        folder, "scoreboard", *named, "--out", folder / "site", "--max-examples", EXAMPLES,
        "--no-speed", "--no-cache", "--quiet", "--history", folder / "history",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def board(site):
    return read_scoreboard(site / "scoreboard.jsonl")


@pytest.mark.slow
def test_engines_stand_in_the_order_of_their_names(board):
    assert [score.name for score in board.engines] == ["ml-for-reml", "narrow", "right"]
    assert board.finished
    assert len(board.verdicts) == EXAMPLES


@pytest.mark.slow
def test_an_engine_that_is_right_is_right_by_every_criterion(board):
    right = board.engine("right")
    assert right.fitted == right.cases == EXAMPLES
    assert {key: cell.wrong for key, cell in right.cells.items()} == {c.key: 0 for c in CRITERIA}
    assert right.faults == {}
    assert right.cells["variances"].right == EXAMPLES
    assert right.cells["invariance"].right > EXAMPLES


@pytest.mark.slow
def test_a_mistake_is_found_and_named_on_its_smallest_case(board):
    wrong = board.engine("ml-for-reml")
    rows = {case.id: case.data.rows_used for case in board.cases.values()}
    found = wrong.faults["other-criterion"]
    assert wrong.cells["variances"].wrong > 0
    assert found[0].rows == min(fault.rows for fault in found) == rows[found[0].case]


@pytest.mark.slow
def test_what_is_refused_is_no_fault(board):
    narrow = board.engine("narrow")
    assert (narrow.refused, narrow.fitted, narrow.failed) == (EXAMPLES, 0, 0)
    assert all(not cell.wrong for cell in narrow.cells.values())
    assert not narrow.cells["estimates"].judged


@pytest.mark.slow
def test_the_site_has_a_page_of_each_engine_and_a_badge_of_each_criterion(site):
    index = (site / "index.html").read_text(encoding="utf-8")
    for name in ("right", "ml-for-reml", "narrow"):
        assert f'href="engine-{name}.html' in index
        assert (site / f"engine-{name}.html").is_file()
    badge = json.loads((site / "badges" / "right-se.json").read_text(encoding="utf-8"))
    assert badge["message"].endswith("right")
    assert (site / "cases.html").is_file()
    assert ">None" not in index
    content = json.loads((site / "scoreboard.json").read_text(encoding="utf-8"))
    assert content["engines"]["right"]["criteria"]["se"]["wrong"] == 0


@pytest.mark.slow
def test_the_script_of_a_fault_prints_again_what_the_engine_printed(site, board):
    fault = board.engine("ml-for-reml").faults["other-criterion"][0]
    folder = site / "faults" / "ml-for-reml" / "other-criterion"
    script = folder / "reproduce-ml-for-reml.sh"
    said = subprocess.run(
        ["sh", script], cwd=site.parent, capture_output=True, encoding="utf-8", check=True
    ).stdout
    printed = board.cases[fault.case].fit("ml-for-reml").residual_variance
    fitted = json.loads(said.splitlines()[1])
    assert fitted["residual_variance"] == printed
    told = (folder / "README.md").read_text(encoding="utf-8")
    assert f"variance residual  {printed:.15g}" in told
    assert (folder / "output-ml-for-reml.txt").read_text(encoding="utf-8").strip() in told


@pytest.mark.slow
def test_the_command_of_a_fault_finds_it_again(site, board, command):
    text = (site / "faults" / "ml-for-reml" / "other-criterion" / "README.md").read_text()
    words = shlex.split(text.split("```")[-2].strip().splitlines()[0])
    ran = command(site.parent, *words[1:])
    assert "other-criterion" in ran.stdout


@pytest.mark.slow
def test_a_board_is_made_again_of_its_records_and_beside_earlier_ones(
    site, board, tmp_path, command
):
    records = site / "scoreboard.jsonl"
    history = site.parent / "history"
    alone = tmp_path / "alone.html"
    words = ("--from", records, "--out", tmp_path, "--history", history, "--quiet",
             "--page", alone)  # fmt: skip
    assert command(tmp_path, "scoreboard", *words).returncode == 0
    again = json.loads((tmp_path / "scoreboard.json").read_text(encoding="utf-8"))
    assert again == json.loads(json.dumps(board_json(board, ())))
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Earlier versions" in index
    # The page that is handed on leads to nothing but itself.
    page = alone.read_text(encoding="utf-8")
    assert 'href="#engine-ml-for-reml"' in page
    assert 'id="engine-ml-for-reml"' in page
    assert not re.search(r'href="(?!#|http)', page)
    assert "other-criterion" in page


@pytest.mark.slow
def test_a_board_that_was_killed_goes_on_and_is_the_same(board, tmp_path, command):
    words = ("scoreboard", "--engine", ENGINES[1], "--out", tmp_path, "--max-examples", EXAMPLES,
             "--no-speed", "--no-cache", "--quiet")  # fmt: skip
    partial = tmp_path / "scoreboard.jsonl.partial"
    running = subprocess.Popen(
        [sys.executable, "-m", "harness", *map(str, words), "--jobs", "1"],
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    # A line for the head, one for the first case.
    while not partial.exists() or partial.read_bytes().count(b"\n") < 2:
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    ran = command(tmp_path, *words, "--resume")
    assert ran.returncode == 0, ran.stderr
    again = read_scoreboard(tmp_path / "scoreboard.jsonl").engine("ml-for-reml")
    # The best point known, and so the last digits of a gap, depend on which engines ran.
    assert counted(again) == counted(board.engine("ml-for-reml"))


def counted(score):
    return (
        score.fitted,
        {key: (cell.right, cell.wrong, cell.defined) for key, cell in score.cells.items()},
        {kind: [fault.case for fault in found] for kind, found in score.faults.items()},
    )


@pytest.mark.slow
def test_a_history_that_is_none_is_refused_in_a_line(site, tmp_path, command):
    write_file(tmp_path / "h" / "a.json", "[]")
    words = ("--from", site / "scoreboard.jsonl", "--out", tmp_path / "x", "--quiet")
    ran = command(tmp_path, "scoreboard", *words, "--history", tmp_path / "h")
    assert ran.returncode == 2
    assert "a.json: no scoreboard" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_board_without_engines_is_refused(tmp_path, command):
    ran = command(tmp_path, "scoreboard", "--out", tmp_path)
    assert (ran.returncode, "name engines by --engine or --engines" in ran.stderr) == (2, True)


class Paced(RefereeEngine):
    """The referee under a name, which fails from some size on."""

    def __init__(self, name, most):
        self.name, self.most = name, most
        self.asked = []

    def begin(self, case, setting):
        rows = case.table.n_rows
        self.asked.append(rows)
        if rows > self.most:
            return lambda: Failure(engine=self.name, setting=setting, reason="memory", text="full")
        return super().begin(case, setting)


def test_an_engine_that_fails_at_a_size_is_not_asked_for_a_larger_one():
    quick, small = Paced("quick", 1000), Paced("small", 20)
    speeds = measure((quick, small), (20, 40, 60), told=lambda _: None)
    taken = {(s.engine, s.rows): s.seconds for s in speeds}
    assert taken["small", 40] is taken["small", 60] is None
    assert taken["quick", 60] > 0
    assert small.asked == [20, 20, 20, 40]
    assert [s.why for s in speeds if s.engine == "small"] == ["", "memory: full", "memory: full"]


@pytest.mark.slow
def test_the_text_of_a_fault_gives_both_points_and_a_computation_that_is_not_ours(site, board):
    fault = board.engine("ml-for-reml").faults["other-criterion"][0]
    folder = site / "faults" / "ml-for-reml" / "other-criterion"
    case = board.cases[fault.case]
    script = (folder / "check.py").read_text(encoding="utf-8")
    assert "harness" not in script
    said = subprocess.run(
        [sys.executable, "-I", folder / "check.py"], capture_output=True, text=True, check=True
    ).stdout
    printed, best = (float(line.split()[-1]) for line in said.splitlines())
    assert best == pytest.approx(case.best_loglik, abs=1e-6)
    assert printed == pytest.approx(case.audit("ml-for-reml").loglik, abs=1e-6)
    assert printed < best - 1e-4
    told = (folder / "README.md").read_text(encoding="utf-8")
    assert said.strip() in told
    for fit in (case.fit("ml-for-reml"), case.fit("referee")):
        assert f"residual {fit.residual_variance:.10g} |" in told


@pytest.mark.slow
def test_a_fault_is_shown_by_one_fit_where_one_fit_shows_it(board):
    kinds = board.engine("ml-for-reml").faults.values()
    of_two = [
        [f.outcome.property.startswith(("metamorphic.", "limits.")) for f in found]
        for found in kinds
    ]
    assert any(len(set(found)) == 2 for found in of_two)
    assert all(found == sorted(found) for found in of_two)
