"""What a notebook calls: ``diagnose`` of a formula or a fit, ``audit`` of printed numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from harness.base.errors import BadInput
from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.user_engines import USER_ENGINES

if TYPE_CHECKING:
    import pandas as pd

    from harness.data.rungs import Rung
    from harness.diagnose.given import Given
    from harness.diagnose.user_engines import Opened
    from harness.judge.listing_verdict import ListingVerdict
    from harness.judge.records import CaseRecord


@dataclass(frozen=True)
class Asked:
    """What was diagnosed, and how, so that it can be done again."""

    rung: Rung
    engines: tuple[str, ...]
    given: Given | None
    alpha: float
    quick: bool
    pictures: bool
    timeout: float

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Open the engines; a fit that was given stands for that of its engine."""
        from harness.diagnose.user_engines import opened

        with opened(self.engines, timeout=self.timeout) as found:
            given = self.given
            if given is None:
                yield found
            else:
                running = tuple(
                    given.engine(e) if e.name == given.fit.engine else e for e in found.running
                )
                yield replace(found, running=running, given=given)

    def diagnosed(self, rung: Rung, ready: Opened) -> Diagnosis:
        """Diagnose a case as asked."""
        from harness.diagnose.pipeline import diagnose

        found = diagnose(rung, ready, alpha=self.alpha, quick=self.quick, pictures=self.pictures)
        if self.given is None or rung is not self.rung:
            return found
        case = msgspec.structs.replace(found.case, spelling=self.given.spelling())
        return msgspec.structs.replace(
            found,
            case=case,
            questions=self.given.questions,
            notes=(*self.given.notes, *found.notes),
        )


@dataclass(frozen=True, repr=False)
class Diagnosed:
    """A diagnosis that shows itself: as HTML in a notebook, as text where it is printed.

    Attributes
    ----------
    diagnosis : Diagnosis
        Everything that was found, with all numbers.
    asked : Asked
        What was diagnosed, and how.
    """

    diagnosis: Diagnosis
    asked: Asked

    @property
    def agreement(self) -> str:
        """``agree``, ``differ``, ``one engine`` or ``no fit``."""
        return self.diagnosis.agreement

    @property
    def answer(self) -> tuple[str, ...]:
        """The answer in plain sentences."""
        return self.diagnosis.answer

    @property
    def causes(self) -> tuple[str, ...]:
        """Keys of the causes that hold, the main one first."""
        return tuple(cause.key for cause in self.diagnosis.causes)

    @property
    def data(self) -> pd.DataFrame:
        """The table that the code shown is for: the user's, or the columns of a result's design."""
        return self.asked.rung.data.frame.copy()

    def write(self, folder: str | Path) -> Path:
        """Write ``diagnosis.html`` and ``diagnosis.json``; returns the path of the page."""
        from harness.page.html.diagnosis_page import write_diagnosis

        return write_diagnosis(self.diagnosis, Path(folder))

    def bundle(
        self, folder: str | Path, *, anonymise: bool = False, seed: int | None = None
    ) -> Path:
        """Write what shows the case to anyone: data, a script for each language, record, diagnosis.

        Parameters
        ----------
        folder : path
            A new one.
        anonymise : bool
            Write other names, labels and units, checked to leave the diagnosis what it is.
        seed : int, optional
            For the units drawn; whoever knows it can undo them.

        Raises
        ------
        BadInput
            When the folder is taken, or the data cannot be anonymised; nothing is written then.
        """
        from harness.diagnose.anonymous import hidden
        from harness.page.bundle.bundle_folder import require_free
        from harness.page.html.diagnosis_bundle import write_diagnosis_bundle

        path, asked = Path(folder), self.asked
        require_free(path)
        with asked.opened() as ready:
            rung, found, key = asked.rung, self.diagnosis, None
            if anonymise:
                other = hidden(
                    rung, found, ready, lambda case: asked.diagnosed(case, ready), seed=seed
                )
                rung, found, key = other.rung, other.found, other.key
            return write_diagnosis_bundle(path, rung, found, ready, key=key).directory

    def __repr__(self) -> str:
        return "\n".join([self.diagnosis.case.formula, *self.diagnosis.answer])

    def __str__(self) -> str:
        from io import StringIO

        from rich.console import Console

        from harness.page.diagnosis_layout import diagnosis_page
        from harness.page.terminal_page import print_page

        text = StringIO()
        print_page(diagnosis_page(self.diagnosis), Console(file=text, width=100, highlight=False))
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

    def _repr_html_(self) -> str:
        from harness.page.html.diagnosis_page import notebook_html

        return notebook_html(self.diagnosis)


