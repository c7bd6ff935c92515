"""An engine asked through messages gives what it gives in this process, under the same names."""

import io
import json
import math
import re

import msgspec
import numpy as np
import pandas as pd
import pytest

from harness.base.json import decode, encode
from harness.data.recipes.recipe_draw import collect
from harness.data.recipes.shapes import build
from harness.engines.engine import Failure, Fit
from harness.engines.fit_request import fit_request, sent_case
from harness.engines.program_answer import read_failed, read_fitted
from harness.engines.protocol import (
    PROTOCOL,
    Failed,
    FitRequest,
    FromEngine,
    Started,
    json_schema,
)
from harness.engines.referee_engine import RefereeEngine
from harness.engines.served_engine import answer_of, serve
from harness.engines.statsmodels import StatsmodelsEngine
from harness.model.case import Case
from harness.model.model import bind, parse_model


def started(rows="all", **more):
    return Started(
        protocol=PROTOCOL,
        name="served",
        versions={},
        rows=rows,
        settings=("default", "tight"),
        **more,
    )


def through_messages(engine, case, setting="default", rows="all"):
    """Return what an engine gives, all of it written as JSON and read back."""
    program = started(rows)
    sent = sent_case(case, rows)
    request = decode(encode(fit_request(sent, setting, 1, program)), FitRequest)
    answer = decode(encode(answer_of(engine, request)), FromEngine)
    if isinstance(answer, Failed):
        return read_failed(answer, case, sent, setting, engine.name)
    return read_fitted(answer, case, sent, program, setting, engine.name)


def without(outcome, *names):
    """Return an outcome without what may differ: times, and what an engine calls a column."""
    found = msgspec.structs.asdict(outcome)
    for name in ("seconds", "native_names", "probes", "variance_se", "variance_params", *names):
        found.pop(name, None)
    return json.loads(encode(found))


@pytest.mark.slow
@pytest.mark.parametrize("rows", ["complete", "all"])
def test_every_number_comes_through_under_the_users_names(rows):
    for recipe in collect(12, 20261129):
        case = build(recipe).case
        direct = RefereeEngine().fit(case, "default")
        found = through_messages(RefereeEngine(), case, rows=rows)
        assert without(found, "messages") == without(direct, "messages"), recipe.id


@pytest.mark.slow
def test_an_engine_with_columns_of_its_own_coding_keeps_them():
    for recipe in collect(3, 7):
        case = build(recipe).case
        direct = StatsmodelsEngine().fit(case, "default")
        found = through_messages(StatsmodelsEngine(), case)
        assert type(found) is type(direct)
        if isinstance(direct, Fit):
            assert found.coefficients == direct.coefficients
            assert found.random == direct.random
        else:
            assert (found.reason, found.text) == (direct.reason, direct.text)


ODD = {
    "x y": np.tile([0.0, 1.0, 3.0], 6),
    "I": np.repeat([1.0, 2.0], 9),
    "C": np.repeat(["b:c", "a", "ä|b"], 6),
    "v2": np.tile(["10", "9"], 9),
}


def odd_case():
    draw = np.random.default_rng(4)
    frame = pd.DataFrame({"log(y)": draw.normal(size=18), **ODD})
    model = parse_model("`log(y)` ~ `x y` * v2 + I + (1 | C:v2)", "REML")
    return Case("odd", model, bind(model, frame, levels={"v2": ("9", "10")}))


def test_names_of_the_users_do_not_meet_those_of_the_messages():
    case = odd_case()
    found = through_messages(RefereeEngine(), case)
    assert [row.name for row in found.coefficients] == list(case.design.x_names)
    assert "v2[T.10]" in case.design.x_names
    assert found.random[0].group == "C:v2"
    assert found.random[0].levels == case.design.random[0].levels


def test_a_message_holds_the_model_as_parts_and_as_a_formula():
    case = odd_case()
    request = fit_request(sent_case(case, "complete"), "tight", 3, started("complete"))
    assert request.formula == "v1 ~ v2 * v3 + v4 + (1 | v5:v3)"
    assert request.model.random[0].factors == ("v5", "v3")
    assert request.model.fixed == ("Intercept", "v2", "v3[T.10]", "v4", "v2:v3[T.10]")
    assert request.design is None


def test_the_design_is_sent_where_it_is_wanted():
    case = odd_case()
    request = fit_request(sent_case(case, "complete"), "default", 3, started(wants=("design",)))
    assert np.array_equal(np.array(request.design.x).T, case.design.x)
    term = request.design.random[0]
    assert np.array_equal(term.codes, case.design.random[0].codes)
    assert term.levels == case.design.random[0].levels


def holes():
    frame = pd.DataFrame(
        {
            "y": [1.0, 2.0, None, 4.0, 5.5, 6.0, 7.5, 8.0],
            "f": ["a", "b", "a", None, "b", "a", "b", "a"],
            "g": list("uuvvwwxx"),
        }
    )
    model = parse_model("y ~ f + (1 | g)", "ML")
    return Case("holes", model, bind(model, frame, levels={"f": ("none", "b", "a")}))


def test_missing_values_are_sent_to_a_program_that_wants_all_rows():
    table = fit_request(sent_case(holes(), "all"), "default", 1, started()).table
    y, f, _ = table.columns
    assert (table.rows, y.values[2], f.codes[3]) == (8, None, -1)
    assert f.levels == ("none", "b", "a")


def test_complete_rows_have_the_levels_that_occur():
    table = fit_request(sent_case(holes(), "complete"), "default", 1, started("complete")).table
    y, f, g = table.columns
    assert (table.rows, f.levels, g.levels) == (6, ("b", "a"), ("u", "w", "x"))
    assert not any(value is None or math.isnan(value) for value in y.values)


def lines(*messages):
    """Return what an engine answers to messages."""
    sink = io.BytesIO()
    serve(RefereeEngine(), io.BytesIO(b"".join(m + b"\n" for m in messages)), sink)
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def test_what_is_no_message_is_answered_by_failed():
    unknown = b'{"type": "dance", "id": 7}'
    answers = lines(unknown, b"rubbish", b'{"type": "start", "protocol": 1, "harness": ""}')
    assert [(a["type"], a.get("id")) for a in answers[:2]] == [("failed", 7), ("failed", 0)]
    assert answers[2]["name"] == "referee"


def test_a_failure_has_one_of_three_reasons():
    case = holes()
    found = through_messages(_Crashing(), case)
    assert isinstance(found, Failure)
    assert (found.reason, found.text) == ("error", "Panic: out of luck")


class Panic(BaseException):
    """What compiled code raises."""


class _Crashing(RefereeEngine):
    def begin(self, case, setting):
        raise Panic("out of luck")


def test_the_schema_has_every_message_and_all_that_it_refers_to():
    schema = json_schema()
    text = json.dumps(schema)
    referred = set(re.findall(r'"#/\$defs/(\w+)"', text))
    assert referred == set(schema["$defs"])
    tags = {
        found["properties"]["type"]["enum"][0]
        for found in schema["$defs"].values()
        if "type" in found.get("properties", {})
    }
    assert tags == {"start", "fit", "stop", "started", "fitted", "failed"}
    assert set(schema["$defs"]["Fitted"]["required"]) >= {"id", "coefficients", "n_obs"}
