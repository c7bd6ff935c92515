"""What is said to an engine in another process, and what it says back: one line of JSON each.

The harness speaks first and waits: ``start`` is answered by ``started``, ``fit`` by ``fitted`` or
``failed`` with the number of the fit, ``stop`` by the end of the process. JSON has no NaN and no
infinity: they are the strings ``"nan"``, ``"inf"`` and ``"-inf"``; ``null`` is what is not stated.
``lmm-parity schema engine`` prints the JSON Schema of all of it.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from harness.base.json import Real, schema_of
from harness.engines.engine import Coefficient, Message, RandomTerm, Setting, TermTest
from harness.model.model import Criterion

PROTOCOL = 1
"""Version of the messages. A program that speaks another is refused at its start."""

Cell = Real | None
"""A number of a column, null where it is missing."""


class Start(msgspec.Struct, frozen=True, tag="start"):
    """The first message: which protocol is spoken, and by which version of this program."""

    protocol: int
    harness: str


class Started(msgspec.Struct, frozen=True, tag="started", kw_only=True):
    """The answer to ``start``: who answers, and what it means by what it states.

    Attributes
    ----------
    versions : dict of str to str
        Of everything the numbers depend on, by component.
    build : str
        What changes whenever the numbers may, beyond versions: a digest of the sources. Fits are
        stored only of a program that states it.
    definitions : dict of str to str
        By quantity, as :attr:`harness.engines.engine.Fit.definitions`; for all fits, unless a fit
        states its own.
    rows : {"complete", "all"}
        Whether it is sent the complete rows, or also those with missing values.
    wants : tuple of {"design"}
        Whether it is sent the design matrices besides table and formula.
    settings : tuple
        Without ``"tight"`` its default fit stands for both settings.
    takes : tuple of {"weights"}
        Which parts of a model it can be given that not every program knows; it is not asked for a
        fit with others.
    residuals : tuple of str
        Residual covariances that it can fit: structures of :class:`SentResidual`, ``"het"`` for
        variances by strata. It is asked for no others.
    """

    protocol: int
    name: str
    versions: dict[str, str]
    build: str = ""
    definitions: dict[str, str] = {}
    rows: Literal["complete", "all"] = "complete"
    wants: tuple[Literal["design"], ...] = ()
    settings: tuple[Setting, ...] = ("default",)
    takes: tuple[Literal["weights"], ...] = ()
    residuals: tuple[str, ...] = ()
    structures: tuple[str, ...] = ()


class Numbers(msgspec.Struct, frozen=True, tag="number", tag_field="kind"):
    """A numeric column."""

    name: str
    values: tuple[Cell, ...]


class Factor(msgspec.Struct, frozen=True, tag="factor", tag_field="kind"):
    """A factor: its levels in their order, and for each row an index from 0, -1 where missing."""

    name: str
    levels: tuple[str, ...]
    codes: tuple[int, ...]


class SentTable(msgspec.Struct, frozen=True):
    """The columns of the model, called ``v1``, ``v2``, ...; labels of levels are the user's."""

    rows: int
    columns: tuple[Numbers | Factor, ...]


class SentTerm(msgspec.Struct, frozen=True):
    """A random-effects term: ``||`` and ``/`` are taken apart already.

    Attributes
    ----------
    group : str
        ``"v3:v5"`` for an interaction, whose levels are joined by a colon, the first factor's
        slowest; those that occur are levels.
    factors : tuple of str
        The columns that make the group.
    effects : tuple of str
        ``("Intercept", "v2")``.
    structure : str
        Of their covariance matrix: ``"diag"``, ``"homdiag"``, ``"cs"``, ``"homcs"``, ``"ar1"`` or
        ``"hetar1"``; empty where it is unstructured.
    """

    group: str
    factors: tuple[str, ...]
    effects: tuple[str, ...]
    structure: str = ""


class SentResidual(msgspec.Struct, frozen=True):
    """The residual covariance on the rows that are used.

    Attributes
    ----------
    structure : str
        ``"ar1"``, ``"car1"``, ``"cs"``, ``"toep"``, ``"corr"`` (one variance), ``"us"`` (its first
        strata are the visits), or empty: not correlated.
    text : str
        As it is written, ``"ar1(v3 | v2) + het(v4)"``.
    group : tuple of int
        Of each row: rows of different groups are independent.
    position : tuple of float
        Of each row: its time, or the number of its visit.
    strata : tuple of tuple of int
        For each factor of variances the level of each row from 0, the first the reference.
    parameters : tuple of str
        What the answer states in ``residual``: correlations, then ratios of standard deviations to
        that of the first level of each strata.
    """

    structure: str
    text: str
    group: tuple[int, ...]
    position: tuple[float, ...]
    strata: tuple[tuple[int, ...], ...]
    parameters: tuple[str, ...]


