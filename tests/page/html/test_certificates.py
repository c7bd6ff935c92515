"""What the referee finds, and digits against certified values, as the page shows them."""

import html
import math
import re

import msgspec
import pytest

from harness.judge.audit import Certificate
from harness.judge.causes.entries import load_known
from harness.judge.certified_score import CertifiedScore
from harness.page import appearance
from harness.page.html.parity_report import render
from harness.page.page_line import pieces
from harness.page.report.certificate_layout import certificate, finding
from harness.page.report.certified_layout import (
    certified_map,
    scored,
    value_against,
    who_is_closer,
)
from harness.page.report.report_context import context
from tests.page.html import sample, sample_runs

pytestmark = pytest.mark.slow

LEFT, RIGHT = sample.ENGINE, sample.REFERENCE


def page(run, **options):
    return render(run, **{"known": sample.KNOWN, **options})


def text_of(source):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", source)).split())


def ladder_row(source, anchor):
    after = source.split(f'<tbody class="case" data-case="{anchor}"')[1]
    return text_of(after.split("</tbody>")[0])


def card_of(source, anchor):
    cards = re.split(r'(?=<details class="card )', source)
    return next(c for c in cards if f'data-case="{anchor}"' in c[:120])


def audited(case, engine, *, converged=None, singular=None, **changes):
    """Replace an engine's default audit, and what the fit states, in a case."""
    return msgspec.structs.replace(
        case,
        fits=tuple(
            msgspec.structs.replace(f, converged=converged, singular=singular)
            if (f.engine, f.setting) == (engine, "default")
            else f
            for f in case.fits
        ),
        judgements=tuple(
            msgspec.structs.replace(j, audit=msgspec.structs.replace(j.audit, **changes))
            if (j.engine, j.setting) == (engine, "default")
            else j
            for j in case.judgements
        ),
    )


def with_digits(case, left, right):
    """Replace the default setting's digits of both engines in a case."""
    digits = {LEFT: left, RIGHT: right}
    return msgspec.structs.replace(
        case,
        certified=tuple(
            msgspec.structs.replace(s, digits=digits[s.engine])
            for s in case.certified
            if s.setting == "default"
        ),
    )


@pytest.fixture(scope="module")
def whole():
    return page(sample.run(sample_runs.everything()))


def test_every_certificate_has_words_and_an_icon_of_its_own():
    kinds = Certificate.__args__
    assert set(appearance.CERTIFICATES) == set(kinds)
    assert len({appearance.CERTIFICATES[k].icon for k in kinds}) == len(kinds)
    symbols = set(re.findall(r'<symbol id="i-(\w+)"', page(sample.run([sample.case("a")]))))
    assert {appearance.CERTIFICATES[k].icon for k in kinds} <= symbols


@pytest.mark.parametrize(
    ("kind", "gap", "shown"),
    [
        ("interior optimum", 1e-9, "interior optimum"),
        ("boundary optimum", 0.0, "boundary optimum (singular)"),
        ("stopped short", 28.4, "stopped short, +28 deviance"),
        ("false boundary", 0.42, "false boundary, +0.42 deviance"),
        ("closed form", 0.0, "closed form"),
        ("outside the parameter space", math.inf, "outside the model"),
    ],
)
def test_the_ladder_says_what_the_referee_finds(kind, gap, shown):
    case = audited(sample.case("a"), LEFT, certificate=kind, gap=gap)
    row = ladder_row(page(sample.run([case])), "case-a")
    assert shown in row
    assert ("deviance" in row) == ("deviance" in shown)


@pytest.mark.parametrize(
    ("stated", "true", "claims"),
    [
        ((True, False), (False, None), ("says converged",)),
        ((False, True), (False, False), ("says not converged", "says singular")),
        ((True, False), (True, False), ("says not singular",)),
        ((True, False), (True, True), ()),
        ((None, None), (None, None), ()),
    ],
)
def test_an_untrue_statement_is_marked(stated, true, claims):
    case = audited(
        sample.case("a"),
        LEFT,
        converged=stated[0],
        singular=stated[1],
        converged_true=true[0],
        singular_true=true[1],
    )
    row = ladder_row(page(sample.run([case])), "case-a")
    assert row.count("untrue:") == len(claims)
    assert all(f"untrue: {claim}" in row for claim in claims)


