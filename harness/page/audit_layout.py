"""An audit of printed numbers laid out as a page: the answer, each number, and every rule of df."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from harness import __version__
from harness.base.text import listed, number, p_value, significant
from harness.judge.listing import printed as printed_number
from harness.judge.listing_verdict import ListingVerdict
from harness.judge.number_verdict import ROW, RULE, Finding
from harness.judge.printed_conclusions import Conclusion, says_otherwise
from harness.judge.printed_text import plain_number
from harness.judge.sentence import PRINTED
from harness.page.appearance import Look
from harness.page.contradiction_sentences import contradiction_sentences
from harness.page.impossible_sentences import impossible_sentences
from harness.page.numbers import plain
from harness.page.page import Block, Facts, Page, Paragraph, Section
from harness.page.page_line import Line
from harness.page.page_table import Column, Group, Row, Table
from harness.referee.definitions import Definition, of_quantity

RIGHT = Look("right", "agree", "tick", "+")
NEAR = Look("right but for the last digits", "agree", "about", "~")
WRONG = Look("wrong", "differ", "no", "x")
OPEN = Look("not judged", "silent", "bar", "-")

_LOOKS = {"true": RIGHT, "stopping": NEAR, "mistake": WRONG, "false": WRONG, "not judged": OPEN}

_SENTENCES = 4
"""Wrong numbers, at least, of which each has its sentence."""

_PLAIN = ("data-units", "full")
"""Definitions that go without saying."""

_MISTAKES = {
    "sd-for-variance": "it is the standard deviation",
    "variance-for-sd": "it is the square",
    "other-criterion": "it is that of {other}",
    "one-sided": "it is the one-sided p",
    "z-for-t": "it is by the normal distribution, not by t with the printed df",
    "by-n": "it is of a residual variance by n, not by n - p",
    "sign": "it has the other sign",
    "t-for-f": "it is t, of which F is the square",
    "correlation": "it is the correlation",
    "ends": "the limits are interchanged",
    "decimal-point": "its decimal point is misplaced",
    "transposed": "two of its digits are interchanged",
    "whole-variance": "it is the whole residual variance, covariance and all",
    "diagonal-offset": "it is the variance less the covariance (CS diagonal offset)",
    "covariance": "it is the covariance",
    "squared": "it is the square",
    "power": "it is the correlation of one unit of time",
    "range": "it is the range, -1 / log of the correlation",
    "ratio-of-variances": "it is the ratio of the variances",
    "inverse-ratio": "it is the ratio the other way round",
    "log-ratio": "it is the logarithm of the ratio",
    "log-ratio-of-variances": "it is the logarithm of the ratio of the variances",
    "sd-for-ratio": "it is the standard deviation",
    "variance-for-ratio": "it is the variance",
    "not-doubled": "it is the difference of the log-likelihoods, not twice that",
}


_OF = {
    "stratum ": "it is that of the residuals at {}",
    "distance ": "it is that at a distance of {}",
    "parameter ": "it is {}",
}
"""What a number is instead, where a name follows."""


def quantity_name(quantity: str) -> str:
    """Return the words for a quantity of a listing."""
    return PRINTED[quantity]


def audit_page(found: ListingVerdict, made: str = "") -> Page:
    """Lay out an audit; ``made`` is when it was."""
    sections = (
        Section("numbers", "Each printed number", tuple(printed_numbers(found))),
        Section("rules", "Degrees of freedom by every rule", tuple(rules_of_df(found))),
        Section("words", "What the words mean", tuple(words_used(found))),
    )
    return Page(
        kind="Audit",
        title=f"Audit: {found.program}",
        made_by=f"lmm-parity {__version__}",
        made=made,
        look=RIGHT if found.right else WRONG,
        subject=found.formula,
        about=f"{found.criterion}, {found.rows} rows; {found.program}",
        answer=tuple(audit_answer(found)),
        sections=tuple(s for s in sections if s.blocks),
    )


def audit_answer(found: ListingVerdict) -> Iterator[str]:
    """Say what the printed numbers come to."""
    bad = [f for f in found.findings if f.truth in ("false", "mistake")]
    yield _whole(found, len(bad))
    yield from contradiction_sentences(found)
    wrong = dict(listing_sentences(found))
    if "criterion" in wrong:
        yield wrong["criterion"]
    elif not found.stated_criterion:
        yield f"The criterion is not said; judged by {found.criterion}."
    if found.at_optimum is False:
        yield (
            f"As printed, the variances are {number(found.gap)} in log-likelihood below the best "
            f"point; the other numbers are judged at {found.judged_at}."
        )
    elif found.at_optimum:
        yield "The printed variances are those of the optimum, to their digits."
    if "rows" in wrong:
        yield wrong["rows"]
    yield from _codings(found)
    yield from impossible_sentences(found)
    yield from _not_judged(found)
    yield from _wrong(found, bad)
    yield from _changed(found)
    yield from _profiles(found)
    fitting: dict[str, list[str]] = {}
    for label, rule, _, fits in found.rules:
        if fits:
            fitting.setdefault(label, []).append(rule)
    common = set.intersection(*map(set, fitting.values())) if fitting else set()
    labels = {label for label, *_ in found.rules}
    if common and set(fitting) == labels:
        rules = [r for _, r, *_ in found.rules if r in common]
        rules = list(dict.fromkeys(rules))
        which = "one rule of df" if len(rules) == 1 else "several rules of df, which agree here"
        yield f"What is printed fits {which}: {listed(rules)}."
    elif set(fitting) == labels and fitting:
        yield from _odd_rules(fitting)


def listing_sentences(found: ListingVerdict) -> Iterator[tuple[str, str]]:
    """Yield what is wrong of the whole listing, its criterion or its rows, with the sentence."""
    if "other-criterion" in found.mistakes:
        yield (
            "criterion",
            f"The numbers are those of {found.criterion}, not of {found.stated_criterion} as said.",
        )
    if found.subset:
        n = f"{found.rows} rows" if found.rows != 1 else "one row"
        text = f"The listing is not of all complete rows. It is judged by {n}: {found.subset}."
        if found.stated_rows not in (None, found.rows):
            text += f" By them all but its n is right, which is printed as {found.stated_rows}."
        yield "rows", text
    elif "rows" in found.mistakes:
        yield (
            "rows",
            f"The listing says {found.stated_rows} rows; the model has {found.rows} complete rows "
            "in these data, and no rule that was tried leaves so many with these numbers.",
        )


_CODINGS = {
    "sum": "deviations from the mean of the levels (contr.sum)",
    "helmert": "Helmert contrasts (contr.helmert)",
    "poly": "orthogonal polynomials (contr.poly)",
}


def _coded(codings: Sequence[tuple[str, str]]) -> str:
    return listed([f"{factor} coded by {_CODINGS[kind]}" for factor, kind in codings])


def _codings(found: ListingVerdict) -> Iterator[str]:
    """Say by which references the listing is."""
    for factor, level in found.references:
        yield f"The listing has {level} as the reference level of {factor}."
    if found.codings:
        yield f"The listing has {_coded(found.codings)}."
    for other in found.other_codings:
        yield f"As many numbers are right with {_coded(other)}; the labels leave that open."
    for factor, level in found.strata:
        yield f"Its residual standard deviation, and its ratios of them, are by {factor} {level}."


def _odd_rules(fitting: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Say which coefficients have df of another rule than most."""
    counts = Counter(rule for rules in fitting.values() for rule in rules)
    ((usual, count),) = counts.most_common(1)
    odd = [label for label, rules in fitting.items() if usual not in rules]
    if count > 1:
        yield (
            f"No one rule of df fits all coefficients: {usual} fits all but {listed(odd)}. "
            "A program has one rule for a table."
        )


