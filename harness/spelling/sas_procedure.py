"""Read SAS's PROC MIXED, as text: its model in lme4's formula and what else it says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.base.errors import BadInput
from harness.model.model import Criterion
from harness.spelling.trap import Trap, listed

_START = re.compile(r"\bproc\s+(h?p?mixed|glimmix|nlmixed)\b([^;]*);", re.IGNORECASE)
_COMMENT = re.compile(r"/\*.*?\*/|(?:^|(?<=;))\s*\*[^;]*;", re.DOTALL)
_QUESTIONS = (
    "lsmeans",
    "lsmestimate",
    "estimate",
    "contrast",
    "ods",
    "store",
    "slice",
    "id",
    "prior",
)

_Read = tuple[str, Criterion, tuple[Trap, ...], tuple[str, ...], str]


def is_proc_mixed(text: str) -> bool:
    """Whether a text holds a procedure of SAS for mixed models."""
    return _START.search(text) is not None


def read_proc_mixed(text: str) -> _Read:
    """Return formula, criterion, what else it says, columns of CLASS and residual covariance.

    Raises
    ------
    BadInput
        Where lmer cannot be given the model.
    """
    text = _COMMENT.sub(" ", text)
    start = _START.search(text)
    if start is None:
        raise BadInput("call: there is no PROC MIXED in it")
    name = start[1].upper()
    if name != "MIXED":
        raise BadInput(f"call: PROC {name} is not translated, PROC MIXED is")
    statements = _statements(text[start.end() :])
    options = _options(start[2])
    classes = tuple(
        word
        for kind, body in statements
        if kind == "class"
        for word in re.sub(r"\([^)]*\)|/.*", " ", body).split()
    )
    models = [body for kind, body in statements if kind == "model"]
    if len(models) != 1:
        raise BadInput("call: PROC MIXED has no MODEL statement, or several")
    for kind, body in statements:
        if kind == "parms":
            raise BadInput(f"call: PARMS {body} is not translated")
    outcome, fixed, intercept = _model(models[0], classes)
    terms: list[str] = []
    notes: list[Trap] = []
    residual = ""
    for kind, body in statements:
        if kind == "random":
            terms += _random(body, classes)
        elif kind == "repeated":
            weighted = any(kind == "weight" for kind, _ in statements)
            made, said, residual = _repeated(body, classes, weighted=weighted)
            terms += made
            notes += said
        elif kind == "weight":
            terms.append(f"weights({body.strip()})")
    method = options.get("method", "reml")
    if method not in ("reml", "ml"):
        raise BadInput(f"call: METHOD={method.upper()} is not translated; lmer has REML and ML")
    parts = ["1" if intercept else "0", *fixed]
    formula = f"{outcome} ~ {' + '.join([*(parts[1:] if intercept and fixed else parts), *terms])}"
    notes = [*_said(statements, options, models[0], classes), *notes]
    return formula, "REML" if method == "reml" else "ML", tuple(notes), (), residual


def _statements(text: str) -> list[tuple[str, str]]:
    found = []
    for statement in text.split(";"):
        kind, _, body = " ".join(statement.split()).partition(" ")
        if kind.lower() in ("run", "quit", "proc", "data"):
            break
        if kind:
            found.append((kind.lower(), body))
    return found


def _options(text: str) -> dict[str, str]:
    found = {}
    for name, value in re.findall(
        r"([\w]+)(?:\s*=\s*('[^']*'|\([^)]*\)|\w+\(\w+\)|[^\s()]+))?", text
    ):
        found[name.lower()] = value.lower()
    return found


def _divided(body: str) -> tuple[str, str]:
    effects, _, options = body.partition("/")
    return effects.strip(), options.strip()


def _column(word: str, classes: tuple[str, ...]) -> str:
    known = {c.lower(): c for c in classes}
    return f"factor({known[word.lower()]})" if word.lower() in known else word


def _effect(text: str, classes: tuple[str, ...]) -> str:
    """Write ``a*x``, ``a|x`` or ``b(a)`` in R's language."""
    nested = re.fullmatch(r"([^()]+)\(([^()]+)\)", text)
    if nested:
        inside = [*nested[1].split("*"), *re.split(r"[\s*]+", nested[2].strip())]
        return ":".join(_column(w.strip(), classes) for w in inside)
    if "@" in text or "(" in text:
        raise BadInput(f"call: the effect {text} of PROC MIXED is not read")
    if "|" in text:
        return "*".join(_effect(part.strip(), classes) for part in text.split("|"))
    return ":".join(_column(w.strip(), classes) for w in text.split("*"))


