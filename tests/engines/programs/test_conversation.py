"""The loop of the ready programs: one answer to each message, whatever the fit function does."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from harness.base.json import encode
from harness.engines import environments
from harness.engines.fit_request import fit_request, sent_case
from harness.engines.protocol import Fitted, Started
from harness.model.case import Case
from harness.model.model import bind, parse_model

pytestmark = pytest.mark.slow

PROGRAMS = Path(environments.__file__).parent / "programs"
FAKE = Path(__file__).with_name("fake_engine.py")


def asked(*messages):
    """Return the answers of the fake program to messages, or lines, and what it wrote to stderr."""
    lines = [m if isinstance(m, str) else json.dumps(m) for m in messages]
    done = subprocess.run(
        [sys.executable, "-I", "-c", environments._START, str(PROGRAMS), str(FAKE)],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.fixture(scope="module")
def case():
    """A case with a missing number, a negative zero, a missing level and labels with colons."""
    frame = pd.DataFrame(
        {
            "y": [1.5, -0.0, 2.25, 4.0, 7.0, 0.1],
            "x": [0.0, 1.0, np.nan, 3.0, 4.0, 5.5],
            "f": pd.Categorical(["b:c", "a", "a", None, "b:c", "é"], ["é", "b:c", "a"]),
            "g": list("uuvvww"),
        }
    )
    model = parse_model("y ~ x * f + (x | g)")
    return Case("fake", model, bind(model, frame))


def fit_message(case, formula="known", rows="all"):
    program = Started(protocol=1, name="fake", versions={}, rows=rows, wants=("design",))
    message = fit_request(sent_case(case, rows), "default", 3, program)
    return json.loads(encode(message)) | {"formula": formula}


def test_it_says_what_it_is_and_answers_each_fit_with_its_number(case):
    answers, _ = asked({"type": "start", "protocol": 1, "harness": "1"}, fit_message(case))
    started = msgspec.convert(answers[0], Started)
    assert (started.name, started.rows, started.wants) == ("fake", "all", ("design",))
    assert started.definitions == {"loglik": "full"}
    assert started.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert isinstance(msgspec.convert(answers[1] | {"coefficients": []}, Fitted), Fitted)
    assert fitted_is(answers[1], id=3, n_obs=6, loglik=pytest.approx(14.85 / 6))


def fitted_is(answer, **fields):
    return answer["type"] == "fitted" and {k: answer[k] for k in fields} == fields


@pytest.mark.parametrize("rows", ["all", "complete"])
def test_the_checksum_is_that_of_the_table_that_was_sent(case, rows):
    (answer,), _ = asked(fit_message(case, rows=rows))
    assert answer["data_checksum"] == sent_case(case, rows).table.checksum()


def test_what_is_no_message_is_answered_and_the_next_fit_too(case):
    answers, _ = asked(
        '{"type": "fit", "id"', "[1, 2]", {"type": "dance", "id": 7}, "", fit_message(case)
    )
    assert [answer["type"] for answer in answers] == ["failed", "failed", "failed", "fitted"]
    assert answers[2]["id"] == 7
    assert answers[2]["text"] == "no message of the type 'dance' is known here"


def test_another_version_of_the_protocol_is_refused():
    (answer,), _ = asked({"type": "start", "protocol": 99, "harness": "1"})
    assert answer["text"] == "protocol 1 is spoken here, not 99"


def test_it_ends_when_it_is_told_to(case):
    assert asked({"type": "stop"}, fit_message(case))[0] == []


def test_what_is_printed_while_fitting_is_no_answer(case):
    (answer,), said = asked(fit_message(case, "print"))
    assert answer["type"] == "fitted"
    for line in ("of Python", "of the descriptor", "of a child", "of C"):
        assert f"a line {line}\n" in said


def test_a_library_that_reads_takes_no_message(case):
    answers, _ = asked(fit_message(case, "read"), fit_message(case))
    assert [answer["type"] for answer in answers] == ["fitted", "fitted"]
    assert answers[0]["fitter"] == ""


@pytest.mark.parametrize(
    ("what", "reason", "text"),
    [
        ("unsupported", "unsupported", "one random term only"),
        ("not implemented", "unsupported", "no slopes yet"),
        ("refused", "refused", "two rows are too few"),
        ("panic", "error", "Panic: attempt to subtract with overflow"),
        ("exit", "error", "SystemExit: 3"),
        ("error", "error", "KeyError: 'estimate'"),
        ("complex", "error", "TypeError: complex is nothing that a message can hold"),
    ],
)
def test_whatever_is_raised_costs_one_fit(case, what, reason, text):
    answers, _ = asked(fit_message(case, what), fit_message(case))
    assert (answers[0]["type"], answers[0]["reason"]) == ("failed", reason)
    assert answers[0]["text"] == text
    assert answers[0]["id"] == 3
    assert answers[1]["type"] == "fitted"


def test_a_fit_function_that_returns_no_dictionary_is_an_error(case):
    (answer,), _ = asked(fit_message(case, "no dictionary"))
    assert (answer["type"], answer["reason"]) == ("failed", "error")


def test_warnings_are_messages_once_each_of_failures_too(case):
    (answer,), _ = asked(fit_message(case, "warn"))
    assert answer["text"] == "ArithmeticError: and then it broke"
    assert answer["messages"] == [
        {"kind": "warning", "text": "singular fit", "category": "RuntimeWarning"}
    ]


def test_numbers_of_numpy_become_plain(case):
    (answer,), _ = asked(fit_message(case, "numpy"))
    assert fitted_is(answer, n_obs=3, loglik=0.5, aic="nan", bic="-inf", df_residual=2.0)
    assert answer["converged"] is True
    assert answer["fitted"] == [1, 2]
    assert answer["random"] == [{"covariance": [[1.0, "inf"], [0.0, 1.0]]}]
    assert answer["fitter"] == "f"
