"""Which certificates speak for which codes, as the events tell it. In: events of the kinds `binding.*`. Out: what the
table of bindings must hold, and where it holds something else. Pure: who asks brings rows and events (K6, threat 114)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.event import Event, EventKind

KINDS = (EventKind.BINDING_APPROVED, EventKind.BINDING_ENDING, EventKind.BINDING_WITHDRAWN)
ACTIVE, WITHDRAWN = "active", "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One certificate of one code, as a row holds it or as the events tell it."""

    code: str
    fingerprint: str
    valid_from: datetime | None
    valid_to: datetime | None
    state: str = ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A row that the events do not tell (`untold`), tell otherwise (`changed`), or told and not there (`missing`)."""

    code: str
    fingerprint: str
    what: str
    detail: str


Key = tuple[str, str]


def subject_of(code: str) -> str:
    """Under which subject the events of a code's bindings stand."""
    return f"binding:{code}"


def told(events: Iterable[Event]) -> dict[Key, Bound]:
    """What the events, oldest first, say of each code and certificate. Events of other kinds are passed over."""
    found: dict[Key, Bound] = {}
    for event in events:
        if event.kind not in KINDS:
            continue
        code, fingerprint = str(event.data.get("code", "")), str(event.data.get("fingerprint", ""))
        if event.kind is EventKind.BINDING_APPROVED:
            found[code, fingerprint] = Bound(
                code=code,
                fingerprint=fingerprint,
                valid_from=_moment(event.data.get("valid_from")),
                valid_to=_moment(event.data.get("valid_to")),
            )
        elif (known := found.get((code, fingerprint))) is not None:
            ended = event.kind is EventKind.BINDING_WITHDRAWN
            state = WITHDRAWN if ended else known.state
            end = _earlier(known.valid_to, _moment(event.data.get("valid_to")))
            found[code, fingerprint] = replace(known, valid_to=end, state=state)
    return found


def differences(rows: Iterable[Bound], events: Mapping[Key, Bound]) -> list[Difference]:
    """Where the table is not what the events tell, by code and certificate."""
    found, there = [], set()
    for row in rows:
        key = row.code, row.fingerprint
        there.add(key)
        expected = events.get(key)
        if expected is None:
            found.append(_difference(row, "untold", "no event tells of it"))
        elif expected != row:
            found.append(
                _difference(row, "changed", f"the events tell {_said(expected)}, here is {_said(row)}")
            )
    missing = (events[key] for key in events.keys() - there)
    found += [_difference(each, "missing", f"the events tell {_said(each)}") for each in missing]
    return sorted(found, key=lambda each: (each.code, each.fingerprint))


def _difference(one: Bound, what: str, detail: str) -> Difference:
    return Difference(code=one.code, fingerprint=one.fingerprint, what=what, detail=detail)


def _said(one: Bound) -> str:
    return f"{one.state} from {one.valid_from} to {one.valid_to}"


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """An end is never put off: one person may end a binding, and two make one."""
    return min((each for each in (one, other) if each is not None), default=None)


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