def _whole(found: ListingVerdict, bad: int) -> str:
    """Say how many of the printed numbers are right, of those that can be judged."""
    total = sum(f.truth != "not judged" for f in found.findings)
    if found.right and total == 0:
        return "Nothing that is printed can be judged."
    if found.right and total != 1:
        judged = " that can be judged" if total < len(found.findings) else ""
        return f"Yes: all {total} printed numbers{judged} are right."
    if found.right:
        return "Yes: it is right."
    if bad and total == 1:
        return "No: it is wrong."
    if bad:
        return f"No: {bad} of {total} printed numbers {'is' if bad == 1 else 'are'} wrong."
    them = f"the {total} printed numbers are" if total > 1 else "the printed number is"
    if found.contradictions and not found.mistakes and not found.impossible:
        return f"Not quite: {them} right one by one, and not together."
    return f"Not quite: {them} right for this model and these rows."


def _not_judged(found: ListingVerdict) -> Iterator[str]:
    """Say why a number is not judged."""
    for one in found.findings:
        what, _, end = one.quantity.rpartition(" ")
        if one.truth != "not judged" or end == "upper":
            continue
        if end == "lower":
            yield (
                f"The interval of the {PRINTED[what]} of {one.item} is not judged: intervals are "
                "computed of the correlations of residuals and of the ratios to the first level, "
                "not of what follows from them."
            )
        else:
            yield (
                f"The {PRINTED[one.quantity]} of {one.item} is not judged: at the optimum one of "
                "its variances is zero, so that it has no value."
            )