def _words(text: str) -> list[str]:
    """Split a list of effects; blanks around ``*`` and ``|`` and before ``(`` do not split."""
    return (
        re.sub(r"\s+(?=\()", "", re.sub(r"\s*([*|])\s*", r"\1", text)).split()
        if ("(" not in text)
        else re.findall(r"[^\s()]+(?:\([^)]*\))?", re.sub(r"\s*([*|])\s*", r"\1", text))
    )


def _model(body: str, classes: tuple[str, ...]) -> tuple[str, list[str], bool]:
    outcome, equals, right = body.partition("=")
    if not equals:
        raise BadInput(f"call: MODEL {body}: write MODEL outcome = effects")
    effects, options = _divided(right)
    fixed = [_effect(word, classes) for word in _words(effects)]
    return outcome.strip(), fixed, "noint" not in options.lower().split()


def _random(body: str, classes: tuple[str, ...]) -> Iterator[str]:
    effects, text = _divided(body)
    options = _options(text)
    if "group" in options:
        raise BadInput("call: RANDOM / GROUP= is not translated: lmer has one variance for all")
    kind = options.get("type", "vc")
    words = _words(effects)
    subject = re.search(r"sub(?:ject)?\s*=\s*([\w*]+(?:\s*\([^)]*\))?)", text, re.IGNORECASE)
    if subject is None:
        if kind != "vc":
            raise BadInput(f"call: RANDOM / TYPE={kind.upper()} without SUBJECT= is not translated")
        for word in words:
            atoms = re.findall(r"\w+", word)
            if "|" in word or not all(a.lower() in {c.lower() for c in classes} for a in atoms):
                raise BadInput(
                    f"call: RANDOM {word} without SUBJECT= is not translated unless it is of CLASS "
                    "variables"
                )
            yield f"(1 | {_plain(_effect(word, classes))})"
        return
    group = _plain(_effect(re.sub(r"\s+", "", subject[1]), classes))
    numbers = [w for w in words if w.lower() not in ("int", "intercept")]
    intercept = len(numbers) < len(words)
    factors = [
        w
        for w in numbers
        if any(a.lower() in {c.lower() for c in classes} for a in re.findall(r"\w+", w))
    ]
    if kind == "vc":
        # One variance for all the levels of a factor: it is a group of its own.
        if intercept:
            yield f"(1 | {group})"
        for word in numbers:
            if word in factors:
                atoms = re.findall(r"\w+", word)
                if not all(a.lower() in {c.lower() for c in classes} for a in atoms):
                    raise BadInput(f"call: RANDOM {word} is not translated: a slope by levels")
                yield f"(1 | {group}:{_plain(_effect(word, classes))})"
            else:
                yield f"(0 + {_effect(word, classes)} | {group})"
        return
    if kind not in _RANDOM:
        raise BadInput(
            f"call: RANDOM / TYPE={kind.upper()} is not translated: known are "
            f"{', '.join(map(str.upper, _RANDOM))}"
        )
    shown = [_effect(w, classes) for w in numbers]
    yield f"{_RANDOM[kind]}({' + '.join(['1' if intercept else '0', *shown])} | {group})"


_RANDOM = {
    "un": "",
    "unr": "",
    "fa0(2)": "",
    "chol": "",
    "un(1)": "diag",
    "cs": "homcs",
    "csh": "cs",
    "ar(1)": "ar1",
    "arh(1)": "hetar1",
}

_REPEATED = {
    "ar(1)": "ar1",
    "arh(1)": "ar1",
    "csh": "cs",
    "toep": "toep",
    "toeph": "toep",
    "un": "us",
    "unr": "us",
}
_BY_VISIT = ("arh(1)", "csh", "toeph")