def diagnose(
    model: Any,
    data: pd.DataFrame | None = None,
    *,
    formula: str = "",
    ml: bool = False,
    factors: Sequence[str] = (),
    levels: Mapping[str, Sequence[str]] | None = None,
    contrasts: Mapping[str, str] | None = None,
    weights: str = "",
    offset: str = "",
    residual: str = "",
    engines: Sequence[str] = USER_ENGINES,
    alpha: float = 0.05,
    quick: bool = False,
    pictures: bool = True,
    timeout: float = 120.0,
) -> Diagnosed:
    """Say whether Python and R agree on a mixed model, who is right, why, and what to do.

    Parameters
    ----------
    model : str, MixedLMResults, or R object
        A formula in lme4's syntax, with ``data``; or a fitted model, which is what is diagnosed: a
        result of statsmodels' ``MixedLM.fit``, or a model of ``lme4::lmer`` or ``lmerTest::lmer``
        held by rpy2.
    data : DataFrame
        With a formula; and with a result of statsmodels where the result has not kept all columns
        of its data, as after ``missing="drop"``.
    formula : str
        With a result of statsmodels: the model that it is meant to be, in lme4's syntax. The
        diagnosis then says whether it is.
    ml, factors, levels
        With a formula only: maximum likelihood instead of REML; numeric columns to be treated as
        factors; level order of factors, the first is the reference.
    contrasts, weights, offset
        With a formula only: codings of factors, ``{"f": "sum"}`` (also ``"helmert"``, ``"poly"``,
        ``"SAS"``, ``"treatment:b"``); the column of weights, the residual variance of a row being
        s2 / w; the column of a known part of the outcome.
    residual : str
        With a formula only: the covariance of the residuals, ``"ar1(visit | subject)"``; see
        :mod:`harness.model.residual`. Engines without say ``UNSUPPORTED``.
    engines : sequence of str
        ``"statsmodels"``, ``"lme4"``, ``"referee"``, any other engine of the registry, or
        ``"module:attribute"``. lme4 is the reference where it is among them; without R the
        diagnosis is of the others.
    alpha : float
        Level at which a p value decides a conclusion.
    quick : bool
        Leave out the table of all optimizers.
    pictures : bool
        Compute profiles, a contour and intervals.
    timeout : float
        Seconds a fit in R may take.

    Returns
    -------
    Diagnosed

    Raises
    ------
    BadInput
        In one line, for a formula, column, fit or option that cannot be used.
    EnvironmentProblem
        When lme4 alone is asked for and R is not there.

    Examples
    --------
    >>> from harness import diagnose
    >>> diagnose("Reaction ~ Days + (Days | Subject)", frame)               # doctest: +SKIP
    >>> result = smf.mixedlm("Reaction ~ Days", frame, groups="Subject",
    ...                      re_formula="~Days").fit()                      # doctest: +SKIP
    >>> diagnose(result)                                                    # doctest: +SKIP
    """
    import pandas as pd

    from harness.engines.registry import require_known
    from harness.spelling.formula_options import formula_with

    wanted = tuple(dict.fromkeys([engines] if isinstance(engines, str) else engines))
    if not wanted:
        raise BadInput("name one engine at least")
    for name in wanted:
        require_known(name)
    if not 0.0 < alpha < 1.0:
        raise BadInput(f"alpha must lie between 0 and 1, not {alpha}")
    if isinstance(model, str):
        if formula:
            raise BadInput("two formulas: formula= says what a fitted model is meant to be")
        written = formula_with(model, contrasts=contrasts, weights=weights, offset=offset)
        given, rung = None, _rung(written, data, ml, factors, levels, residual)
    else:
        if ml or factors or levels or contrasts or weights or offset or residual:
            raise BadInput(
                "a fitted model has its criterion and factors: give no ml, factors, levels, "
                "contrasts, weights, offset, residual"
            )
        if data is not None and not isinstance(data, pd.DataFrame):
            raise BadInput(f"the data are a pandas DataFrame, not {type(data).__name__}")
        given = _given(model, formula, data)
        rung = given.rung
        if given.fit.engine not in wanted:
            wanted = (given.fit.engine, *wanted)
    asked = Asked(rung, wanted, given, alpha, quick, pictures, timeout)
    with asked.opened() as ready:
        return Diagnosed(asked.diagnosed(rung, ready), asked)


def _rung(
    formula: str,
    data: Any,
    ml: bool,
    factors: Sequence[str],
    levels: Mapping[str, Sequence[str]] | None,
    residual: str = "",
) -> Rung:
    import pandas as pd

    from harness.data.own_table import frame_rung

    if data is None:
        raise BadInput("a formula needs its data: diagnose(formula, data)")
    if not isinstance(data, pd.DataFrame):
        raise BadInput(f"the data are a pandas DataFrame, not {type(data).__name__}")
    return frame_rung(
        data, formula, "ML" if ml else "REML", factors=factors, levels=levels, residual=residual
    )


