"""The page says what the records say, whatever they hold."""

import html
import math
import re

import msgspec
import pytest

from harness.base.json import decode, encode
from harness.campaign.record_file import RecordWriter
from harness.engines.engine import Failure, Fit
from harness.judge.judgement import Judgement
from harness.judge.records import Run
from harness.page import words
from harness.page.excerpt import whole as excerpt_of
from harness.page.html.parity_report import render, report_file
from tests.page.html import sample, sample_fits, sample_runs


def headline(cases):
    return words.headline_of(excerpt_of(sample.run(cases)).summary.blamed)


def page(run):
    return render(run, known=sample.KNOWN)


def text_of(source):
    return html.unescape(re.sub(r"<[^>]+>", " ", source))


@pytest.fixture(scope="module")
def whole():
    return page(sample.run(sample_runs.everything()))


def test_every_case_is_in_the_ladder_the_heat_map_and_a_card(whole):
    cases = sample_runs.everything()
    ladder = whole.split('class="ladder"')[1].split("</table>")[0]
    anchors = re.findall(r'<tbody class="case" data-case="([^"]+)"', ladder)
    assert len(set(anchors)) == len(anchors) == len(cases)
    for table in ('class="heat"', 'class="heat certified"'):
        heat = whole.split(table)[1].split("</table>")[0]
        assert re.findall(r'<tr class="case" data-case="([^"]+)"', heat) == anchors
    assert re.findall(r'<details class="card \w+" data-case="([^"]+)"', whole) == anchors
    shown = text_of(whole)
    for case in cases:
        assert case.id in shown


def test_links_lead_somewhere_and_ids_are_unique(whole):
    ids = re.findall(r'\sid="([^"]+)"', whole)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', whole)) <= set(ids)


def test_cases_whose_ids_differ_only_in_signs_get_their_own_anchors():
    cases = [sample.case("a+b"), sample.case("a*b"), sample.case("a-b")]
    bodies = re.findall(r'<div class="body" id="([^"]+)"', page(sample.run(cases)))
    assert bodies == ["case-a-b", "case-a-b-2", "case-a-b-3"]


def test_the_headline_counts_right(whole):
    assert headline(sample_runs.everything()) == words.Headline(
        "31 models, 26 agree; 3 differ, 2 explained (statsmodels stopped short once, lme4 once) "
        "and 1 unexplained.",
        "2 could not be compared: statsmodels is not judged for 1; "
        "statsmodels gave no answer for 1.",
    )
    assert text_of(whole).count("2 explained (statsmodels stopped short once, lme4 once)") >= 2


@pytest.mark.parametrize(
    ("verdicts", "lead"),
    [
        ([], "No model was compared."),
        ([("AGREE", ())], "1 model: the engines agree."),
        ([("AGREE", ()), ("TOLERANCE", ())], "2 models, all agree."),
        (
            [("AGREE", ())] * 37
            + [("WRONG_OPTIMUM", ("statsmodels",))] * 2
            + [("WRONG_OPTIMUM", ("lme4",))],
            "40 models, 37 agree; 3 differ, all explained: statsmodels stopped short twice, "
            "lme4 once.",
        ),
        (
            [("AGREE", ()), ("WRONG_OPTIMUM", ("statsmodels", "lme4"))],
            "2 models, 1 agrees; 1 differs, explained: statsmodels and lme4 stopped short once.",
        ),
        (
            [("AGREE", ()), ("DATA_MISMATCH", ("lme4",)), ("DIFFERENT_MODEL", ("lme4",))],
            "3 models, 1 agrees; 2 differ, all explained: the models were not the same once, the "
            "data were not the same once.",
        ),
        ([("UNEXPLAINED", ()), ("AGREE", ())], "2 models, 1 agrees; 1 differs, unexplained."),
        ([("UNSUPPORTED", ("lme4",))] * 2, "2 models, none could be compared."),
        ([("AGREE", ()), ("FAILED", ("lme4",))], "2 models, 1 agrees."),
    ],
)
def test_headlines(verdicts, lead):
    cases = [
        sample.case(f"c{k}", verdict, blamed=blamed) for k, (verdict, blamed) in enumerate(verdicts)
    ]
    assert headline(cases).lead == lead


