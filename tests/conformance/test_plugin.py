"""The suite under pytest: items, messages, expectations; and no trace of it elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.conformance import pytest_suite
from harness.conformance.plugin import asks_for_suite

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FAULTY = "harness.conformance.planted_engines:n_for_n_minus_p"


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def suite(folder, *arguments):
    return run(
        folder,
        *("--pyargs", "harness.conformance", "--engine", FAULTY),
        *("--reference", "referee", "--no-cache", *arguments),
    )


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faulty")
    return folder, suite(
        folder,
        *("--max-examples", 6, "--property", "parity", "--property", "rows.used"),
        *("-k", "test_property"),  # the kept cases have their test
    )


def test_there_is_an_item_for_each_property(faulty):
    _, found = faulty
    assert found.returncode == 1, found.stdout
    assert re.search(r"FAILED .*test_property\[parity\]", found.stdout)
    assert not re.search(r"FAILED .*test_property\[rows.used\]", found.stdout)


def test_the_header_says_versions_profile_and_seed(faulty):
    _, found = faulty
    assert re.search(
        r"^lmm-parity: harness.conformance.planted_engines:n_for_n_minus_p with referee, "
        r"profile pr, 6 examples of each property, seed 4$",
        found.stdout,
        re.MULTILINE,
    )
    assert re.search(r"^lmm-parity: .*\breferee ", found.stdout, re.MULTILINE)


def test_the_falsifying_example_is_a_small_table_with_model_and_evidence(faulty):
    _, found = faulty
    told = found.stdout.partition("_ test_property[parity] _")[2]
    assert "wrong-divisor" in told
    model = re.search(r"^  y ~ .* REML   (\d+) rows, (\d+) g$", told, re.MULTILINE)
    assert model
    assert int(model[1]) <= 12
    table = told[model.end() :].strip().splitlines()
    assert table[0].split()[0] == "y"
    assert len(table[1].split()) == len(table[0].split())
    assert "Traceback" not in found.stdout
    assert "hypothesis.errors" not in found.stdout


def test_the_example_is_kept_and_checked_the_next_time(faulty):
    folder, _ = faulty
    (kept, *_) = sorted((folder / "regressions").iterdir())
    again = suite(folder, "--property", "parity", "-k", "kept", "-v")
    assert again.returncode == 1
    assert f"test_kept_case[{kept.name}]" in again.stdout


def test_expected_failures_are_listed_and_fail_nothing(tmp_path):
    (tmp_path / "expected.toml").write_text(
        '[[expected]]\nproperty = "parity"\nreason = "it is planted"\n'
        '[[expected]]\nproperty = "rows.used"\nreason = "it is not so"\n'
    )
    arguments = ("--max-examples", 1, "--property", "parity", "--property", "rows.used")
    arguments += ("-k", "test_property")
    found = suite(tmp_path, *arguments, "--expectations", "expected.toml")
    assert found.returncode == 0, found.stdout
    assert "it is planted" in found.stdout
    assert "entry 2 (property rows.used): unexpectedly passing" in found.stdout
    strict = suite(tmp_path, *arguments, "--expectations", "expected.toml", "--strict")
    assert strict.returncode == 1


def test_a_wrong_option_ends_the_run_in_one_line(tmp_path):
    found = run(tmp_path, "--pyargs", "harness.conformance", "--engine", "none")
    assert found.returncode == 4
    assert "ERROR: lmm-parity: no engine 'none'" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--property", ["none"], "no property matches 'none'"),
        ("--expectations", "no.toml", "no.toml: cannot be read"),
        ("--profile", "weekly", "no profile 'weekly'"),
    ],
)
def test_every_wrong_option_is_a_usage_error(option, value, message):
    defaults = {"--engine": "statsmodels", "--reference": "referee", "--profile": "pr"}
    given = defaults | {"--property": [], option: value}
    config = SimpleNamespace(getoption=given.get, stash=pytest.Stash())
    with pytest.raises(pytest.UsageError, match=f"^lmm-parity: {message}"):
        pytest_suite.pytest_configure(config)


def test_other_peoples_tests_see_nothing_of_it(tmp_path):
    (tmp_path / "conftest.py").write_text(
        "def pytest_addoption(parser):\n"
        "    parser.addoption('--engine')\n"
        "    parser.addoption('--profile')\n"
    )
    (tmp_path / "test_own.py").write_text(
        "import sys\n"
        "def test_own(request):\n"
        "    assert request.config.getoption('--engine') == 'steam'\n"
        "    assert 'harness.conformance.pytest_suite' not in sys.modules\n"
        "    assert 'numpy' not in sys.modules\n"
    )
    found = run(tmp_path, "-p", "no:hypothesispytest", "--engine", "steam")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "lmm-parity:" not in found.stdout


@pytest.mark.parametrize(
    ("argument", "asked"),
    [
        ("harness.conformance", True),
        ("harness.conformance.test_conformance", True),
        ("harness.conformance::test_property", True),
        (str(ROOT / "harness" / "conformance"), True),
        (str(ROOT / "harness" / "conformance" / "test_conformance.py"), True),
        ("harness", False),
        ("tests", False),
        ("--engine", False),
        (str(ROOT / "tests" / "conformance"), False),
        ("x" * 5000, False),
    ],
)
def test_the_suite_is_asked_for_by_its_name_or_its_path(argument, asked):
    assert asks_for_suite(argument) is asked
