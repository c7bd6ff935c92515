"""Listings as programs print them, right and with one planted error."""

import math

from scipy import stats

from harness.data.datasets import Dataset, load_dataset
from harness.judge.listing import read_listing
from harness.judge.listing_source import ListingSource
from harness.judge.listing_verdict import judge_listing
from harness.referee.deviance import Likelihood
from harness.referee.optimum import find_optimum

MODELS = {
    "sleepstudy": "Reaction ~ Days + (Days | Subject)",
    "RatPupWeight": "weight ~ sex + Treatment + Lsize + (1 | Litter)",
    "dietox": "Weight ~ Time + (Time | Pig)",
    "Pastes": "strength ~ 1 + (1 | batch/cask)",
    "Oxboys": "height ~ age + (age | Subject)",
    "ergoStool": "effort ~ Type + (1 | Subject)",
}


def maker(name, formula=None, rows=None):
    frame = load_dataset(name).frame
    frame = frame if rows is None else frame.iloc[rows]
    return ListingSource(Dataset(name, frame, "of a package"), formula or MODELS[name])


def judged(text, source):
    return judge_listing(read_listing(text), source)


def numbers(source, *, criterion="REML", levels=None, rule="satterthwaite", level=0.95):
    """The numbers of a model at its optimum, unrounded."""
    design = source.rung(levels).case.design
    best = find_optimum(Likelihood(design, reml=criterion == "REML"))
    likelihood = best.point.likelihood
    sigma = best.point.sigma * likelihood.products.basis.y_scale
    out = {"criterion": criterion, "minus_two": best.deviance, "residual": sigma**2, "spread": {}}
    out["coefficient"] = {}
    for name, test in zip(design.x_names, best.tests, strict=True):
        df = test.df if rule == "satterthwaite" else math.inf
        q = stats.norm.isf((1 - level) / 2) if math.isinf(df) else stats.t.isf((1 - level) / 2, df)
        p = 2 * (
            stats.norm.sf(abs(test.statistic))
            if math.isinf(df)
            else stats.t.sf(abs(test.statistic), df)
        )
        label = name.replace("[T.", " ").replace("]", "")
        out["coefficient"][label] = {
            "estimate": test.estimate,
            "se": test.se,
            "df": test.df,
            "statistic": test.statistic,
            "p": p,
            "lower": test.estimate - q * test.se,
            "upper": test.estimate + q * test.se,
        }
        if math.isinf(df):
            del out["coefficient"][label]["df"]
    for term, factor in zip(design.random, likelihood.factors(best.point.theta), strict=True):
        psi = sigma**2 * factor @ factor.T
        for k, effect in enumerate(term.names):
            out["spread"][f"{term.group} {effect}"] = psi[k, k]
        if len(term.names) == 2:
            r = psi[0, 1] / math.sqrt(psi[0, 0] * psi[1, 1])
            out.setdefault("correlation", {})[term.group] = r
            out.setdefault("covariance", {})[term.group] = psi[0, 1]
    return out


def shown(value, digits):
    """A number to its significant digits, as a plain decimal where that is short."""
    if value == 0.0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{decimals}f}" if 0 <= decimals < 9 else f"{value:.{digits - 1}e}"


def listing(found, digits, *, only=None, texts=None, level=0.95, said=None, pairs="correlation"):
    """A listing in TOML; ``texts`` replaces single numbers by what is printed for them."""
    texts = texts or {}
    criterion = said if said is not None else found["criterion"]
    lines = [f'criterion = "{criterion}"'] if criterion else []
    lines.append(f'log_likelihood = {{ minus_two = "{shown(found["minus_two"], digits + 2)}" }}')
    for label, tests in found["coefficient"].items():
        lines.append(f'[coefficient."{label}"]')
        for key, value in tests.items():
            if key in ("lower", "upper") or (only and key not in only):
                continue
            lines.append(f'{key} = "{texts.get((label, key), shown(value, digits))}"')
        if not only or "lower" in only:
            ends = {k: texts.get((label, k), shown(tests[k], digits)) for k in ("lower", "upper")}
            both = f'lower = "{ends["lower"]}", upper = "{ends["upper"]}"'
            lines.append(f"interval = {{ level = {level}, {both} }}")
    lines.append("[variance]")
    for label, value in {**found["spread"], "residual": found["residual"]}.items():
        lines.append(f'"{label}" = "{texts.get((label, "variance"), shown(value, digits))}"')
    if found.get(pairs):
        lines.append(f"[{pairs}]")
        for label, value in found[pairs].items():
            lines.append(f'"{label}" = "{texts.get((label, pairs), shown(value, digits))}"')
    return "\n".join(lines)


def another_digit(text, rng, *, first=False):
    """The text with its first or second digit changed; the first one if so asked."""
    places = [i for i, c in enumerate(text.partition("e")[0]) if c.isdigit()]
    leading = next(i for i, p in enumerate(places) if text[p] != "0")
    at = places[min(leading + (0 if first else int(rng.integers(0, 2))), len(places) - 1)]
    other = rng.choice([c for c in "123456789" if c != text[at]])
    return text[:at] + str(other) + text[at + 1 :]