def test_names_cannot_break_out_of_the_page(whole):
    assert whole.count("<script") == 1
    assert "alert('x')" in html.unescape(whole)
    assert sample.NASTY in text_of(whole)


def test_nothing_is_loaded_from_anywhere(whole):
    assert not re.search(r"""(?:src|href|action|data)\s*=\s*["']?(?!#)[^"'\s>]*:""", whole)
    assert not re.search(r"@import|url\(|https?://|//cdn", whole)
    assert "default-src 'none'" in html.unescape(whole)
    assert not re.search(r"\son\w+=|\sstyle=", whole), "the policy forbids inline handlers, styles"


@pytest.mark.slow
def test_equal_records_give_equal_pages(whole):
    again = sample.run(sample_runs.everything())
    read = Run(
        header=decode(encode(again.header), type(again.header)),
        cases=tuple(decode(encode(c), type(c)) for c in again.cases),
        properties=(),
        footer=again.footer,
    )
    assert page(read) == whole


def test_only_cards_with_something_to_say_are_open(whole):
    opened = dict(re.findall(r'<details class="card \w+" data-case="([^"]+)"( open)?>', whole))
    expected = {
        "case-sleepstudy-reml": "",
        "case-dietox-slope-ml": "",
        "case-crossed-reml": "",
        "case-trap-reml": " open",
        "case-crash-reml": " open",
    }
    assert {key: opened[key] for key in expected} == expected


def test_a_failure_shows_its_reason_in_the_row(whole):
    row = whole.split('data-case="case-crash-reml"')[1].split("</tbody>")[0]
    assert "crashed: worker ended by signal 11" in row
    assert "lme4" in row


def test_causes_are_explained_once_and_linked_from_the_verdicts(whole):
    assert whole.count("score_sqrt packs through") == 1
    assert whole.count('id="cause-sm-score-sign"') == 1
    assert whole.count('href="#cause-sm-score-sign"') >= 2
    assert 'id="cause-no-such-cause"' in whole, "a cause without an explanation is still shown"


def test_the_printed_table_has_the_publications_numbers_and_says_what_holds(whole):
    table = whole.split('id="printed"')[1].split("</section>")[0]
    for row in sample_runs.TABLE:
        for item in row:
            assert item in table
    assert "52 of 56 numbers round to the printed digits; 4 differ by definition" in text_of(table)


def test_a_definition_is_not_blamed_for_what_it_does_not_explain():
    case = sample_runs.tutorial_case(sample_runs.TABLE[4], 4)
    case = sample.with_audits(
        case,
        lambda a: msgspec.structs.replace(
            a, coefficients=tuple(msgspec.structs.replace(c, p=0.3) for c in a.coefficients)
        ),
    )
    shown = text_of(page(sample.run([case])))
    assert "6 of 8 numbers round to the printed digits; 1 differ by definition; 1 differ" in shown


def test_a_printed_number_that_no_longer_holds_is_marked():
    case = sample_runs.tutorial_case(sample_runs.TABLE[0], 0)
    wrong = tuple(
        msgspec.structs.replace(p, value=p.value + 1, matches=False) for p in case.printed
    )
    shown = page(sample.run([msgspec.structs.replace(case, printed=wrong)]))
    assert shown.count("differs from print") >= 8
    assert "0 of 8 numbers round to the printed digits; 8 differ" in text_of(shown)


def test_an_unfinished_run_says_so_first():
    shown = text_of(
        page(sample.run([sample.case("a")], finished=False, planned=40)).split("<main")[1]
    )
    assert shown.index("This run did not finish") < shown.index("1 model: the engines agree")
    assert "1 of 40 planned cases" in shown