def _plain(text: str) -> str:
    return re.sub(r"factor\((\w+)\)", r"\1", text)


def _repeated(
    body: str, classes: tuple[str, ...], *, weighted: bool
) -> tuple[list[str], list[Trap], str]:
    """Return random terms, what is said of them, and the residual covariance.

    WEIGHT scales the whole covariance of REPEATED, so that TYPE=CS is no random intercept then.
    """
    visit, text = _divided(body) if "/" in body else ("", body)
    options = _options(text)
    kind = options.get("type", "vc")
    subject = re.search(r"sub(?:ject)?\s*=\s*(\w+)\b(?!\s*[(*])", text, re.IGNORECASE)
    if kind == "vc" and "group" not in options:
        return [], [], ""
    group = re.search(r"gr(?:ou)?p\s*=\s*(\w+)", text, re.IGNORECASE)
    if kind == "vc" and group is not None:
        return [], [], f"het({group[1]})"
    time = re.search(r"type\s*=\s*sp\(pow\)\s*\(\s*(\w+)\s*\)", text, re.IGNORECASE)
    if time is not None and subject is not None and group is None:
        return [], [], f"car1({time[1]} | {subject[1]})"
    if (kind in _REPEATED or (kind == "cs" and weighted)) and subject is not None and group is None:
        by_visit = kind in _BY_VISIT
        if visit or not by_visit:
            at = _column(visit, classes) if visit else "1"
            strata = f" + het({visit})" if by_visit else ""
            return [], [], f"{_REPEATED.get(kind, kind)}({at} | {subject[1]}){strata}"
    if kind == "cs" and subject is not None and "group" not in options:
        said = Trap(
            "compound-symmetry",
            f"TYPE=CS is (1 | {subject[1]}) where the correlation within {subject[1]} is not "
            "negative; a negative one, which it allows, lmer and MixedLM put at zero",
        )
        return [f"(1 | {subject[1]})"], [said], ""
    what = f"TYPE={kind.upper()}" if "type" in options else "GROUP="
    raise BadInput(
        f"call: REPEATED / {what} is not translated: known are TYPE=CS, CSH, AR(1), ARH(1), TOEP, "
        "TOEPH, UN and SP(POW)(time) of one SUBJECT=, and GROUP= without TYPE="
    )


def _said(
    statements: list[tuple[str, str]],
    options: dict[str, str],
    model: str,
    classes: tuple[str, ...],
) -> Iterator[Trap]:
    for kind, body in statements:
        if kind in ("where", "by"):
            what = "chooses the rows" if kind == "where" else "fits each part of the rows by itself"
            yield Trap("rows", f"{kind.upper()} {body} {what}, which the calls shown do not")
    asked = list(dict.fromkeys(k.upper() for k, _ in statements if k in _QUESTIONS))
    known = ("class", "model", "random", "repeated", "where", "by", "weight", "parms", *_QUESTIONS)
    asked += list(dict.fromkeys(k.upper() for k, _ in statements if k not in known))
    if asked:
        verb = "is" if len(asked) == 1 else "are"
        yield Trap("not-translated", f"{listed(asked)} {verb} not in the calls shown")
    if "nobound" in options:
        yield Trap(
            "negative-variances",
            "NOBOUND lets variances be negative; lmer and MixedLM do not",
        )
    if classes:
        yield Trap(
            "other-reference-level",
            "SAS takes the last level of a CLASS variable as the reference, R and patsy the first: "
            "the same model and log-likelihood, with coefficients that mean other things",
        )
    method = re.search(r"ddfm\s*=\s*(\w+)", model, re.IGNORECASE)
    rule = method[1].upper() if method else "containment, SAS's default"
    if not method or not rule.startswith("SAT"):
        yield Trap(
            "degrees-of-freedom",
            f"degrees of freedom: {rule} there, Satterthwaite in lmerTest, the normal distribution "
            "in statsmodels"
            + (" (harness.kenward_roger has Kenward and Roger's)" if rule.startswith("K") else ""),
        )