def _changed(found: ListingVerdict) -> Iterator[str]:
    """Say which tests come out otherwise by what is printed, and what wrong df do to p."""
    at = f"at {found.alpha.value:g}{_WHOSE[found.alpha.of]}"
    for one in found.conclusions:
        if "p" in one.wrong:
            continue  # said of p itself
        said = _concluded(one)
        if said:
            yield f"{said}: {at} that is {'another' if one.changes else 'the same'} conclusion."


def _concluded(one: Conclusion) -> str:
    """Say what p is by what is printed and by what is right; empty where that is of no account."""
    right = p_value(one.right)
    printed_so = (
        f"By what is printed {p_value(one.implied)} for {one.item}, by what is right {right}"
    )
    if one.printed and one.changes:
        return f"The p of {one.item} is printed as {one.printed}, by the right numbers {right}"
    if one.df is not None and "df" in one.wrong and not {"statistic", "f"} & set(one.wrong):
        printed, df = (number(value) for value in one.df)
        if {"estimate", "se"} & set(one.wrong):
            return printed_so
        return (
            f"With {printed} df {p_value(one.implied)} for {one.item}, with the right {df} {right}"
        )
    if one.printed and one.implies_change:
        return (
            f"By the numbers beside it {p_value(one.implied)} for {one.item}; printed is "
            f"{one.printed}, by the right numbers {right}"
        )
    return printed_so if one.changes else ""


_WHOSE = {
    "asked": "",
    "listing": ", the listing's level,",
    "intervals": ", 1 less the level of its intervals,",
    "usual": "",
}
"""Whose level a conclusion is drawn at."""


def _profiles(found: ListingVerdict) -> Iterator[str]:
    """Say which intervals are right as profiles of the likelihood, and as nothing else."""
    by: dict[tuple[str, ...], list[str]] = {}
    for one in found.findings:
        made = one.definitions
        if one.quantity.endswith("lower") and made and all(d.startswith("profile ") for d in made):
            items = by.setdefault(tuple(d.removeprefix("profile ") for d in made), [])
            items.append(one.item)
    for criteria, items in by.items():
        which = " and by ".join(criteria)
        whose = ", as lme4's confint gives them" if criteria == ("ML",) else ""
        named = listed(list(dict.fromkeys(items)))
        yield f"Profiles of the likelihood by {which}{whose}: the intervals of {named}."


def _wrong(found: ListingVerdict, bad: Sequence[Finding]) -> Iterator[str]:
    """Say what is wrong: rows that are interchanged together, the first others one by one."""
    rows: dict[frozenset[str], list[str]] = {}
    single = []
    for one in bad:
        if one.mistake.startswith(ROW):
            pair = frozenset((one.item, one.mistake.removeprefix(ROW)))
            rows.setdefault(pair, []).append(PRINTED[one.quantity])
        else:
            single.append(one)
    for pair, names in rows.items():
        what = listed(list(dict.fromkeys(names)))
        yield f"Of {listed(sorted(pair))} these numbers are interchanged: {what}."
    shown = single if len(single) <= _SENTENCES + 1 else single[:_SENTENCES]
    for one in shown:
        yield number_sentence(one, found)
    if more := len(single) - len(shown):
        yield f"And {more} more numbers are wrong, which the table has."


def number_sentence(one: Finding, found: ListingVerdict) -> str:
    """Say what a wrong number is, and what is right."""
    other = "ML" if found.criterion == "REML" else "REML"
    of = f" of {one.item}" if one.item else ""
    instead = _instead(one, other)
    because = f": {instead}" if instead else ""
    right = _to_digits(one)
    text = f"The {PRINTED[one.quantity]}{of} is printed as {one.text}{because}; right is {right}."
    alpha = found.alpha
    if one.quantity in ("p", "ratio p") and says_otherwise(
        printed_number(one.text, "p"), one.right, alpha.value
    ):
        text += f" At {alpha.value:g}{_WHOSE[alpha.of]} that is another conclusion."
    return text


def _to_digits(one: Finding) -> str:
    """Write what is right to the printed decimals, and a digit more where they are few."""
    text = plain_number(one.text)
    _, _, decimals = text.strip("<> ").partition(".")
    places = len(decimals.lower().partition("e")[0])
    if not math.isfinite(one.right) or abs(one.right) >= 1e9:
        return number(one.right)
    if "e" in text.lower():
        return f"{one.right:.{max(places, 1)}e}"
    text = f"{one.right:.{places}f}"
    return text if sum(c.isdigit() for c in text.lstrip("-0.")) >= 3 else significant(one.right, 4)


def _instead(one: Finding, other: str) -> str:
    """Say what a number is in place of what it is said to be; empty where that is not known."""
    if one.mistake.startswith(ROW):
        return f"it is that of {one.mistake.removeprefix(ROW)}"
    if one.mistake.startswith(RULE):
        rule = one.mistake.removeprefix(RULE)
        return f"it is by the rule {rule}, which p or interval contradict"
    if one.mistake.startswith("level "):
        return f"it is that of the {100 * float(one.mistake.split()[1]):g} % interval"
    for kind, what in _OF.items():
        if one.mistake.startswith(kind):
            return what.format(one.mistake.removeprefix(kind))
    return _MISTAKES[one.mistake].format(other=other) if one.mistake else ""