def test_a_fit_that_was_not_audited_says_so_and_a_failure_says_nothing():
    audited = sample.case("a")
    case = msgspec.structs.replace(
        audited,
        judgements=tuple(msgspec.structs.replace(j, audit=None) for j in audited.judgements),
    )
    assert ladder_row(page(sample.run([case])), "case-a").count("not audited") == 2
    failed = sample_runs.failing("b", "FAILED", "crash", "signal 11")
    run = sample.run([failed])
    assert finding(failed, LEFT, "default") is None
    assert ladder_row(page(run), "case-b").count("optimum") == 1


def test_every_row_of_the_ladder_fills_all_columns(whole):
    table = whole.split('class="ladder"')[1].split("</table>")[0]
    columns = len(re.findall(r'<th scope="col"', table))
    for body in re.findall(r'<tbody class="case".*?</tbody>', table, re.S):
        cells = re.findall(r"<t[hd]([^>]*)>", body)
        area = sum(
            int((re.search(r'colspan="(\d+)"', c) or [0, 1])[1])
            * int((re.search(r'rowspan="(\d+)"', c) or [0, 1])[1])
            for c in cells
        )
        assert area == columns * body.count("<tr>")


def test_linear_models_name_their_fitter_and_mixed_models_do_not(whole):
    assert "lme4 (R lm)" in ladder_row(whole, "case-tutorial-lm-global")
    assert "(R lm)" not in ladder_row(whole, "case-tutorial-lmm-inter")
    assert "(OLS)" not in whole


def test_the_sentence_is_first_in_each_card_and_the_certificate_on_demand(whole):
    card = card_of(whole, "case-trap-reml")
    shown = text_of(card)
    assert shown.index("statsmodels stopped short: lme4") < shown.index("Who is right")
    details = card.split('class="numbers certificate"')[1].split("</details>")[0]
    for number in ("gap in deviance", "gradient", "dual eigenvalue", "rank", "theta"):
        assert number in details
    assert "0 at the optimum" in details
    assert "yes, untrue" in text_of(details)
    assert "1 of 1" in details


def test_a_closed_form_has_no_rows_on_optima():
    case = sample_runs.tutorial_case(sample_runs.TABLE[0], 0)
    run = sample.run([case])
    labels = [pieces(r.head)[0] for r in certificate(case, context(run)).groups[0].rows]
    assert "gap in deviance" not in labels
    assert {"the point is", "log-likelihood", "distance from GLS"} <= set(labels)


def test_every_number_of_a_certificate_is_explained_in_a_sentence():
    case = sample.case("a")
    found = certificate(case, context(sample.run([case])))
    assert len(found.columns) == 1 + 4
    assert tuple(found.over) == (("default setting", 2), ("tight setting", 2))
    for row in found.groups[0].rows:
        assert len(row.cells) == 4
        _, meaning = row.head
        assert meaning.line.endswith(".")
        assert len(meaning.line) < 140


def score(certified, value, digits=1.0):
    return CertifiedScore(
        engine=LEFT,
        setting="default",
        quantity="estimate",
        item="x",
        certified=certified,
        value=value,
        digits=digits,
    )


@pytest.mark.parametrize(
    ("certified", "value", "shown"),
    [
        ("-62.483444561962000124", -76.68266111165437, "-<u>76.68266111165437</u>"),
        ("2.2732442952450972850", 2.273244295245159, "2.273244295245<u>159</u>"),
        ("0.0000073166667587663812903", 7.5e-06, "0.000007<u>500000000000000</u>"),
        ("78.000000000000000000", 78.0, "78.00000000000000"),
        ("1.5E-40", 1.4e-40, "1.400000000000000e-40"),
        ("2.5", math.nan, "NaN"),
        ("2.5", math.inf, "∞"),
    ],
)
def test_a_value_is_marked_where_it_leaves_the_certified_one(certified, value, shown):
    assert str(value_against(score(certified, value)).html()) == shown


