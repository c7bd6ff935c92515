"""What has no known cause in any setting is exit code 1, whatever command shows it."""

import pytest

from harness.base.resources import fixture

ENGINES = ("--engine", "tests.commands.strict_only:StrictOnly", "--reference", "referee")
ALONE = ("--jobs", "1", "--no-cache", "--quiet")
MODEL = (fixture("data", "Dyestuff.csv"), "Yield ~ 1 + (1 | Batch)")
TABLE = ("--data", "t.csv", "--outcome", "y", "--predictor", "x", "--group", "g")


@pytest.mark.parametrize(
    "arguments",
    [
        ("fit", *MODEL, *ENGINES),
        ("run", "--rung", "dyestuff/REML", *ENGINES, *ALONE, "--out", "run.jsonl"),
        ("report", "--rung", "dyestuff/REML", *ENGINES, *ALONE, "--out", "report"),
        ("ladder", *TABLE, *ENGINES, *ALONE, "--out", "ladder"),
        ("diagnose", *MODEL, *ENGINES[:2], "--engine", "referee", "--quick"),
    ],
    ids=lambda arguments: arguments[0],
)
@pytest.mark.slow
def test_unexplained_to_strict_tolerances_only_is_exit_code_1(
    lmm_parity, arguments, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    rows = [f"{i % 7 + i % 3}.5,{i % 4},{'abc'[i % 3]}" for i in range(24)]
    (tmp_path / "t.csv").write_text("\n".join(["y,x,g", *rows]))
    code, out, _ = lmm_parity(*arguments)
    assert code == 1
    if arguments[0] == "diagnose":
        assert "Yes: strict-only and referee agree" in out
        assert "To strict tolerances there is what has no known cause: Same optimum, yet" in out
