"""Warnings of a fit, collected so that none reaches stderr."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from harness.engines.engine import Message


@contextmanager
def captured(messages: list[Message]) -> Iterator[None]:
    """Collect warnings, each text once, so that none reaches stderr."""
    seen: set[str] = set()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for item in caught:
                text = str(item.message)
                if text not in seen:
                    seen.add(text)
                    messages.append(Message("warning", text, item.category.__name__))
