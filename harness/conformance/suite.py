"""A run of the suite: what is checked, its records, how they are judged, what is kept of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.base.errors import BadInput
from harness.base.json import decode
from harness.base.resources import fixture
from harness.campaign.campaign_file import Campaign, Watcher, run_to_file
from harness.campaign.driver import cores, run_campaign
from harness.campaign.record_stream import RecordStream
from harness.campaign.setup import Setup
from harness.campaign.sources import ALL, Shard
from harness.campaign.worker_process import Done
from harness.conformance.expectations import Expectation, judge
from harness.conformance.profiles import PROFILES, SuiteProfile, new_seed, select
from harness.conformance.properties import PROPERTIES
from harness.conformance.regressions import Kept, keep, kept_cases
from harness.conformance.suite_result import OutcomeStanding, SuiteResult, by_kind
from harness.conformance.tasks import (
    Checks,
    Failing,
    KeptFailures,
    check_case,
    make_smaller,
    not_smaller,
    unfinished_check,
)
from harness.data.recipes.recipe_draw import collect
from harness.data.recipes.shapes import Recipe, build
from harness.engines.engine import Failure, Setting
from harness.engines.engine_spec import engine_label
from harness.judge.glance import Glance
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.records import Header
from harness.store.pack import PackedStore

MOST_KEPT = 10
"""Failures of a run that are made smaller and kept, one of each kind: the rest are alike."""

NOT_STORED = "no stored result"
"""How the failure of a fit begins that was to be replayed and is not stored."""


@dataclass(frozen=True)
class Suite:
    """What to check, and how.

    Attributes
    ----------
    engines : tuple of str
        Those that are checked; names as :func:`harness.engines.registry.open_engine` takes them.
    reference : str
        The one that they are compared with.
    examples, seed : int
        Generated cases, and what they are drawn from.
    properties : tuple of str
        Names of those that are checked.
    regressions : Path or None
        Folder of kept cases beside those that come with the program.
    generated_only : bool
        Leave out kept cases: each is there since some engine failed on it.
    settings : tuple
        In which every case is fitted.
    replay, verify : str
        File of packed fits in place of the reference; or that the reference has to give again.
    store : str or None
        Folder of the cache.
    """

    engines: tuple[str, ...]
    reference: str
    profile: SuiteProfile
    examples: int
    seed: int
    properties: tuple[str, ...]
    regressions: Path | None = None
    generated_only: bool = False
    settings: tuple[Setting, ...] = ("default", "tight")
    replay: str = ""
    verify: str = ""
    jobs: int = field(default_factory=cores)
    shard: Shard = ALL
    timeout: float = 120.0
    store: str | None = None
    command: str = ""

    @property
    def title(self) -> str:
        """Return what a report of it is called."""
        reference = engine_label(self.reference)
        return f"Conformance of {self.tested} with {reference}, profile {self.profile.name}"

    @property
    def tested(self) -> str:
        """Return the names of the engines that are checked, in words."""
        return " and ".join(map(engine_label, self.engines))

    def setup(self) -> Setup:
        """Return what the driver is given."""
        return Setup(
            (*self.engines, self.reference),
            self.reference,
            check_case,
            unfinished_check,
            settings=self.settings,
            timeout=self.timeout,
            attempts=1,
            store=self.store,
            replay=self.replay or None,
        )

    def campaign(self) -> Campaign:
        """Return what the driver runs."""
        return Campaign(
            self.checks(),
            self.setup(),
            shard=self.shard,
            command=self.command,
            options={
                "profile": self.profile.name,
                "examples": str(self.examples),
                "properties": " ".join(self.properties),
                "replay": "yes" if self.replay else "no",
            },
            seed=self.seed,
            jobs=self.jobs,
        )

    def checks(self) -> Checks:
        """Return the cases: the kept ones, then the generated ones."""
        recipes = collect(self.examples, self.seed, **self.profile.bounds) if self.examples else ()
        return Checks(
            self.title,
            () if self.generated_only else all_kept(self.regressions),
            tuple(recipes),
            self.properties,
            self.profile.each,
            self.verify,
        )


def suite_of(
    engines: tuple[str, ...],
    reference: str,
    profile: str = "pr",
    *,
    examples: int | None = None,
    seed: int | None = None,
    properties: tuple[str, ...] = (),
) -> Suite:
    """Return a suite by the name of its profile; what is not given is the profile's.

    Raises
    ------
    BadInput
        When there is no such profile or property.
    """
    if profile not in PROFILES:
        raise BadInput(f"no profile {profile!r}; there are {', '.join(PROFILES)}")
    found = PROFILES[profile]
    given = found.seed if seed is None else seed
    return Suite(
        engines,
        reference,
        found,
        found.examples if examples is None else examples,
        new_seed() if given is None else given,
        select(tuple(PROPERTIES), properties),
    )


def all_kept(folder: Path | None) -> tuple[Kept, ...]:
    """Return the cases that come with the program, then those of a folder."""
    try:
        own = fixture("regressions")
    except FileNotFoundError:
        own = None
    found = kept_cases(own) if own is not None else ()
    if folder is None or (own is not None and folder.resolve() == own.resolve()):
        return found
    known = {kept.name for kept in found}
    return (*found, *(kept for kept in kept_cases(folder) if kept.name not in known))


def packed_file(path: Path | None) -> str:
    """Return a file of packed fits, checked to be one; without a path that of the program.

    Raises
    ------
    BadInput
        When it is none, or none came with the program.
    """
    if path is None:
        try:
            path = fixture("stored", "lme4.jsonl.gz")
        except FileNotFoundError as error:
            raise BadInput(f"{error}: no stored results came with the program") from None
    PackedStore(path).namespaces()
    return str(path)


def run_suite(
    suite: Suite, path: Path, *, told: Callable[[Done], None], resume: bool = False
) -> None:
    """Check everything and write the records; the file has its name only when it is whole.

    Parameters
    ----------
    told : function
        Called with what came of each case.
    resume : bool
        Go on with the unfinished file that is there, if there is one.
    """
    run_to_file(suite.campaign(), path, watcher=_Teller(told), resume=resume)


class _Teller(Watcher):
    """Hands on what is done."""

    def __init__(self, told: Callable[[Done], None]) -> None:
        self._told = told

    def finished(self, done: Done, seen: Iterable[Glance]) -> None:  # noqa: ARG002
        """Is called with each case when its records are in the file."""
        self._told(done)


def judge_file(
    path: Path, expectations: tuple[Expectation, ...] = (), *, strict: bool = False
) -> tuple[SuiteResult, Header]:
    """Judge the outcomes of a record file, of one run or of merged shards.

    Raises
    ------
    BadInput
        When it cannot be read.
    """
    outcomes: list[PropertyOutcome] = []
    missing: set[str] = set()
    with RecordStream(path) as stream:
        for _, record in stream:
            if isinstance(record, PropertyOutcome):
                outcomes.append(record)
            elif any(isinstance(f, Failure) and f.text.startswith(NOT_STORED) for f in record.fits):
                missing.add(record.id)
        header, finished = stream.header, stream.footer is not None
    notes = [] if finished else ["The run did not come to its end."]
    if missing:
        names = ", ".join(sorted(missing)[:5]) + (", ..." if len(missing) > 5 else "")
        notes.append(
            f"{len(missing)} cases have no stored result of {header.reference} and were checked "
            f"without it: {names}."
        )
    asked = header.options.get("properties", "").split() or None
    whole = finished and header.options.get("shard", str(ALL)) == str(ALL)
    judgement = judge(
        outcomes, expectations, strict=strict, selected=asked, whole=whole, notes=tuple(notes)
    )
    return judgement, header


def smallest_of_each_kind(
    judgement: SuiteResult, recipes: Mapping[str, Recipe]
) -> tuple[OutcomeStanding, ...]:
    """Return an unexpected failure of each kind, of those on generated cases.

    The frequent kinds come first, :data:`MOST_KEPT` of them; of each, the case with the fewest
    rows: it is nearest to what a person can read.
    """
    found = []
    for group in by_kind(judgement.of("unexpected")).values():
        drawn = [j for j in group if j.outcome.case in recipes]
        if drawn:
            found.append(min(drawn, key=lambda j: sum(recipes[j.outcome.case].sizes)))
    return tuple(found[:MOST_KEPT])


def keep_failures(
    suite: Suite, judgement: SuiteResult, folder: Path, *, told: Callable[[str], None]
) -> list[tuple[OutcomeStanding, Kept]]:
    """Make one failure of each kind smaller and keep it, the frequent first; generated cases only.

    Parameters
    ----------
    told : function
        Called with the name of each as it is kept.

    Raises
    ------
    BadInput
        When the folder cannot be written.
    """
    recipes = {recipe.id: recipe for recipe in suite.checks().recipes}
    wanted = smallest_of_each_kind(judgement, recipes)
    if not wanted:
        return []
    failing = tuple(
        Failing(recipes[j.outcome.case], j.outcome, suite.profile.shrink_seconds) for j in wanted
    )
    setup = replace(suite.setup(), function=make_smaller, unfinished=not_smaller)
    found = {}
    for number, done in run_campaign(
        KeptFailures(failing), setup, jobs=min(suite.jobs, len(failing))
    ):
        recipe: Recipe = decode(done.lines[0], Recipe)
        outcome: PropertyOutcome = decode(done.lines[1], PropertyOutcome)
        found[number] = keep(folder, build(recipe), outcome, recipe)
        told(found[number].name)
    return [(judged, found[number]) for number, judged in enumerate(wanted)]


def with_saved(judgement: SuiteResult, saved: dict[tuple[str, str, str], str]) -> SuiteResult:
    """Say of failures where they are kept; ``saved`` by engine, property and case."""
    return replace(
        judgement,
        judged=tuple(
            replace(j, saved=saved.get((j.outcome.engine, j.outcome.property, j.outcome.case), ""))
            for j in judgement.judged
        ),
    )


def shown_path(path: Path) -> str:
    """Return a path as short as it can be from here."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)
