"""What became of bulk acts, row by row, kept for the page that follows: an act is answered by another address, so that a
reload acts on nothing. In the memory of this process, bounded, each for its person alone, for an hour."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

_KEPT = timedelta(hours=1)
_MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One row: what it was about, and what was done or stood against it."""

    number: str
    path: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    act: str
    back: str
    outcomes: tuple[Outcome, ...]
    at: datetime
    session_id: str

    @property
    def done(self) -> int:
        return sum(each.ok for each in self.outcomes)


class Results:
    def __init__(self) -> None:
        self._kept: OrderedDict[str, Result] = OrderedDict()

    def keep(self, result: Result) -> str:
        key = secrets.token_urlsafe(12)
        self._kept[key] = result
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return key

    def find(self, key: str, session_id: str, now: datetime) -> Result | None:
        found = self._kept.get(key)
        if found is None or found.session_id != session_id or now - found.at > _KEPT:
            return None
        return found
