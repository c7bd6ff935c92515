"""Where a model in two languages, or its results, do not mean what one would think."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pandas as pd

from harness.model.formula import Name
from harness.model.model import Model, RandomTerm, column_of
from harness.model.table import FactorColumn, Table
from harness.spelling.lme4_spelling import quote_name
from harness.spelling.mixedlm_call import MixedLMCall
from harness.spelling.mixedlm_spelling import missing_rows, mixedlm_spelling
from harness.spelling.patsy_language import HIDING, NotExpressible
from harness.spelling.python_surroundings import Pasting
from harness.spelling.trap import Trap

_GRADIENT_FREE = ("powell", "nm")


def traps_of_model(
    model: Model, table: Table, *, assumed: bool, expressible: bool
) -> tuple[Trap, ...]:
    """Return the traps of a model that is to be written for statsmodels.

    Parameters
    ----------
    assumed : bool
        Whether the table is a stand-in: then what is read off the data is said to be assumed.
    expressible : bool
        Whether MixedLM can be given the model: what it would do with it is no trap otherwise.
    """
    return tuple(_of_model(model, table, assumed, expressible))


def _of_model(model: Model, table: Table, assumed: bool, expressible: bool) -> Iterator[Trap]:
    yield from _double_bar(model, table)
    if model.structured is not None:
        yield Trap(
            "lme4-2.0",
            f"lme4 reads {model.structured.structure}() from version 2.0 on; before, of structures "
            "it has diag() of numbers only, written (1 + x || g)",
        )
    if expressible and model.random:
        yield from _of_spelling(model, table, assumed)
    if assumed:
        yield from _assumptions(model, expressible)
    if not expressible:
        return
    hidden = [name for name in table.names if name in HIDING]
    if hidden:
        yield Trap(
            "hidden-function",
            f"a column called {hidden[0]} hides the function {hidden[0]} from statsmodels' "
            "formulas; the call renames it",
        )
    yield from _always(model)


_LATER = re.compile(r"\b(hom\w+|hetar1)\(")


def traps_of_programs(calls: Mapping[str, str], model: Model) -> tuple[Trap, ...]:
    """Return what the calls of other programs ask of the data and of versions.

    Parameters
    ----------
    calls : mapping
        By program, as :func:`harness.spelling.program_calls.program_calls` writes them.
    """
    found = []
    residual = model.residual
    if residual is not None and residual.position is not None and "as.integer(" in calls["nlme"]:
        found.append(
            Trap(
                "visits",
                f"nlme: {residual.position.name} has to be a factor of the data, or 1, 2, 3 and so "
                "on; form = is evaluated in each group by itself, where factor() would close the "
                "gaps of missing visits",
            )
        )
    if "offset(-log(" in calls["glmmTMB"]:
        found.append(
            Trap(
                "dispersion",
                "glmmTMB: the offset is for versions whose dispersion is the variance, such as "
                "1.1.5; where it is the standard deviation it has to be halved",
            )
        )
    later = _LATER.search(calls["glmmTMB"])
    if later is not None:
        found.append(Trap("version", f"glmmTMB 1.1.5 has no {later[1]}() yet, later versions have"))
    return tuple(found)


def _double_bar(model: Model, table: Table) -> Iterator[Trap]:
    for bar in model.formula.bars:
        if not bar.double:
            continue
        terms = [t for t in model.random if t.effects.terms]
        for name in dict.fromkeys(
            atom.name
            for term in terms
            for effect in term.effects.terms
            for atom in effect
            if isinstance(atom, Name) and isinstance(column_of(table, atom), FactorColumn)
        ):
            yield Trap(
                "double-bar-factor",
                f"{name} is a factor: || does not make its levels uncorrelated, lme4 gives them "
                f"an unstructured covariance matrix; diag(0 + {name} | g) does that",
            )
        return


def _of_spelling(model: Model, table: Table, assumed: bool) -> Iterator[Trap]:
    try:
        spelling = mixedlm_spelling(model, table, aliased=False)
    except NotExpressible:
        return
    if spelling.diagonal:
        yield Trap(
            "sm-free-ignored",
            "free= is honoured by bfgs, lbfgs and cg only; method='powell' and 'nm' fit the "
            "correlated model and do not say so",
        )
    if not spelling.group:
        yield Trap(
            "crossed-as-nested",
            "crossed factors need one group of all rows (groups=np.ones(n)); "
            f"groups={spelled(model.random[0])} with {spelled(model.random[-1])} in vc_formula is "
            f"({_effects(model.random[-1])} | {spelled(model.random[0])}:"
            f"{spelled(model.random[-1])}), another model. One group takes a "
            "dense matrix of all rows by all levels: slow for large data",
        )
    elif spelling.vc_formula and spelling.re_formula is not None:
        top = ":".join(spelling.group)
        yield Trap(
            "dropped-term",
            f"re_formula={spelling.re_formula!r} must stay: with vc_formula and without it "
            f"MixedLM leaves ({spelling.re_formula} | {top}) out and does not say so",
        )
    nested = [t for t in model.random if len(t.group) == 1 and (t.group != spelling.group)]
    if spelling.group and nested and not assumed:
        yield Trap(
            "nesting",
            f"in these data every {spelled(nested[0])} lies in one {':'.join(spelling.group)}, so "
            "the two are nested although the formula does not say it",
        )


def _assumptions(model: Model, expressible: bool) -> Iterator[Trap]:
    groups = list(dict.fromkeys(t.group for t in model.random))
    apart = [g for g in groups if not any(set(g) > set(h) or set(g) < set(h) for h in groups)]
    if expressible and len(apart) > 1:
        one, other = (":".join(g) for g in apart[:2])
        yield Trap(
            "nesting",
            f"without data {one} and {other} are taken to be crossed; if every {other} lies in "
            f"one {one} the call for statsmodels is another (give --data)",
        )
    numbers = sorted(
        {
            atom.name
            for terms in (model.fixed, *(t.effects for t in model.random))
            for term in terms.terms
            for atom in term
            if isinstance(atom, Name) and not atom.as_factor
        }
    )
    if numbers:
        verb = "is taken to be a number" if len(numbers) == 1 else "are taken to be numbers"
        yield Trap(
            "columns", f"without data {', '.join(numbers)} {verb}; write factor() or --factor"
        )


def _always(model: Model) -> Iterator[Trap]:
    if not model.random:
        return
    yield Trap(
        "missing",
        "rows with missing values: lme4 leaves them out; MixedLM's formulas raise "
        f"an error {missing_rows(model)}, and its arrays raise one with it",
    )
    yield Trap(
        "z-for-t",
        "p values: statsmodels tests with the normal distribution, lmerTest with Satterthwaite's "
        "degrees of freedom; with few groups the normal p is too small",
    )
    yield Trap(
        "se-joint-hessian",
        "standard errors: statsmodels inverts the Hessian of fixed effects and variances "
        "together; they equal lme4's on balanced data only",
    )


def traps_of_call(
    call: MixedLMCall, model: Model | None, frame: pd.DataFrame | None
) -> tuple[Trap, ...]:
    """Return what a call of statsmodels does that a reader may not expect."""
    return tuple(_of_call(call, model, frame))


def _of_call(call: MixedLMCall, model: Model | None, frame: pd.DataFrame | None) -> Iterator[Trap]:
    yield from call.notes
    for pasting in call.unseparated:
        yield _unseparated(pasting, frame)
    groups = call.groups or ()
    top = ":".join(map(quote_name, groups))
    if groups and call.vc_formula and call.re_formula is None:
        yield Trap(
            "dropped-term",
            f"there is no (1 | {top}) in this model: with vc_formula MixedLM has no random "
            "intercept for groups= unless re_formula='1' is given too",
        )
    if model is not None and groups:
        yield from _nested_components(model, groups, frame)
    if call.free != "all":
        ignoring = [m for m in call.methods if m in _GRADIENT_FREE]
        if ignoring:
            yield Trap(
                "sm-free-ignored",
                f"method={ignoring[0]!r} does not honour free=: what it fits is the correlated "
                f"model, (... | {top}) and not (... || {top})",
            )
        else:
            yield Trap("sm-free-ignored", "methods powell and nm would not honour free=; these do")
    if call.groups == () and call.vc_formula:
        yield Trap(
            "one-group",
            "all rows are one group: a dense matrix of all rows by all levels, slow for large data",
        )
    if call.groups is not None and not call.drops_missing:
        missing = frame is not None and _misses(call, model, frame)
        if frame is None or missing:
            yield Trap(
                "missing",
                "missing='drop' is not there: MixedLM raises an error when a value is missing, "
                "lme4 leaves the row out",
            )
    if model is not None:
        yield from (t for t in _always(model) if t.key != "missing")


def _unseparated(pasting: Pasting, frame: pd.DataFrame | None) -> Trap:
    """Say what joining columns without a separator may merge, or merges in these data."""
    shown = " + ".join(pasting.columns)
    group = ":".join(map(quote_name, pasting.columns))
    safe = ' + ":" + '.join(f"{c}.astype(str)" for c in pasting.columns)
    key = "pasted-without-separator"
    if frame is None or not set(pasting.columns) <= set(frame.columns):
        text = (
            "1 and 11 give the same label as 11 and 1"
            if pasting.as_text
            else ("text is joined without a separator, numbers are added up")
        )
        return Trap(
            key,
            f"{shown}: {text}, so that different groups can become one, and the model then is not "
            f"the one with {group} that is shown; write {safe}",
        )
    known = frame[list(pasting.columns)].dropna().drop_duplicates()
    parts = [known[c].astype(str) if pasting.as_text else known[c] for c in pasting.columns]
    labels = parts[0]
    for part in parts[1:]:
        labels = labels + part
    if labels.nunique() == len(known):
        return Trap(
            key,
            f"{shown} has no separator; in these data its {len(known)} combinations stay apart, "
            f"in others they need not: write {safe}",
        )
    return Trap(
        key,
        f"{shown} has no separator: in these data {len(known)} combinations become "
        f"{labels.nunique()} groups, so the call fits another model than the one with {group} "
        f"that is shown; write {safe}",
    )


def _misses(call: MixedLMCall, model: Model | None, frame: pd.DataFrame) -> bool:
    used = {name.name for name in model.names()} if model is not None else set(call.groups or ())
    return bool(frame[[c for c in used if c in frame.columns]].isna().to_numpy().any())


def _nested_components(
    model: Model, groups: tuple[str, ...], frame: pd.DataFrame | None
) -> Iterator[Trap]:
    top = ":".join(groups)
    for term in model.random:
        inner = [column for column in term.group if column not in groups]
        if not inner or not set(groups) <= set(term.group):
            continue
        own = ":".join(inner)
        nested = frame is not None and _lies_within(frame, inner, list(groups))
        if nested:
            yield Trap(
                "nesting",
                f"every {own} lies in one {top} in these data, so ({_effects(term)} | {top}:{own}) "
                f"is the same as ({_effects(term)} | {own})",
            )
        else:
            seen = "in these data it does not" if frame is not None else "if it does not"
            yield Trap(
                "crossed-as-nested",
                f"vc_formula gives every {top} effects of {own} of its own: "
                f"({_effects(term)} | {top}:{own}). That is ({_effects(term)} | {own}) only where "
                f"every {own} lies in one {top}; {seen}, crossed effects need groups=np.ones(n) "
                "and both factors in vc_formula",
            )


def _lies_within(frame: pd.DataFrame, inner: list[str], outer: list[str]) -> bool:
    if not set(inner + outer) <= set(frame.columns):
        return False
    pairs = frame[inner + outer].dropna().drop_duplicates()
    return not pairs.duplicated(subset=inner).any()


def _effects(term: RandomTerm) -> str:
    if term.effects.intercept and not term.effects.terms:
        return "1"
    names = [":".join(getattr(a, "name", "...") for a in t) for t in term.effects.terms]
    return " + ".join([*(["0"] if not term.effects.intercept else []), *names])


def spelled(term: RandomTerm) -> str:
    """Return a grouping factor as it is written."""
    return ":".join(map(quote_name, term.group))