def _how(one: Finding, criterion: str) -> str:
    """Say by which definitions a number is right; those of AIC and BIC by who prints them so."""
    if one.quantity in ("aic", "bic"):
        programs = [
            program
            for found in of_quantity(one.quantity)
            if found.key in one.definitions
            for program in found.programs
        ]
        return ", ".join(programs)
    if one.quantity == "ratio p":
        # Of both criteria where only the other one fits.
        own = [d for d in one.definitions if f" by {criterion}" in d]
        return "; or ".join(own or one.definitions)
    # By a rule with the usual error is said, not that another error gives the same digits.
    return ", ".join(
        d
        for d in one.definitions
        if d not in _PLAIN and not (", SE " in d and d.partition(", SE ")[0] in one.definitions)
    )


def printed_numbers(found: ListingVerdict) -> Iterator[Block]:
    """Yield each number beside the referee's."""
    other = "ML" if found.criterion == "REML" else "REML"
    groups: dict[str, list[Row]] = {}
    for one in found.findings:
        how = _how(one, found.criterion)
        if one.mistake:
            how = _instead(one, other)
        how = "" if one.quantity == "estimate" and not one.mistake else how
        right = "none" if one.truth == "not judged" else _to_digits(one)
        cells = (plain(one.text), plain(right), _LOOKS[one.truth], how)
        groups.setdefault(one.item, []).append(Row(PRINTED[one.quantity], cells))
    yield Table(
        "Printed numbers and the referee's",
        (
            Column("number"),
            Column("printed"),
            Column("right"),
            Column("verdict", text=True),
            Column("by", text=True, kind="how"),
        ),
        [Group(item or None, rows) for item, rows in groups.items()],
        kind="numbers audited",
    )


def rules_of_df(found: ListingVerdict) -> Iterator[Block]:
    """Yield the df of each coefficient by every rule, and which of them what is printed fits."""
    if not found.rules:
        return
    yield Paragraph(
        "A rule fits where it gives df, p and interval of the coefficient to their printed digits; "
        "where none does, within what optimizers leave.",
        dim=True,
    )
    groups: dict[str, list[Row]] = {}
    for label, rule, df, fits in found.rules:
        mark = RIGHT if fits else ""
        groups.setdefault(label, []).append(
            Row(
                rule, (plain("z" if math.isinf(df) else significant(df, 6)), "fits" if mark else "")
            )
        )
    yield Table(
        "Rules of degrees of freedom",
        (Column("rule"), Column("df"), Column("what is printed", text=True)),
        [Group(label, rows) for label, rows in groups.items()],
    )


_INTERVALS = {
    "profile ML": "where the deviance has risen by the quantile of chi-square(1), by ML: lme4's "
    "confint",
    "profile REML": "where the REML deviance has risen by the quantile of chi-square(1)",
    "symmetric": "the estimate give or take a multiple of its standard error",
    "symmetric in the logarithm": "the logarithm give or take a multiple of its standard error: "
    "intervals of nlme, Stata",
    "Fisher's z": "Fisher's z of the correlation give or take a multiple of its standard error: "
    "intervals of nlme",
    "symmetric in the logit": "log((r - a) / (1 - r)), a the least correlation that there may be, "
    "give or take a multiple of its standard error: intervals of nlme",
    "chi-square": "by chi-square with Satterthwaite's df: PROC MIXED with CL",
}
"""What intervals are made by, beside rules of df and standard errors."""


def words_used(found: ListingVerdict) -> Iterator[Block]:
    """Yield a line for each definition and rule that the tables name, with who prints it so."""
    named = [
        part
        for one in found.findings
        for made in one.definitions
        for part in made.split(", SE ")
        if one.quantity not in ("estimate", "aic", "bic")
    ]
    used = {*named, *(rule for _, rule, *_ in found.rules)}
    rows: list[tuple[str, Line]] = []
    for quantity, short in (("se", "SE"), ("df", "df"), ("loglik", "log-likelihood")):
        rows += [
            (f"{short} {one.key}", _meaning(one))
            for one in of_quantity(quantity)
            if one.key in used and one.key not in _PLAIN
        ]
    rows += [(key, meaning) for key, meaning in _INTERVALS.items() if key in used]
    if rows:
        yield Facts(rows)


def _meaning(one: Definition) -> str:
    said = f"{one.title} ({', '.join(one.programs)})" if one.programs else one.title
    return f"{said}: {one.source}" if one.quantity == "df" and one.source else said
