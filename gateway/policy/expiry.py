"""When people are told that a certificate ends (K5): 60, 30 and 7 days before. In: certificates with their ends, a time.
Out: which of these marks each has passed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

MARKS = (7, 30, 60)
"""Days; an authority needs weeks to renew a certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """One certificate in use: whose, until when, and whether it is one of ours."""

    code: str
    fingerprint: str
    until: datetime
    own: bool


def due(endings: Iterable[Ending], now: datetime) -> list[tuple[Ending, int]]:
    """Of each code the certificate that ends last, with the nearest mark that it has passed; none that has time left."""
    found = []
    for each in last_of_each(endings):
        mark = mark_of(each.until, now)
        if mark is not None:
            found.append((each, mark))
    return found


def last_of_each(endings: Iterable[Ending]) -> list[Ending]:
    """A code that has a newer certificate is looked after: the end of its older one is what was planned."""
    last: dict[str, Ending] = {}
    for each in endings:
        known = last.get(each.code)
        if known is None or (each.until, each.fingerprint) > (known.until, known.fingerprint):
            last[each.code] = each
    return sorted(last.values(), key=lambda each: each.code)


def mark_of(until: datetime, now: datetime) -> int | None:
    """The nearest mark that was passed; None while there is time."""
    return next((days for days in MARKS if until - now <= timedelta(days=days)), None)