def test_heat_map_tells_tolerated_from_outside_and_absent(whole):
    heat = whole.split('class="heat"')[1].split("</table>")[0]
    rows = {m[0]: m[1] for m in re.findall(r'data-case="([^"]+)">(.*?)</tr>', heat, re.S)}
    assert 'class="out' in rows["case-trap-reml"]
    assert "outside tolerance" in rows["case-trap-reml"]
    assert 'class="out' not in rows["case-sleepstudy-reml"]
    assert rows["case-crossed-reml"].count('class="none') == 14
    assert "NaN" in next(row for key, row in rows.items() if key.startswith("case-odd"))


def only(case, engine):
    return msgspec.structs.replace(
        case,
        fits=tuple(f for f in case.fits if f.engine == engine),
        judgements=tuple(j for j in case.judgements if j.engine == engine),
        comparisons=(),
    )


def test_cases_that_share_a_title_are_told_apart():
    cases = [sample.case(f"level/{k}", title="level 1") for k in "ab"]
    shown = text_of(page(sample.run(cases)))
    assert shown.count("level 1, a") >= 3
    assert shown.count("level 1, b") >= 3


def test_a_tight_setting_that_fails_opens_the_card_and_shows_in_the_row():
    case = sample.case("a")
    late = msgspec.structs.replace(
        case.comparisons[1],
        verdict="WRONG_OPTIMUM",
        blamed=("lme4",),
        evidence=sample_fits.evidence_of(("sm-score-sign",)),
    )
    shown = page(
        sample.run([msgspec.structs.replace(case, comparisons=(case.comparisons[0], late))])
    )
    row = shown.split('<tbody class="case"')[1].split("</tbody>")[0]
    assert "tight setting: WRONG OPTIMUM lme4" in " ".join(text_of(row).split())
    assert 'data-case="case-a" open>' in shown


def test_one_engine_is_enough():
    shown = page(sample.run([only(sample.case("a"), "lme4")], engines=("lme4",)))
    assert "statsmodels</span>" not in shown
    assert "No two fits were compared" in shown


def test_three_engines_and_a_case_that_only_one_of_them_ran():
    case = sample.case("a")
    cases = [with_third(case, "glmmTMB"), only(sample.case("b"), "lme4")]
    shown = page(sample.run(cases, engines=("statsmodels", "glmmTMB", "lme4")))
    assert shown.count("glmmTMB</span>") > 3
    assert "not run" in shown


def with_third(case, engine):
    """Return a case in which another engine gives what the reference gives."""
    fits = [f for f in case.fits if f.engine == case.reference]
    alone = [j for j in case.judgements if j.engine == case.reference]
    same = tuple(
        msgspec.structs.replace(
            c,
            engine=engine,
            verdict="AGREE",
            blamed=(),
            evidence=(),
            differences=tuple(
                msgspec.structs.replace(
                    d,
                    value=d.reference,
                    difference=0.0,
                    digits=math.inf,
                    within=True,
                    referee=False,
                )
                for d in c.differences
            ),
        )
        for c in case.comparisons
    )
    return msgspec.structs.replace(
        case,
        fits=case.fits + tuple(msgspec.structs.replace(f, engine=engine) for f in fits),
        judgements=case.judgements
        + tuple(msgspec.structs.replace(j, engine=engine) for j in alone),
        comparisons=tuple(
            sorted(case.comparisons + same, key=lambda c: ("default", "tight").index(c.setting))
        ),
    )


def test_every_engine_has_a_row_and_a_verdict_of_its_own():
    wrong = sample.case(
        "a", "WRONG_OPTIMUM", blamed=("statsmodels",), causes=("sm-score-sign",), apart=0.08
    )
    run = sample.run([with_third(wrong, "glmmTMB")], engines=("statsmodels", "glmmTMB", "lme4"))
    shown = page(run)
    ladder = shown.split('<tbody class="case"')[1].split("</tbody>")[0]
    rows = [text_of(row) for row in ladder.split("<tr>")[1:]]
    assert ["WRONG OPTIMUM" in rows[0], "AGREE" in rows[1], "RIGHT" in rows[2]] == [True] * 3
    assert "by itself" in rows[2]
    assert "1 model: 0 agree; 1 differs" in text_of(shown)
    heat = shown.split('class="heat"')[1].split("</table>")[0]
    rows = re.findall(r'data-case="[^"]+">(.*?)</tr>', heat, re.S)
    assert [text_of(row).count("outside tolerance") > 0 for row in rows] == [True, False]


