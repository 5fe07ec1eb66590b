"""What outgoing and incoming documents look like to a reader of the command line: JSON with the names of the API, and
the cells of tables. In: domain values. Out: plain mappings and texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gateway.cli.command import Call
from gateway.cli.output import clock, day, stamp
from gateway.domain.document import Delivery, IncomingDocument, OutgoingDocument
from gateway.domain.event import Event
from gateway.domain.status import STATES, Fact, worst
from gateway.ports import InboxItem

if TYPE_CHECKING:
    from gateway.incoming.around import Around

# A mark of one or two characters before a state, so that it is not told by colour alone.
SIGNS: Mapping[str, str] = {
    "circle-hollow": "○",
    "circle-barred": "⊘",
    "clock": "…",
    "arrow": "→",
    "tick": "✓",
    "triangle": "▲",
    "dash": "–",
    "two-ticks": "✓✓",
    "cross": "✗",
    "box-tick": "☑",
    "person": "◉",
    "circle-half": "◐",
    "circle-full": "●",
    "back-arrow": "↶",
    "page": "▤",
    "circling-arrow": "↻",
    "back-arrow-tick": "↶✓",
    "back-arrow-cross": "↶✗",
    "question": "?",
}


def sign(state: str) -> str:
    """The mark before a state."""
    return SIGNS[STATES[state].shape] if state in STATES else "·"


def state_of(document: OutgoingDocument, deliveries: Iterable[Delivery]) -> str:
    """The one word for a document: its own before there is a delivery, else the worst of its deliveries."""
    states = [each.state for each in deliveries]
    return worst(states) if states and document.state not in ("draft", "blocked") else str(document.state)


def outgoing(call: Call, document: OutgoingDocument, deliveries: Sequence[Delivery]) -> dict[str, Any]:
    """An outgoing document as the API shows it."""
    from gateway.api.message_view import message

    return message(document, deliveries, call.lang.value).model_dump(mode="json", by_alias=True)


def incoming(call: Call, document: IncomingDocument, around: Around) -> dict[str, Any]:
    """An incoming document as the API shows it."""
    from gateway.api.inbox_view import inbox_item

    return inbox_item(document, around, None, call.lang.value).model_dump(mode="json", by_alias=True)


def packet(call: Call, item: InboxItem) -> dict[str, Any]:
    """A packet that did not become a document (interfaces.md 1.4), with the steps of its verification."""
    from gateway.api.inbox_view import quarantined

    shown: dict[str, Any] = quarantined(item, call.lang.value).model_dump(mode="json", by_alias=True)
    shown["needs"] = list(item.needs) if item.needs else None
    shown["steps"] = [{"n": s.n, "name": s.name, "ok": s.ok, "detail": s.detail} for s in item.steps]
    return shown


def why(call: Call, item: InboxItem) -> str:
    """Why a packet did not become a document: what its code means, else the reason as it was kept."""
    from gateway.words import labels

    code = f"code.{item.code}"
    return call.word(code) if labels.has(code) else item.reason or ""


def fact(each: Fact) -> dict[str, Any]:
    """One fact about a delivery or an incoming document."""
    return {
        "track": str(each.track),
        "code": each.code,
        "at": stamp(each.at),
        "stated_at": stamp(each.stated_at),
        "proved": each.proved,
        "request": str(each.request_kind) if each.request_kind else None,
        "reason": each.reason,
        "note": each.note,
        "register_no": each.register_no,
        "register_year": each.register_year,
        "staff": {
            "name": each.staff.name,
            "department": each.staff.department,
            "phone": each.staff.phone,
            "email": each.staff.email,
        }
        if each.staff
        else None,
    }


def event(each: Event) -> dict[str, Any]:
    """One event of the feed."""
    return {
        "id": each.id,
        "seq": each.agency_seq,
        "kind": str(each.kind),
        "at": stamp(each.at),
        "subject": each.subject_id,
        "by": each.principal_id,
        "data": each.data,
    }


def numbered(number: str, symbol: str) -> str:
    """Number and symbol as printed; what is missing leaves no stray stroke."""
    return "/".join(each for each in (number, symbol) if each)


def outgoing_cells(call: Call, document: OutgoingDocument, deliveries: Sequence[Delivery]) -> tuple[str, ...]:
    """A row of the outgoing list."""
    draft, state = document.draft, state_of(document, deliveries)
    codes = [each.recipient.code for each in deliveries] or [each.code for each in draft.recipients]
    to = codes[0] + (f" +{len(codes) - 1}" if len(codes) > 1 else "") if codes else ""
    return (
        document.id,
        call.word(f"kind.{document.kind}"),
        numbered(draft.number, draft.symbol),
        day(draft.issued_on),
        draft.subject,
        to,
        f"{sign(state)} {call.word(f'state.{state}', code='')}".rstrip(),
        clock(document.created_at),
    )


def incoming_cells(call: Call, document: IncomingDocument) -> tuple[str, ...]:
    """A row of the incoming list."""
    from gateway.api.words import incoming_word

    return (
        document.id,
        call.word(f"kind.{document.kind}"),
        document.sender_code,
        numbered(document.number, document.symbol),
        day(document.issued_on),
        document.subject,
        incoming_word(document.kind, document.state, call.lang.value),
        document.register_no or "",
        clock(document.arrived_at),
    )


def detail(each: Event) -> str:
    """What an event carries beside its kind, as `name=value`, without what is empty."""
    parts = (
        f"{name}={', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in each.data.items()
        if value not in (None, "", [], {})
    )
    return "  ".join(parts)
