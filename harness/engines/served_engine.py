"""An engine of this process offered to another one: the other end of the messages."""

from __future__ import annotations

from typing import BinaryIO

import msgspec
import numpy as np

from harness.base.json import decode, encode
from harness.engines.engine import Engine, Fit
from harness.engines.guard import guarded
from harness.engines.protocol import (
    PROTOCOL,
    Failed,
    FitRequest,
    Fitted,
    FromEngine,
    Numbers,
    SentTable,
    Start,
    Started,
    ToEngine,
)
from harness.model.case import Case
from harness.model.model import parse_model
from harness.model.residual import STRUCTURES
from harness.model.table import FactorColumn, NumericColumn, Table


def serve(engine: Engine, source: BinaryIO, sink: BinaryIO) -> None:
    """FromEngine messages line by line, until ``stop`` or the end of the input."""
    for line in source:
        try:
            question: ToEngine = decode(line, ToEngine)
        except msgspec.DecodeError as error:
            answer: FromEngine = Failed(id=_number_of(line), reason="unsupported", text=str(error))
        else:
            if isinstance(question, Start):
                answer = Started(
                    protocol=PROTOCOL,
                    name=engine.name,
                    versions=engine.versions(),
                    rows="all",
                    settings=("default", "tight"),
                    takes=("weights",),
                    structures=tuple(getattr(engine, "structures", ())),
                    residuals=(*STRUCTURES, "het") if getattr(engine, "residuals", False) else (),
                )
            elif isinstance(question, FitRequest):
                answer = answer_of(engine, question)
            else:
                return
        sink.write(encode(answer) + b"\n")
        sink.flush()


def answer_of(engine: Engine, request: FitRequest) -> FromEngine:
    """Fit what is asked for and say what came of it."""
    case = case_of(request)
    found = guarded(engine, case, request.setting)()
    if not isinstance(found, Fit):
        reason = found.reason if found.reason in ("unsupported", "refused") else "error"
        return Failed(id=request.id, reason=reason, text=found.text, messages=found.messages)
    shared = set(Fitted.__struct_fields__) & set(Fit.__struct_fields__)
    stated = {name: getattr(found, name) for name in shared}
    # A fit of this house has nothing where the engine states none.
    stated["fitted"] = found.fitted or None
    stated["residual"] = tuple(value for _, value in found.residual)
    stated["residuals"] = found.residuals or None
    return Fitted(id=request.id, **stated)


def case_of(request: FitRequest) -> Case:
    """Return the case that a message describes."""
    residual = request.model.residual
    weights = "" if request.weights is None else f" + weights({request.weights})"
    model = parse_model(
        request.formula + weights, request.criterion, "" if residual is None else residual.text
    )
    return Case(f"fit {request.id}", model, table_of(request.table))


def table_of(sent: SentTable) -> Table:
    """Return the table of a message."""
    columns: list[NumericColumn | FactorColumn] = []
    for column in sent.columns:
        if isinstance(column, Numbers):
            values = [np.nan if value is None else value for value in column.values]
            columns.append(NumericColumn(column.name, np.array(values, dtype=np.float64)))
        else:
            codes = np.array(column.codes, dtype=np.int32)
            columns.append(FactorColumn(column.name, codes, column.levels))
    return Table(tuple(columns))


def _number_of(line: bytes) -> int:
    """Return the number of a message of no known kind, 0 where it has none."""
    try:
        return msgspec.json.decode(line, type=_Numbered).id
    except msgspec.DecodeError:
        return 0


class _Numbered(msgspec.Struct):
    id: int = 0