def test_what_an_engine_prints_stands_under_its_name_and_the_referees_value_beside_it():
    case = sample.case("a")
    card = page(sample.run([case])).split('class="numbers differences"')[1].split("</table>")[0]
    heads = [text_of(h).strip() for h in re.findall(r'<th scope="col"[^>]*>(.*?)</th>', card)]
    assert heads[2:5] == ["statsmodels", "referee at statsmodels' point", "lme4"]
    df = next(row for row in card.split("<tr>") if ">df<" in row)
    cells = [text_of(c).strip() for c in re.findall(r"<td[^>]*>(.*?)</td>", df)]
    assert cells[0] == "∞"
    assert cells[1].startswith("17.0000")
    assert cells[2].startswith("17.0000")


def test_a_case_that_has_nothing_at_all():
    case = sample.case("bare")
    bare = msgspec.structs.replace(
        case,
        fits=tuple(
            Failure(engine=e, setting="default", reason="environment", text="R is missing")
            for e in ("statsmodels", "lme4")
        ),
        judgements=tuple(
            Judgement(
                engine=e,
                setting="default",
                verdict="ENVIRONMENT",
                finding=sample_fits.said("R is missing"),
            )
            for e in ("statsmodels", "lme4")
        ),
        comparisons=(),
        data=msgspec.structs.replace(case.data, x=(), y=(), group=(), group_levels=()),
        focus="",
        best_loglik=None,
    )
    assert "could not be run: R is missing" in page(sample.run([bare]))


def test_a_fit_without_fitted_values_has_its_numbers_but_no_residual_picture():
    case = sample.case("big")
    fits = tuple(
        msgspec.structs.replace(f, fitted=(), residuals=()) for f in case.fits if isinstance(f, Fit)
    )
    data = msgspec.structs.replace(case.data, x=(), y=(), group=())
    shown = page(sample.run([msgspec.structs.replace(case, fits=fits, data=data)]))
    assert "Residuals against fitted" not in shown
    assert "Random effects: (Intercept) by g" in shown


@pytest.mark.slow
def test_many_items_of_one_quantity_show_the_worst_and_count_the_rest():
    case = sample.case("many")
    more = tuple(
        sample_fits.one("default", "estimate", f"level{k}", 1.0 + 1e-9 * k, 1.0, 1e-6, "relative")
        for k in range(1, 200)
    )
    one = msgspec.structs.replace(case.comparisons[0], differences=more)
    shown = text_of(page(sample.run([msgspec.structs.replace(case, comparisons=(one,))])))
    assert "169 more of estimate, all within tolerance" in shown
    assert "level199" in shown


def test_the_page_stays_light(whole):
    assert len(whole.encode()) / len(sample_runs.everything()) < 75_000


def test_a_report_replaces_the_old_one_only_when_whole(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "parity.html"
    records, run = tmp_path / "parity.jsonl", sample.run([sample.case("a")])
    with RecordWriter(records) as writer:
        writer.write(run.header)
        writer.write(run.cases[0])
        writer.finish("2026-01-01T00:00:00+00:00", 1.0)
    report_file(records, path, known=sample.KNOWN)
    before = path.read_text()
    monkeypatch.setattr("harness.page.html.parity_report.render_excerpt", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        report_file(records, path)
    assert path.read_text() == before
    assert [p.name for p in path.parent.iterdir()] == ["parity.html"]


def test_the_projects_own_explanations_are_used_by_default():
    shown = render(sample.run([sample.case("a", "WRONG_OPTIMUM", causes=("stopped-short",))]))
    assert "The optimizer stopped before the optimum" in html.unescape(shown)
