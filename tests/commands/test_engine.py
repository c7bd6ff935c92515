"""lmm-parity engine: what is no engine is refused in a line, what is one is listed, checked."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

PLANTED = Path(__file__).parents[1] / "engines" / "planted_program.py"


def program(mode):
    return shlex.join([sys.executable, "-I", "-S", str(PLANTED), mode, "x"])


@pytest.mark.slow
def test_engines_are_listed_with_what_the_ready_ones_express(command, tmp_path):
    ran = command(tmp_path, "engine", "list", "--json", LMM_PARITY_ENGINES=str(tmp_path))
    found = {line["engine"]: line for line in map(json.loads, ran.stdout.splitlines())}
    assert not found["statsmodels"]["ready"]
    assert found["glmm"]["ready"]
    assert not found["glmm"]["installed"]
    assert found["glmm"]["packages"][0].count("==") == 1


# What is asked, the exit code, and words of the line.
REFUSED = {
    ("engine", "check", "nobody"): (2, "no engine 'nobody'"),
    ("engine", "check", "9=python x.py"): (2, "a letter first"),
    ("engine", "check", "lme4=python x.py"): (2, "name it otherwise"),
    ("engine", "check", "mine="): (2, "there is no command"),
    ("engine", "check", "mine='unclosed"): (2, "No closing quotation"),
    ("engine", "check", "mine=no-such-program"): (3, "no program that can be run here"),
    ("engine", "check", "glmm"): (3, "run lmm-parity engine install glmm"),
    ("engine", "install", "nobody"): (2, "no ready engine is called 'nobody'"),
    ("engine", "remove", "nobody"): (2, "no ready engine is called 'nobody'"),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_an_engine_is_refused_in_a_line(words, command, tmp_path):
    code, said = REFUSED[words]
    ran = command(tmp_path, *words, LMM_PARITY_ENGINES=str(tmp_path / "none"))
    assert (ran.returncode, said in ran.stderr) == (code, True), ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_program_that_does_not_start_ends_a_check(command, tmp_path):
    ran = command(tmp_path, "engine", "check", program("dies-at-start"))
    assert ran.returncode == 3
    assert "libfoo.so.3" in " ".join(ran.stdout.split())


def test_an_adapter_that_is_wrong_is_told_what_to_mend(command, tmp_path):
    ran = command(tmp_path, "engine", "check", program("unknown-column"))
    assert ran.returncode == 1
    assert "'(Intercept)' is no column" in " ".join(ran.stdout.split())


PAGE = (Path(__file__).parents[2] / "docs" / "engine-program.md").read_text(encoding="utf-8")
TINY = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]

# A mistake of an adapter: what is written instead of what, the check that fails, words of its line.
MISTAKES = {
    "numpy's numbers": (
        '"n_obs": n,',
        '"n_obs": __import__("numpy").int64(n),',
        "number types",
        "Object of type int64 is not JSON serializable",
    ),
    "numpy's numbers, printed": (
        "print(json.dumps(answer)",
        "print(json.dumps(answer).replace('\"n_obs\": 10,', '\"n_obs\": np.int64(10),')",
        "number types",
        "it wrote",
    ),
    "an unknown message ends it": (
        'answer = {"type": "failed", "id": message["id"], "reason": "unsupported",',
        'answer = {"type": "failed", "id": message["no"], "reason": "unsupported",',
        "unknown message",
        "KeyError: 'no'",
    ),
    "an unknown message is fitted": (
        'elif message["type"] == "fit":',
        "else:",
        "unknown message",
        "",
    ),
    "levels are sorted": (
        '"levels": term["levels"],',
        '"levels": sorted(term["levels"]),',
        "order of rows",
        "random effects of g are not those of the levels they are given to",
    ),
    "a refusal ends it": (
        "except ValueError as error:",
        "except KeyError as error:",
        "dependent columns",
        "the columns of X are dependent",
    ),
    "it does not end": ('"stop":\n        break', '"stop":\n        continue', "stops", "killed"),
    "it answers twice": (
        "print(json.dumps(answer), flush=True)",
        "print(json.dumps(answer), flush=True)\n"
        '    if message["type"] == "fit":\n        print(json.dumps(answer), flush=True)',
        "answers once",
        "it answered fit",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_of_an_adapter_has_a_line_of_its_own(mistake, command, tmp_path):
    right, wrong, name, words = MISTAKES[mistake]
    assert TINY.count(right) == 1
    text = TINY.replace(right, wrong)
    if mistake == "an unknown message is fitted":
        text = text[: text.rindex("    else:")] + text[text.index("    print(json") :]
    (tmp_path / "tiny.py").write_text(text)
    ran = command(tmp_path, "engine", "check", f"tiny={sys.executable} tiny.py", "--json")
    assert ran.returncode == 1
    wrong = {c["name"]: c["found"] for c in map(json.loads, ran.stdout.splitlines()) if not c["ok"]}
    assert name in wrong
    assert words in wrong[name]
    assert "\n" not in wrong[name]


def test_a_project_names_its_engines(command, tmp_path):
    words = json.dumps(shlex.split(program("right")))
    (tmp_path / "pyproject.toml").write_text(f"[tool.lmm-parity.engines]\nmine = {words}\n")
    ran = command(tmp_path, "engine", "check", "mine", "--json")
    checks = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(c["name"], c["ok"]) for c in checks[:3]] == [
        ("starts", True),
        ("unknown message", True),
        ("known answer", True),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.lmm-parity.engines]\nmine = 3", "write a command"),
        ("[tool.lmm-parity.engines]\nmine = []", "there is no command"),
        ("[tool.lmm-parity.engines]\nmine = { words = 'x' }", "write a command"),
        ("[tool.lmm-parity.engines", "pyproject.toml"),
    ],
)
def test_a_table_of_engines_that_cannot_be_read_is_refused(text, said, command, tmp_path):
    (tmp_path / "pyproject.toml").write_text(text)
    ran = command(tmp_path, "engine", "check", "mine")
    assert (ran.returncode, said in ran.stderr) == (2, True), ran.stderr
