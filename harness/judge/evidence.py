"""Evidence for a named cause, as data; `harness.judge.sentence` puts it into words."""

from __future__ import annotations

import msgspec

from harness.base.json import Real


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was found when a cause was tested for, and held.

    Attributes
    ----------
    cause : str
        Key of known_differences.toml.
    engine : str
        The engine that it speaks of; empty where it speaks of the data, or of two fits.
    quantity, item : str
        What it is about, as in a comparison; empty where that is the whole fit.
    numbers : dict
        Numbers by the names that the cause's template has for them; counts too.
    texts, lists, flags : dict
        Names and messages of others, several of them, and what is or is not so.
    """

    cause: str
    engine: str = ""
    quantity: str = ""
    item: str = ""
    numbers: dict[str, Real] = {}
    texts: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    flags: dict[str, bool] = {}


def causes_of(evidence: tuple[Evidence, ...]) -> tuple[str, ...]:
    """Return the causes, each once, in the order of the evidence."""
    return tuple(dict.fromkeys(one.cause for one in evidence))


def found(
    cause: str,
    engine: str = "",
    *,
    quantity: str = "",
    item: str = "",
    **values: float | str | bool | tuple[str, ...],
) -> Evidence:
    """Return evidence with each value in the place of its kind."""
    return Evidence(
        cause=cause,
        engine=engine,
        quantity=quantity,
        item=item,
        numbers={
            k: float(v)
            for k, v in values.items()
            if isinstance(v, int | float) and not isinstance(v, bool)
        },
        texts={k: v for k, v in values.items() if isinstance(v, str)},
        lists={k: v for k, v in values.items() if isinstance(v, tuple)},
        flags={k: v for k, v in values.items() if isinstance(v, bool)},
    )


def with_more(evidence: Evidence, **values: float | str | bool | tuple[str, ...]) -> Evidence:
    """Return evidence with more values."""
    more = found(evidence.cause, **values)  # type: ignore[arg-type]
    return msgspec.structs.replace(
        evidence,
        numbers=evidence.numbers | more.numbers,
        texts=evidence.texts | more.texts,
        lists=evidence.lists | more.lists,
        flags=evidence.flags | more.flags,
    )