@pytest.mark.parametrize(
    ("left", "right", "closer"),
    [
        (3.0, 8.0, "lme4 is closer in 1"),
        (8.0, 3.0, "statsmodels is closer in 1"),
        (7.4, 8.0, "1 is level"),
        (12.5, 15.9, "1 is level"),
        (math.inf, math.inf, "1 is level"),
        (math.nan, 5.0, "lme4 is closer in 1"),
        (math.inf, 4.0, "statsmodels is closer in 1"),
    ],
)
def test_the_closer_engine_leads_by_a_digit_that_means_something(left, right, closer):
    run = sample.run([with_digits(sample.case("a"), left, right)])
    assert who_is_closer(run, context(run)) == (f"Default setting, 1 model: {closer}.",)
    cells = certified_map(run, context(run)).groups[0].rows[0].cells
    assert [appearance.CLOSER in c.looks for c in cells] == [
        f"{e} is" in closer for e in (LEFT, RIGHT)
    ]


def test_the_map_of_certified_digits_marks_fits_that_are_no_optimum(whole):
    heat = whole.split('class="heat certified"')[1].split("</table>")[0]
    rows = {m[0]: m[1] for m in re.findall(r'data-case="([^"]+)">(.*?)</tr>', heat, re.S)}
    assert "not at the optimum" in rows["case-trap-reml"]
    assert "closer:" in rows["case-trap-reml"]
    assert "not at the optimum" not in rows["case-sleepstudy-reml"]
    assert re.search(r'title="[^"]+: certified [\d.]+, lme4 [\d.]+"', rows["case-sleepstudy-reml"])


def test_certified_values_are_explained_where_they_are_shown(whole):
    section = text_of(whole.split('id="digits"')[1].split("</section>")[0])
    assert "20 digits" in section
    assert "two independent routes" in section
    assert "fixtures/certified/README.md" in section


def test_a_card_has_digits_values_and_the_certified_value_once(whole):
    shown = card_of(whole, "case-sleepstudy-reml")
    assert "Digits against certified values" in shown
    values = shown.split('class="numbers values"')[1].split("</table>")[0]
    assert values.count("-871.81410000000000014") == 1
    assert values.count("statsmodels, default") == 6
    assert values.count("lme4, tight") == 6


def test_no_certified_values_no_table_and_no_map():
    case = msgspec.structs.replace(sample.case("a"), certified=())
    run = sample.run([case])
    assert list(scored(case, context(run))) == []
    assert "certified" not in text_of(page(run).split("<main")[1].split("</main>")[0])


def test_what_an_engine_does_not_print_is_none_in_the_card_and_on_the_page():
    shown = page(sample.run([sample.case("a")]))
    pattern = r"g: \(Intercept\)</td>.*?<td class=\"n\">0.30000\W*</td><td class=\"n\">none</td>"
    assert len(re.findall(pattern, shown)) == 2


def test_causes_stand_under_their_kind_with_the_upstream_issue(whole):
    section = text_of(whole.split('id="causes"')[1].split("</section>")[0])
    places = [
        section.index(part)
        for part in (
            "Differences by definition",
            "A z test printed where lmerTest prints a t test definition",
            "Upstream: statsmodels#2620",
            "Causes of disagreement",
            "Defects:",
            "A gradient with the wrong sign defect",
            "Upstream: statsmodels#10239",
            "Others:",
            "no-such-cause",
        )
    ]
    assert places == sorted(places)


def test_the_projects_own_causes_all_have_a_place_by_kind():
    known = load_known()
    case = sample.case("a", "WRONG_OPTIMUM", causes=tuple(known))
    section = text_of(page(sample.run([case]), known=known).split('id="causes"')[1])
    for heading in ("Defects:", "Data and model:", "Tolerances:"):
        assert heading in section
    assert "Others:" not in section
    for explained in known.values():
        assert f"{' '.join(explained.title.split())} {explained.kind}" in section
