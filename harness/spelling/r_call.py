"""Read a call of R, pymer4 or SAS, as text: its model in lme4's formula and what else it says."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from harness.base.errors import BadInput
from harness.model.model import Criterion
from harness.model.structure import STRUCTURES
from harness.model.tokens import FormulaError
from harness.spelling.glmmtmb_dispersion import glmmtmb_residual
from harness.spelling.r_models import NLME, column_named, gls_formula, lme_formula, mmrm_formula
from harness.spelling.sas_procedure import is_proc_mixed, read_proc_mixed
from harness.spelling.trap import Trap, listed, rows_trap, search_trap


@dataclass(frozen=True)
class RCall:
    """A model as lme4 would be given it.

    Attributes
    ----------
    formula : str
        In lme4's syntax.
    criterion : str
    notes : tuple of Trap
        What the call says beside its model.
    factors : tuple of str
        Columns that the call makes factors.
    residual : str
        Covariance of its residuals, see :func:`harness.model.residual.parse_residual`.
    """

    formula: str
    criterion: Criterion
    notes: tuple[Trap, ...] = ()
    factors: tuple[str, ...] = ()
    residual: str = ""


_ARGUMENTS = {
    "lmer": "formula data REML control start verbose subset weights na.action offset contrasts "
    "devFunOnly",
    "lm": "formula data subset weights na.action method model x y qr singular.ok contrasts offset",
    "glmer": "formula data family control start verbose nAGQ subset weights na.action offset "
    "contrasts mustart etastart devFunOnly",
    "lme": "fixed data random correlation weights subset method na.action control contrasts "
    "keep.data",
    "gls": "model data correlation weights subset method na.action control verbose",
    "mmrm": "formula data weights covariance reml control",
    "glmmTMB": "formula data family ziformula dispformula weights offset contrasts na.action se "
    "verbose doFit control REML start map sparseX priors",
}
"""Arguments by their place."""

_REFUSED = {
    "glmer.nb": "a negative binomial model; MixedLM and lmer are for normal outcomes",
    "nlmer": "a nonlinear model",
    "nlme": "a nonlinear model; a linear one is lme()",
    "lmList": "a regression in every group, no mixed model",
    "brm": "Bayesian: its priors are part of the model, so no likelihood has the same estimates",
    "stan_lmer": "Bayesian: its priors are part of the model",
    "blmer": "lmer with a prior on the variances, which statsmodels does not have",
    "rlmer": "a robust fit, which has another estimator",
    "gamm": "an additive model",
    "gamm4": "an additive model",
    "bam": "an additive model",
    "gam": "an additive model",
    "aov": "an analysis of variance by strata; the mixed model has the strata of Error() as groups",
    "mixed": "afex or Stata, which set contrasts or formulas of their own; give the lmer() formula",
    "clmm": "a cumulative link model; MixedLM and lmer are for normal outcomes",
    "rma.mv": "a meta-analysis, whose residual variances are known",
}

_CALL = re.compile(
    r"(?<![\w.$])(?:[\w.]+\s*::\s*)?"
    rf"(?P<name>Lmer|{'|'.join(map(re.escape, [*_ARGUMENTS, *_REFUSED]))})\s*\("
)


def is_r_call(text: str) -> bool:
    """Whether a text calls a function of R (or pymer4, or a procedure of SAS) that fits models."""
    return is_proc_mixed(text) or _CALL.search(text) is not None


def read_r_call(text: str) -> RCall:
    """Read the model call in a piece of R, pymer4 or SAS; nothing is run.

    Raises
    ------
    BadInput
        Where it cannot be read, or is a model that neither lmer nor MixedLM has: by name, with the
        reason.
    """
    if is_proc_mixed(text):
        formula, criterion, notes, factors, residual = read_proc_mixed(text)
        return RCall(formula, criterion, notes, factors, residual)
    found = _CALL.search(text)
    if found is None:
        raise BadInput("call: there is no model call in it")
    name = found["name"]
    if name in _REFUSED:
        raise BadInput(f"call: {name}() is not translated: {_REFUSED[name]}")
    if name == "Lmer" or (".fit(" in text[found.end() :] and "<-" not in text):
        return _pymer4(text, name)
    pieces, end = _pieces(text, found.end())
    again = _CALL.search(text, end)
    if again is not None:
        raise FormulaError("a second model; translate one at a time", text, again.start())
    given = _by_name(name, pieces)
    call = _READERS[name](given)
    before = _prepared(text[: found.start()], given.get("data", ""))
    return replace(call, notes=(*before, *call.notes))


def _pieces(text: str, start: int) -> tuple[list[str], int]:
    """Split the arguments of a call at its commas; also return where it ends."""
    pieces, depth, begin, quoted = [], 0, start, ""
    for at in range(start, len(text)):
        character = text[at]
        if quoted:
            quoted = "" if character == quoted else quoted
        elif character in "`\"'":
            quoted = character
        elif character in "([{":
            depth += 1
        elif character in ")]}" and depth:
            depth -= 1
        elif character in ",)" and not depth:
            pieces.append(text[begin:at].strip())
            begin = at + 1
            if character == ")":
                return [p for p in pieces if p], at
    raise FormulaError("this '(' is never closed", text, start - 1)


_NAMED = re.compile(r"([\w.]+)\s*=(?!=)\s*")


def _by_name(function: str, pieces: list[str]) -> dict[str, str]:
    """Give each argument its name as R does: whole names, beginnings of names, places."""
    places = _ARGUMENTS[function].split()
    given: dict[str, str] = {}
    unnamed = []
    for piece in pieces:
        named = _NAMED.match(piece)
        if named is None:
            unnamed.append(piece)
            continue
        begun = [p for p in places if p.startswith(named[1])]
        name = begun[0] if named[1] not in places and len(begun) == 1 else named[1]
        given[name] = piece[named.end() :]
    free = iter([p for p in places if p not in given])
    for piece in unnamed:
        given[next(free, f"argument {len(given) + 1}")] = piece
    return given


def _formula(given: Mapping[str, str], name: str, function: str) -> str:
    text = given.get(name, "").strip()
    if not text:
        raise BadInput(f"call: {function}() has no {name}")
    wrapped = re.fullmatch(r"(?:as\.)?formula\(\s*(.*?)\s*\)", text, re.DOTALL)
    text = wrapped[1] if wrapped else text
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    if "~" not in text:
        raise BadInput(
            f"call: {function}({name} = {text}): the formula is not written out in the call"
        )
    return re.sub(r"\b(?:base|stats|splines)\s*::\s*(?=\w+\s*\()", "", text)


def _flag(given: Mapping[str, str], name: str, default: str) -> bool:
    flag = given.get(name, default)
    if flag not in ("TRUE", "FALSE", "T", "F"):
        raise BadInput(f"call: {name} = {flag} is neither TRUE nor FALSE")
    return flag in ("TRUE", "T")


_SEARCH = (
    "control", "start", "verbose", "nAGQ", "se", "map", "sparseX", "mustart", "etastart",
)  # fmt: skip
_ABOUT_THE_OBJECT = ("model", "x", "y", "qr", "singular.ok", "keep.data")
_NA_ACTION = {
    "na.omit": "",
    "na.exclude": "residuals and fitted values get NA in the rows left out; the fit is the same",
    "na.fail": "R stops where a value is missing, as MixedLM does without missing='drop'",
    "na.pass": "R keeps rows with missing values, and lmer then stops",
}


def _others(function: str, given: Mapping[str, str], known: tuple[str, ...]) -> tuple[Trap, ...]:
    """Refuse what changes the model beyond translation; say the rest.

    Raises
    ------
    BadInput
        For weights and an offset that are no column.
    """
    for part in ("weights", "offset"):
        if given.get(part, "NULL") != "NULL":
            raise BadInput(
                f"call: {part} = {given[part]} is not translated: it is part of the model, and is "
                "read where it is a column; make one of the data"
            )
    return tuple(_said(function, given, known))


def _said(function: str, given: Mapping[str, str], known: tuple[str, ...]) -> Iterator[Trap]:
    left = {k: v for k, v in given.items() if v != "NULL" and k not in known}
    data = left.pop("data", "")
    if data and not re.fullmatch(r"\.?\w[\w.]*(?:::[\w.]+)?|`[^`]+`", data):
        yield Trap(
            "rows",
            f"data = {data} is not a table as it is: the calls shown must be given the rows and "
            "columns that this makes",
        )
    if "subset" in left:
        yield rows_trap(f"subset = {left.pop('subset')}", "the calls shown")
    if "contrasts" in left:
        yield Trap(
            "contrasts",
            f"contrasts = {left.pop('contrasts')}: not in the calls shown, which code factors "
            "against their first level. Other contrasts are the same model, but the coefficients "
            "mean other things and the REML log-likelihood differs by a constant; patsy writes "
            "them as C(f, Sum)",
        )
    action = left.pop("na.action", "na.omit")
    plain = action.strip("\"'").removeprefix("stats::")
    meaning = _NA_ACTION.get(plain, "not in the calls shown")
    if meaning:
        yield Trap("missing", f"na.action = {action}: {meaning}")
    if left.pop("devFunOnly", "FALSE") not in ("FALSE", "F") or left.pop("doFit", "TRUE") in (
        "FALSE",
        "F",
    ):
        yield Trap("not-translated", f"{function}() returns no fit here, the calls shown do")
    search = [f"{k} = {left.pop(k)}" for k in _SEARCH if k in left]
    if search:
        yield search_trap(search)
    unread = [f"{k} = {v}" for k, v in left.items() if k not in _ABOUT_THE_OBJECT]
    if unread:
        verb = "is" if len(unread) == 1 else "are"
        yield Trap("not-translated", f"{listed(unread)} {verb} not in the calls shown")


def _prepared(before: str, data: str) -> Iterator[Trap]:
    """Say which lines before the call make its data."""
    name = re.match(r"[\w.]+", data)
    if name is None:
        return
    making = re.compile(rf"^\s*{re.escape(name[0])}\s*(?:\$|\[|<-|=(?!=))")
    reading = re.compile(r"(?:<-|=)\s*(?:[\w.]+::)?(?:read|load|fread|data)[\w.]*\s*\(")
    steps = [
        line.strip()
        for line in re.split(r"[\n;]", before)
        if making.match(line) and not reading.search(line)
    ]
    if steps:
        yield Trap(
            "prepared-data",
            f"the data are prepared before the call ({'; '.join(steps)}), which the calls shown do "
            "not do: they must be given the table that this makes",
        )


def _lmer(given: Mapping[str, str]) -> RCall:
    reml = _flag(given, "REML", "TRUE")
    formula, rest = _with_known_parts(given, "lmer")
    return RCall(formula, "REML" if reml else "ML", _others("lmer", rest, ("formula", "REML")))


def _lm(given: Mapping[str, str]) -> RCall:
    formula, rest = _with_known_parts(given, "lm")
    return RCall(formula, "REML", _others("lm", rest, ("formula", "method")))


def _with_known_parts(given: Mapping[str, str], function: str) -> tuple[str, dict[str, str]]:
    """Write ``weights = w`` and ``offset = o`` into the formula; what they are else stays."""
    formula, rest = _formula(given, "formula", function), dict(given)
    for part in ("offset", "weights"):
        text = given.get(part, "NULL").strip()
        column = column_named(text)
        if part == "offset" and text != "NULL" and not re.search(r"[$\[\]~]", text):
            column = text  # arithmetic on columns
        if column:
            formula += f" + {part}({column})"
            del rest[part]
    return formula, rest


def _gaussian(function: str, given: Mapping[str, str], instead: str) -> None:
    family = given.get("family", "gaussian").strip("\"'").removeprefix("stats::")
    if not re.fullmatch(r"gaussian(\(\s*\)|\(\s*(link\s*=\s*)?[\"']?identity[\"']?\s*\))?", family):
        raise BadInput(
            f"call: {function}(family = {family}) is not translated: it is a generalised model, "
            f"{instead}"
        )


def _glmer(given: Mapping[str, str]) -> RCall:
    _gaussian(
        "glmer", given, "and MixedLM is for normal outcomes (BinomialBayesMixedGLM is no equal)"
    )
    formula, rest = _with_known_parts(given, "glmer")
    notes = _others("glmer", rest, ("formula", "family"))
    shortcut = Trap("glmer", "glmer() for a normal outcome hands the model to lmer(), by REML")
    return RCall(formula, "REML", (shortcut, *notes))


def _glmmtmb(given: Mapping[str, str]) -> RCall:
    _gaussian("glmmTMB", given, "and MixedLM and lmer are for normal outcomes")
    for part, default in (("ziformula", "0"), ("priors", "NULL")):
        value = given.get(part, default).replace(" ", "").lstrip("~")
        if value != default:
            raise BadInput(
                f"call: glmmTMB({part} = {given[part]}) is not translated: lmer and MixedLM "
                "have no such part"
            )
    if given.get("weights", "NULL") != "NULL":
        raise BadInput(
            f"call: glmmTMB(weights = {given['weights']}) is not translated: these multiply the "
            "log-likelihood of a row, which is no linear mixed model; a residual variance of s2 / "
            "w is dispformula = ~ 1 + offset(-log(w)) there"
        )
    formula, rest = _with_known_parts(given, "glmmTMB")
    formula, residual, notes = glmmtmb_residual(formula, given.get("dispformula", "~ 1"))
    structure = re.search(r"\b(ou|toep|homtoep|mat|exp|gau|rr|propto|equalto)\s*\(", formula)
    if structure is not None:
        raise BadInput(
            f"call: glmmTMB's {structure[1]}() is not translated; known are "
            f"{', '.join(['us', *STRUCTURES])}"
        )
    reml = _flag(given, "REML", "FALSE")
    known = ("formula", "family", "REML", "ziformula", "dispformula", "priors")
    notes = (*notes, *_others("glmmTMB", rest, known))
    return RCall(formula, "REML" if reml else "ML", notes, residual=residual)


def _lme(given: Mapping[str, str]) -> RCall:
    formula, residual, notes = lme_formula(_formula(given, "fixed", "lme"), given)
    rest = _others(
        "lme", _less_weights(given), ("fixed", "random", "method", "correlation", "weights")
    )
    return RCall(formula, _method(given), (*notes, *rest, NLME), residual=residual)


def _gls(given: Mapping[str, str]) -> RCall:
    formula, residual, notes = gls_formula(_formula(given, "model", "gls"), given)
    rest = _others("gls", _less_weights(given), ("model", "method", "correlation", "weights"))
    return RCall(formula, _method(given), (*notes, *rest), residual=residual)


def _less_weights(given: Mapping[str, str]) -> dict[str, str]:
    """Variance functions, which are read with the correlation."""
    return {name: text for name, text in given.items() if name != "weights"}


def _method(given: Mapping[str, str]) -> Criterion:
    method = given.get("method", "REML").strip("\"'")
    if method not in ("REML", "ML"):
        raise BadInput(f"call: method = {method} is neither REML nor ML")
    return "REML" if method == "REML" else "ML"


def _mmrm(given: Mapping[str, str]) -> RCall:
    formula, residual, notes = mmrm_formula(_formula(given, "formula", "mmrm"), given)
    reml = _flag(given, "reml", "TRUE")
    rest = _others("mmrm", _less_weights(given), ("formula", "reml", "covariance"))
    return RCall(formula, "REML" if reml else "ML", (*notes, *rest), residual=residual)


_READERS: dict[str, Callable[[Mapping[str, str]], RCall]] = {
    "lmer": _lmer,
    "lm": _lm,
    "glmer": _glmer,
    "glmmTMB": _glmmtmb,
    "lme": _lme,
    "gls": _gls,
    "mmrm": _mmrm,
}


def _pymer4(text: str, name: str) -> RCall:
    """Read ``Lmer("y ~ x + (1|g)", data=d).fit(...)`` of pymer4, which calls lmer."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise BadInput(f"call: {name}(...): not Python: {error.msg}") from None
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    models = [n for n in calls if _called(n) == name]
    fits = [n for n in calls if _called(n) == "fit"]
    if len(models) != 1 or len(fits) > 1:
        raise BadInput(f"call: {name}(...): translate one model at a time")
    places = ("formula", "data", "family")
    given = dict(zip(places, map(ast.unparse, models[0].args), strict=False))
    options: dict[str, str] = {}
    for keywords, taken in ((models[0].keywords, given), *((f.keywords, options) for f in fits)):
        taken |= {k.arg or "**": ast.unparse(k.value) for k in keywords}
    _gaussian(name, given, "and MixedLM is for normal outcomes")
    reml = options.pop("REML", given.pop("REML", "True"))
    if reml not in ("True", "False"):
        raise BadInput(f"call: REML={reml} is neither True nor False")
    quiet = ("summarize", "verbose", "conf_int", "n_jobs")
    left = {k: v for k, v in options.items() if k not in quiet and v not in ("None", "False")}
    notes = []
    for key in ("factors", "ordered"):
        if key in left:
            notes.append(
                Trap(
                    "contrasts",
                    f"{key}={left.pop(key)} makes factors and chooses their contrasts, which the "
                    "calls shown do not",
                )
            )
    given |= left
    notes += _others(name, given, ("formula", "family"))
    return RCall(_formula(given, "formula", name), "REML" if reml == "True" else "ML", tuple(notes))


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
