"""Certified values: what is stored for a rung, and how it is read.

Files are TOML under ``fixtures/certified``, one per rung, numbers as strings of 20 significant
digits. Nothing here needs the extra ``[certify]``.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from harness.base.resources import fixture
from harness.model.design import Design

Strings = tuple[str, ...]


@dataclass(frozen=True)
class CertifiedTerm:
    """One random-effects term: Psi in squared units of the outcome.

    Attributes
    ----------
    rank : int
        Rank of Psi, proved.
    correlation : q x q
        Empty where a variance is zero.
    """

    group: str
    names: Strings
    rank: int
    covariance: tuple[Strings, ...]
    sd: Strings
    correlation: tuple[Strings, ...]


@dataclass(frozen=True)
class Certified:
    """Certified values of one model.

    Attributes
    ----------
    estimates, se, df, t, p : dict
        By fixed effect, as named in the design: GLS estimates, root of the diagonal of
        (X'V^-1 X)^-1, Satterthwaite's df (n - p for least squares), t and two-sided p.
    kr_se, kr_df, kr_t, kr_p : dict
        Kenward and Roger's, empty where they are not defined (``kenward_roger`` says why).
    variances, sd : dict
        By ``"Subject/Days"``, and ``"residual"``.
    theta : tuple
        lme4's, terms in the order of the formula.
    residual : dict
        Parameters of the residual covariance by name; empty without one.
    design : str
        SHA-256 of the matrices that the values belong to, see :func:`design_sha256`.
    certificate : dict
        What was proved; the README of ``fixtures/certified`` explains its entries.
    provenance : dict
        Data, program and routes.
    """

    rung: str
    formula: str
    criterion: str
    loglik: str
    estimates: dict[str, str]
    se: dict[str, str]
    df: dict[str, str]
    t: dict[str, str]
    p: dict[str, str]
    kr_se: dict[str, str]
    kr_df: dict[str, str]
    kr_t: dict[str, str]
    kr_p: dict[str, str]
    kenward_roger: str
    residual_variance: str
    residual_sd: str
    theta: Strings
    random: tuple[CertifiedTerm, ...]
    design: str
    certificate: dict[str, Any]
    provenance: dict[str, Any]
    residual: dict[str, str]

    @property
    def variances(self) -> dict[str, str]:
        """Variance of every random effect, and of the residuals."""
        out = {
            f"{term.group}/{name}": term.covariance[i][i]
            for term in self.random
            for i, name in enumerate(term.names)
        }
        return {**out, "residual": self.residual_variance}

    @property
    def sd(self) -> dict[str, str]:
        """Standard deviation of every random effect, and of the residuals."""
        out = {
            f"{term.group}/{name}": sd
            for term in self.random
            for name, sd in zip(term.names, term.sd, strict=True)
        }
        return {**out, "residual": self.residual_sd}


def file_name(rung_id: str) -> str:
    """Return the name of a rung's file."""
    return rung_id.replace("/", "_") + ".toml"


def load_certified(rung_id: str, design: Design | None = None) -> Certified | None:
    """Return what is certified for a rung, or None when nothing is.

    Parameters
    ----------
    design : Design, optional
        With it, None also when the stored values belong to other matrices: the data have been
        changed since, or another model goes by that id.
    """
    try:
        path = fixture("certified", file_name(rung_id))
    except FileNotFoundError:
        return None
    found = parse_certified(path.read_text(encoding="utf-8"))
    if design is not None and found.design != design_sha256(design):
        return None
    return found


def certified_of(design: Design, criterion: str) -> Certified | None:
    """Return what is certified for a model, whichever rung it is of; None when nothing is."""
    name = _files().get((design_sha256(design), criterion))
    if name is None:
        return None
    return parse_certified(fixture("certified", name).read_text(encoding="utf-8"))


@cache
def _files() -> dict[tuple[str, str], str]:
    """Return the files of certified values by the design they belong to, and the criterion."""
    found = {}
    for path in sorted(fixture("certified").glob("*.toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        found[content["provenance"]["design_sha256"], content["criterion"]] = path.name
    return found


def parse_certified(text: str) -> Certified:
    """Read the text of a file of certified values."""
    content = tomllib.loads(text)
    fixed = content["fixed"]

    def column(name: str) -> dict[str, str]:
        return {row["name"]: row[name] for row in fixed if name in row}

    return Certified(
        rung=content["rung"],
        formula=content["formula"],
        criterion=content["criterion"],
        loglik=content["loglik"],
        estimates=column("estimate"),
        se=column("se"),
        df=column("df"),
        t=column("t"),
        p=column("p"),
        kr_se=column("kr_se"),
        kr_df=column("kr_df"),
        kr_t=column("kr_t"),
        kr_p=column("kr_p"),
        kenward_roger=content["kenward_roger"],
        residual_variance=content["residual_variance"],
        residual_sd=content["residual_sd"],
        theta=tuple(content["theta"]),
        random=tuple(
            CertifiedTerm(
                group=term["group"],
                names=tuple(term["names"]),
                rank=term["rank"],
                covariance=tuple(map(tuple, term["covariance"])),
                sd=tuple(term["sd"]),
                correlation=tuple(map(tuple, term["correlation"])),
            )
            for term in content.get("random", [])
        ),
        design=content["provenance"]["design_sha256"],
        certificate=content["certificate"],
        provenance=content["provenance"],
        residual={row["name"]: row["value"] for row in content.get("residual_parameter", [])},
    )


def design_sha256(design: Design) -> str:
    """Checksum of what the likelihood depends on: doubles of y, X and Z, codes of the groups.

    With weights or a residual covariance those too.
    """
    digest = hashlib.sha256()
    arrays: list[tuple[np.ndarray, str]] = [(design.y, "<f8"), (design.x, "<f8")]
    for term in design.random:
        arrays += [(term.z, "<f8"), (term.codes, "<i4")]
    if design.weights is not None:
        arrays.append((design.weights, "<f8"))
    if design.residual is not None:
        own = design.residual
        digest.update(f"{own.structure};{';'.join(own.names)};".encode())
        arrays += [(own.group, "<i4"), (own.position, "<f8"), *((c, "<i4") for c in own.strata)]
    for array, kind in arrays:
        digest.update(f"{kind}{array.shape};".encode())
        # Adding zero turns -0.0, which prints differently but is the same number, to 0.0.
        digest.update(np.ascontiguousarray(array + 0, dtype=kind).tobytes())
    return digest.hexdigest()