class SentModel(msgspec.Struct, frozen=True):
    """The model in parts.

    Attributes
    ----------
    outcome : str
        A column, or arithmetic of columns.
    fixed : tuple of str, length p
        Columns of the fixed-effects matrix in treatment coding, the first level the reference:
        ``("Intercept", "v2", "v4[T.b]", "v2:v4[T.b]")``.
    """

    outcome: str
    intercept: bool
    fixed: tuple[str, ...]
    random: tuple[SentTerm, ...]
    residual: SentResidual | None = None


class SentDesignTerm(msgspec.Struct, frozen=True):
    """Z of a random-effects term, column by column, with the group of each row."""

    z: tuple[tuple[float, ...], ...]
    codes: tuple[int, ...]
    levels: tuple[str, ...]


class SentDesign(msgspec.Struct, frozen=True):
    """The design of the complete rows: y, X column by column, and the random-effects terms."""

    y: tuple[float, ...]
    x: tuple[tuple[float, ...], ...]
    random: tuple[SentDesignTerm, ...]


class FitRequest(msgspec.Struct, frozen=True, tag="fit", kw_only=True):
    """Fit this. ``formula`` is in lme4's language; ``criterion`` OLS means no random effects.

    An offset has been taken from the outcome. ``weights`` is the name of a column: the residual
    variance of a row is s2 / w, and the log-likelihood has all its constants.
    """

    id: int
    setting: Setting
    criterion: Criterion
    table: SentTable
    formula: str
    model: SentModel
    design: SentDesign | None = None
    weights: str | None = None


class Fitted(msgspec.Struct, frozen=True, tag="fitted", kw_only=True):
    """A fit, as the engine states it: what it does not state is null or left out.

    Attributes
    ----------
    coefficients : tuple of Coefficient
        Under the names of ``model.fixed``; or under the engine's own, with ``x``.
    x : tuple of columns, optional
        The engine's own fixed-effects matrix on the rows used, column by column, in the order of
        ``coefficients``: they are then matched by value.
    dropped : tuple of str
        Columns that it left out, being aliased.
    random : tuple of RandomTerm
        In any order; covariances in squared units of the outcome.
    residual : tuple of float
        Of ``model.residual.parameters``, in their order.
    fitted, residuals : tuple of float
        Random effects included; a number for each row used.
    term_tests : tuple of TermTest
        F tests of terms of the formula, ``"v2"``, ``"v2:v4"``; judged where ``definitions`` say
        ``term_tests`` ``type3-satterthwaite``.
    probes : dict of str to str
        What the program found out about the engine's run beyond its result, evidence for a cause
        by its name: ``score-sign`` of MixedLM. Of a failure, too.
    data_checksum : str
        MD5 of the table as it was received, see :meth:`harness.model.table.Table.checksum`; empty
        where the program computes none.
    seconds : float
        The fit's own time, without reading the message.
    """

    id: int
    n_obs: int
    coefficients: tuple[Coefficient, ...]
    residual_variance: Real
    residual: tuple[Real, ...] = ()
    fitter: str = ""
    x: tuple[tuple[Real, ...], ...] | None = None
    dropped: tuple[str, ...] = ()
    random: tuple[RandomTerm, ...] = ()
    loglik: Real | None = None
    aic: Real | None = None
    bic: Real | None = None
    df_residual: Real | None = None
    fitted: tuple[Real, ...] | None = None
    residuals: tuple[Real, ...] | None = None
    converged: bool | None = None
    singular: bool | None = None
    settings: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    term_tests: tuple[TermTest, ...] = ()
    definitions: dict[str, str] = {}
    probes: dict[str, str] = {}
    data_checksum: str = ""
    seconds: float = 0.0


class Failed(msgspec.Struct, frozen=True, tag="failed", kw_only=True):
    """No fit: the engine cannot express the model, rejects the data, or went wrong."""

    id: int
    reason: Literal["unsupported", "refused", "error"]
    text: str
    messages: tuple[Message, ...] = ()
    probes: dict[str, str] = {}


class StopRequest(msgspec.Struct, frozen=True, tag="stop"):
    """The last message; the process is to end."""


ToEngine = Start | FitRequest | StopRequest
FromEngine = Started | Fitted | Failed


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the messages, those to the engine and those from it."""
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Messages to an engine in another process and from it, version {PROTOCOL}",
    }
    return about | schema_of(ToEngine | FromEngine)
