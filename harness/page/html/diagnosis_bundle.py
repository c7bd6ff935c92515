"""The bundle of a diagnosis: the case for a maintainer, with what was found out about it."""

from __future__ import annotations

from pathlib import Path

from harness.base.json import encode
from harness.campaign.serial import Plan
from harness.data.anonymisation import Key
from harness.data.rungs import Rung
from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.user_engines import Opened
from harness.page.bundle.bundle_folder import Bundle, write_case
from harness.page.html.diagnosis_page import NAME, render_diagnosis


def write_diagnosis_bundle(
    directory: Path,
    rung: Rung,
    found: Diagnosis,
    with_engines: Opened,
    *,
    key: Key | None = None,
    timeout: float = 300.0,
) -> Bundle:
    """Write data, scripts, what they print, record, issue text and diagnosis; whole or not at all.

    Parameters
    ----------
    directory : Path
        A folder that does not exist yet, or an empty one.
    rung, found
        The case and its diagnosis; of an anonymised case both are of the anonymised one, with its
        ``key``.
    with_engines : Opened
        Engines that fitted, for their versions.
    timeout : float
        Seconds that a script may take.

    Raises
    ------
    BadInput
        When the folder is taken or cannot be written, or the data cannot be written as CSV.
    """
    plan = Plan(
        f"Diagnosis of {found.case.data.name}",
        (rung,),
        with_engines.running,
        settings=found.case.settings,
        command=found.command,
    )
    return write_case(
        directory,
        rung,
        found.case,
        plan,
        key=key,
        more={
            f"{NAME}.html": render_diagnosis(found).encode(),
            f"{NAME}.json": encode(found) + b"\n",
        },
        answer=found.answer,
        main=found.causes[0].title if found.causes else "",
        timeout=timeout,
    )
