"""Evidence is data: it survives a record, each cause has its words, and no code reads sentences."""

from __future__ import annotations

import ast
import math
import re
from pathlib import Path

import jinja2
import pytest

import harness
from harness.base.json import decode, encode
from harness.judge.causes import predicates
from harness.judge.causes.entries import load_known
from harness.judge.evidence import Evidence, found
from harness.judge.sentence import said, sentence

ROOT = Path(harness.__file__).parent

TABLES = [
    table
    for name, table in vars(predicates).items()
    if name.isupper() and isinstance(table, dict) and table
]


def test_evidence_survives_a_record_with_what_json_cannot_hold():
    whole = found(
        "stopped-short",
        "lme4",
        quantity="df",
        item="x",
        gap=math.inf,
        low=-math.inf,
        rows=12,
        probe="nan",
        ranks=("1", "inf"),
        converged=False,
    )
    assert decode(encode(whole), Evidence) == whole
    lost = decode(encode(found("stopped-short", gap=math.nan)), Evidence)
    assert math.isnan(lost.numbers["gap"])


def test_every_cause_that_is_tested_for_has_its_words():
    causes = {cause for table in TABLES for cause in table}
    assert len(causes) > 30
    known = load_known()
    assert [c for c in sorted(causes) if not known[c].says] == []
    assert known[predicates.LMERTEST_HYPOTHESIS].says


def test_a_sentence_begins_with_the_engine_and_has_the_digits():
    evidence = found("stopped-short", "lme4", gap=0.12345, gradient=1e-3, converged=True)
    assert sentence(evidence) == (
        "lme4: deviance 0.12 above the best point, largest scaled derivative 0.001, and says it "
        "converged"
    )
    assert said(evidence) == sentence(evidence).removeprefix("lme4: ")


def test_a_number_that_is_missing_is_no_silent_gap():
    with pytest.raises(jinja2.UndefinedError):
        sentence(found("stopped-short", "lme4", gap=1.0))


FOREIGN = {
    "engines/statsmodels.py": "a message of statsmodels",
}
"""Files with a text that is not ours, and why they read it."""

TEXTS = {"evidence", "sentence", "sentences", "said"}
READERS = {"startswith", "endswith", "partition", "rpartition", "split", "find", "index"}


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return _name(node.func)
    return node.id if isinstance(node, ast.Name) else ""


def readings(tree: ast.AST) -> list[int]:
    """Lines in which a sentence is searched, split or compared with its beginning."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            pairs = zip(node.ops, node.comparators, strict=True)
            if any(isinstance(o, ast.In | ast.NotIn) and _name(c) in TEXTS for o, c in pairs):
                lines.append(node.lineno)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in READERS
            and _name(node.func.value) in TEXTS
        ):
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize(
    "code",
    [
        "e in evidence",
        "v.evidence[0].startswith(e)",
        "o.sentence.partition(': ')",
        "sentence(e).split()",
    ],
)
def test_the_check_knows_what_reading_a_sentence_looks_like(code):
    assert readings(ast.parse(code)) == [1]


def test_no_code_reads_a_sentence():
    found_in = {
        str(path.relative_to(ROOT)): lines
        for path in ROOT.rglob("*.py")
        # Only a module that has one of the words can read them.
        if any(word in (text := path.read_text(encoding="utf-8")) for word in TEXTS)
        and (lines := readings(ast.parse(text)))
    }
    assert sorted(set(found_in) - set(FOREIGN)) == []


def test_causes_and_evidence_are_not_taken_for_rows_of_one_length():
    pattern = re.compile(r"zip\([^)]*causes[^)]*evidence")
    assert [p for p in ROOT.rglob("*.py") if pattern.search(p.read_text(encoding="utf-8"))] == []