def _given(model: Any, formula: str, data: pd.DataFrame | None) -> Given:
    from harness.diagnose.given import of_r
    from harness.diagnose.intended_model import as_asked, as_meant
    from harness.rbridge.failures import RFailure
    from harness.rbridge.foreign import is_r_object, take_apart

    if is_r_object(model):
        if formula or data is not None:
            raise BadInput(
                "formula= and data are for results of statsmodels; an R model has its own"
            )
        try:
            return of_r(take_apart(model))
        except RFailure as failure:
            raise BadInput(" ".join(str(failure).split())) from failure
    return as_meant(model, formula, data) if formula else as_asked(model, data)


@dataclass(frozen=True, repr=False)
class Audited:
    """An audit that shows itself as text.

    Attributes
    ----------
    verdict : ListingVerdict
        Every printed number judged, and every rule of df.
    record : CaseRecord
        The same as a record: the program an engine, its numbers statements.
    """

    verdict: ListingVerdict
    record: CaseRecord

    @property
    def right(self) -> bool:
        """Whether nothing printed is wrong."""
        return self.verdict.right

    def __repr__(self) -> str:
        from io import StringIO

        from rich.console import Console

        from harness.page.audit_layout import audit_page
        from harness.page.terminal_page import print_page

        text = StringIO()
        print_page(audit_page(self.verdict), Console(file=text, width=100, highlight=False))
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def audit(
    data: pd.DataFrame,
    formula: str,
    numbers: str | Path | Mapping[str, Any],
    *,
    factors: Sequence[str] = (),
    levels: Mapping[str, Sequence[str]] | None = None,
    contrasts: Mapping[str, str] | None = None,
    weights: str = "",
    offset: str = "",
    residual: str = "",
    alpha: float | None = None,
) -> Audited:
    """Say whether numbers that a program or a paper printed for a model are right.

    Parameters
    ----------
    data : DataFrame
    formula : str
        In lme4's syntax.
    numbers : path, str or mapping
        A TOML or CSV file, its text, or what it holds; printed numbers are texts, for their digits
        count.
        ``lmm-parity audit --template`` prints a form.
    factors, levels
        Numeric columns to be treated as factors; level order of factors, the first is the
        reference. Another reference of the listing is found.
    contrasts, weights, offset, residual
        As of :func:`diagnose`. With a residual covariance all is judged at the optimum.
    alpha : float, optional
        Level at which a p value decides a conclusion; else that of the listing, 1 less the level
        of its intervals, or 0.05.

    Raises
    ------
    BadInput
        In one line, for a formula, column, label or number that cannot be used.

    Examples
    --------
    >>> printed = {"coefficient": {"Days": {"estimate": "10.47", "se": "1.55"}}}
    >>> harness.audit(frame, "Reaction ~ Days + (Days | Subject)", printed)  # doctest: +SKIP
    """
    import pandas as pd

    from harness.data.datasets import Dataset
    from harness.judge.listing import listing_of, read_listing
    from harness.judge.listing_record import listing_record
    from harness.judge.listing_source import ListingSource
    from harness.judge.listing_verdict import judge_listing
    from harness.spelling.formula_options import as_asked, formula_with

    if alpha is not None and not 0.0 < alpha < 1.0:
        raise BadInput(f"alpha must lie between 0 and 1, not {alpha}")
    if isinstance(numbers, Mapping):
        listing = listing_of(numbers)
    elif isinstance(numbers, Path) or numbers.endswith((".toml", ".csv")):
        try:
            listing = read_listing(Path(numbers).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{numbers} cannot be read: {error}") from error
    else:
        listing = read_listing(numbers)
    if not isinstance(data, pd.DataFrame):
        raise BadInput(f"the data are a pandas DataFrame, not {type(data).__name__}")
    asked = as_asked(
        formula, contrasts=contrasts, weights=weights, offset=offset, residual=residual
    )
    source = ListingSource(
        Dataset("data", data, "a data frame"),
        formula_with(formula, contrasts=contrasts, weights=weights, offset=offset),
        (factors,) if isinstance(factors, str) else tuple(factors),
        {column: tuple(map(str, order)) for column, order in (levels or {}).items()},
        residual=residual,
        asked=asked,
    )
    verdict = judge_listing(listing, source, alpha=alpha)
    return Audited(verdict, listing_record(listing, verdict, source))
