"""What became of bulk acts, row by row, kept for the page that follows: an act is answered by another address, so that a
reload acts on nothing. Each for its session alone, for an hour."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from gateway.office.ports.keepings import Keeping, Keepings

_KEPT = timedelta(hours=1)


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

    @property
    def done(self) -> int:
        return sum(each.ok for each in self.outcomes)


async def keep(keepings: Keepings, result: Result, session_id: str, now: datetime) -> str:
    """The key to find it by."""
    key, body = secrets.token_urlsafe(12), json.dumps(asdict(result)).encode()
    await keepings.keep(Keeping(key=key, session_id=session_id, body=body, at=now, until=now + _KEPT))
    return key


async def find(keepings: Keepings, key: str, session_id: str, now: datetime) -> Result | None:
    body = await keepings.find(key, session_id, now)
    if body is None:
        return None
    told = json.loads(body)
    return Result(
        act=told["act"],
        back=told["back"],
        outcomes=tuple(Outcome(**each) for each in told["outcomes"]),
    )
