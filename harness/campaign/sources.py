"""Where the cases of a campaign come from: each source gives tasks, one after the other.

A task is small: an id that is unique and stable, a function that builds the rung, and what it
builds it from (a rung's name, a file and a formula, a recipe). It is built in the worker that fits
it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.base.errors import BadInput
from harness.base.json import encode
from harness.data.ladder import every_rung, full_ladder
from harness.data.rungs import Rung, select

if TYPE_CHECKING:
    from harness.data.recipes.shapes import Recipe


@dataclass(frozen=True)
class Task:
    """One unit of work, small enough to be sent anywhere.

    Attributes
    ----------
    id : str
        Unique in a campaign and the same in every run of it. Every record that a task gives
        carries it as its case's id.
    build : function of a module
        Makes the rung from ``payload``.
    payload : anything that can be pickled
    """

    id: str
    build: Callable[[Any], Rung]
    payload: Any

    def rung(self) -> Rung:
        """Build the rung, under the id of the task."""
        rung = self.build(self.payload)
        if rung.case.id == self.id:
            return rung
        return replace(rung, case=replace(rung.case, id=self.id))


class Source(Protocol):
    """A sequence of tasks, made as they are asked for, the same each time."""

    @property
    def title(self) -> str:
        """Return what a report of it is called."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Task]: ...

    def identity(self) -> dict[str, str]:
        """Return what decides the tasks: two sources that say the same give the same."""
        ...


@dataclass(frozen=True)
class Ladder:
    """The ladder, or the rungs of it whose ids are, or are under, one of ``wanted``.

    Raises
    ------
    BadInput
        From :meth:`check`, when one of them is no rung.
    """

    wanted: tuple[str, ...] = ()
    title: str = "The ladder"

    def __len__(self) -> int:
        return len(self._ids())

    def __iter__(self) -> Iterator[Task]:
        return (Task(name, ladder_rung, name) for name in self._ids())

    def _ids(self) -> tuple[str, ...]:
        if not self.wanted:
            return tuple(rung.case.id for rung in full_ladder())
        return tuple(rung.case.id for rung in select(every_rung(), self.wanted))

    def identity(self) -> dict[str, str]:
        """Return the rungs wanted."""
        return {"source": "ladder", "rungs": " ".join(self.wanted) or "all"}


def ladder_rung(name: str) -> Rung:
    """Return the rung of the ladder that has an id."""
    return _ladder()[name]


@cache
def _ladder() -> dict[str, Rung]:
    return {rung.case.id: rung for rung in every_rung()}


@dataclass(frozen=True)
class Rungs:
    """Rungs at hand, which are sent as they are."""

    rungs: tuple[Rung, ...]
    title: str
    chosen: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rungs)

    def __iter__(self) -> Iterator[Task]:
        return (Task(rung.case.id, as_it_is, rung) for rung in self.rungs)

    def identity(self) -> dict[str, str]:
        """Return a digest of data and models, with what the caller says of them."""
        digest = hashlib.sha256()
        for rung in self.rungs:
            case = rung.case
            digest.update(f"{case.id}\n{case.model}\n{case.table.checksum()}\n".encode())
        return {"source": "rungs", "digest": digest.hexdigest()[:16], **self.chosen}


def as_it_is(rung: Rung) -> Rung:
    """Return the rung."""
    return rung


@dataclass(frozen=True)
class Recipes:
    """A file of recipes, one JSON line each."""

    path: Path
    title: str = ""
    recipes: tuple[Recipe, ...] = ()

    @classmethod
    def of(cls, path: Path) -> Recipes:
        """Read the file.

        Raises
        ------
        BadInput
            When it cannot be read, holds no recipe, or a line is none.
        """
        from harness.data.recipes.shapes import read_recipes

        recipes = read_recipes(path)
        if not recipes:
            raise BadInput(f"{path}: there is no recipe in it")
        return cls(path, f"Recipes of {path.name}", recipes)

    def __len__(self) -> int:
        return len(self.recipes)

    def __iter__(self) -> Iterator[Task]:
        return _recipe_tasks(self.recipes)

    def identity(self) -> dict[str, str]:
        """Return a digest of the recipes, wherever the file lies."""
        digest = hashlib.sha256()
        for recipe in self.recipes:
            digest.update(encode(recipe) + b"\n")
        return {"source": "recipes", "digest": digest.hexdigest()[:16]}


@dataclass(frozen=True)
class Generated:
    """Cases drawn by Hypothesis from a seed."""

    count: int
    seed: int
    title: str = ""

    @classmethod
    def of(cls, count: int, seed: int) -> Generated:
        """Make the source; nothing is drawn yet."""
        return cls(count, seed, f"{count} generated cases, seed {seed}")

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Task]:
        return _recipe_tasks(_collected(self.count, self.seed))

    def identity(self) -> dict[str, str]:
        """Return number and seed, and the version of what draws."""
        from importlib.metadata import version

        from harness.store.identity import source_digest

        drawing = source_digest("harness.data.recipes") or ""
        return {
            "source": "generated",
            "generate": str(self.count),
            "seed": str(self.seed),
            "hypothesis": version("hypothesis"),
            "digest": drawing[:16],
        }


@cache
def _collected(count: int, seed: int) -> tuple[Recipe, ...]:
    try:
        from harness.data.recipes.strategies import collect
    except ImportError as error:
        raise BadInput(
            f"--generate needs Hypothesis ({error}); python -m pip install hypothesis"
        ) from error
    return tuple(collect(count, seed))


def _recipe_tasks(recipes: Iterable[Recipe]) -> Iterator[Task]:
    """Name recipes by what they hold; one that is there again gets a number."""
    seen: dict[str, int] = {}
    for recipe in recipes:
        name = f"{recipe.shape}/{hashlib.sha256(encode(recipe)).hexdigest()[:12]}"
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            name = f"{name}/{seen[name]}"
        yield Task(name, recipe_rung, recipe)


def recipe_rung(recipe: Recipe) -> Rung:
    """Build the rung of a recipe."""
    from harness.data.recipes.shapes import build

    return build(recipe)


@dataclass(frozen=True)
class Shard:
    """Every n-th task of a source, from the i-th: shard ``index`` (from 1) of ``count``."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``i/n``.

        Raises
        ------
        BadInput
            When it is not that, or i is not one of 1..n.
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise BadInput(f"--shard {text!r}: write i/n, with i from 1 to n")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def size(self, total: int) -> int:
        """Return how many of ``total`` tasks it has."""
        return max(0, -((self.index - 1 - total) // self.count))

    def of(self, tasks: Iterable[Task]) -> Iterator[Task]:
        """Take its tasks, in their order."""
        return islice(tasks, self.index - 1, None, self.count)


ALL = Shard(1, 1)
