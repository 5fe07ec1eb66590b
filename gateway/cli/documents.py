"""Documents at the command line: how they are shown, and how the one that a person means is found. In: rows of the
node, or an id, a number with its symbol (1523/STC-VP) or an external id. Out: JSON with the names of the API and
cells of tables; or the document, NotFound when there is none, Clash that lists them when there are several."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from gateway.cli.command import Invocation
from gateway.cli.output import clock, day, fields
from gateway.domain.document import Delivery, IncomingDocument, OutgoingDocument
from gateway.domain.event import Event
from gateway.domain.status import STATES, Fact
from gateway.errors import Clash, NotFound
from gateway.ports import InboxPacket

if TYPE_CHECKING:
    from gateway.incoming.reading import AroundDocument
    from gateway.ports import Work

T = TypeVar("T")

# A mark of one or two characters before a state, so that it is not told by colour alone.
SIGNS: Mapping[str, str] = {
    "pencil": "○",
    "circle-barred": "⊘",
    "clock": "…",
    "plane": "→",
    "tick": "✓",
    "triangle": "▲",
    "circle-dash": "–",
    "tray": "✓✓",
    "circle-cross": "✗",
    "board-tick": "☑",
    "person": "◉",
    "circle-dots": "◐",
    "circle-tick": "●",
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


def outgoing_record(
    call: Invocation, document: OutgoingDocument, deliveries: Sequence[Delivery]
) -> dict[str, Any]:
    """An outgoing document as the API shows it."""
    from gateway.api.message_view import message

    return message(document, deliveries, call.lang.value).model_dump(mode="json", by_alias=True)


def incoming_record(call: Invocation, document: IncomingDocument, around: AroundDocument) -> dict[str, Any]:
    """An incoming document as the API shows it."""
    from gateway.api.inbox_view import inbox_item

    return inbox_item(document, around, None, call.lang.value).model_dump(mode="json", by_alias=True)


def packet_record(call: Invocation, item: InboxPacket) -> dict[str, Any]:
    """A packet that did not become a document (interfaces.md 1.4), with the steps of its verification."""
    from gateway.api.inbox_view import quarantined

    shown: dict[str, Any] = quarantined(item, call.lang.value).model_dump(mode="json", by_alias=True)
    shown["needs"] = list(item.needs) if item.needs else None
    shown["steps"] = [asdict(step) for step in item.steps]
    return shown


def why_set_aside(call: Invocation, item: InboxPacket) -> str:
    """Why a packet did not become a document: what its code means, else the reason as it was kept."""
    from gateway.words import labels

    code = f"code.{item.code}"
    return call.word(code) if labels.has(code) else item.reason or ""


def fact_record(each: Fact) -> dict[str, Any]:
    """One fact about a delivery or an incoming document."""
    return fields(
        each,
        "track code at stated_at proved request reason note register_no register_year staff",
        request=each.request_kind,
        staff=asdict(each.staff) if each.staff else None,
    )


def event_record(each: Event) -> dict[str, Any]:
    """One event of the feed."""
    return fields(
        each,
        "id seq kind at subject by data",
        seq=each.agency_seq,
        subject=each.subject_id,
        by=each.principal_id,
    )


def numbered(number: str, symbol: str) -> str:
    """Number and symbol as printed; what is missing leaves no stray stroke."""
    return "/".join(each for each in (number, symbol) if each)


def incoming_cells(call: Invocation, document: IncomingDocument) -> tuple[str, ...]:
    """A row of the incoming list."""
    from gateway.document_view.facts import received_word

    return (
        document.id,
        call.word(f"kind.{document.kind}"),
        document.sender_code,
        document.code,
        day(document.issued_on),
        document.subject,
        received_word(document.state, call.lang.value, document.kind),
        document.register_no or "",
        clock(document.arrived_at),
    )


def event_detail(each: Event) -> str:
    """What an event carries beside its kind, as `name=value`, without what is empty."""
    return "  ".join(
        f"{name}={', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in each.data.items()
        if value not in (None, "", [], {})
    )


# More documents of one number than this need an id in any case.
_LOOK = 50


class Several(Clash):
    """More than one document is called that."""

    code = "GW-SEVERAL"
    label_key = "cli.which_document"


def known_states(given: Iterable[str], known: Collection[str]) -> list[str]:
    """The states to list; a usage error for one that nothing can be in, because an empty list would look like none."""
    wanted = list(given)
    for each in wanted:
        if each not in known:
            near = get_close_matches(each, known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise typer.BadParameter(
                f"{each!r} is no state; {hint}expected one of {', '.join(sorted(known))}"
            )
    return wanted


async def find_outgoing(work: Work, text: str) -> OutgoingDocument:
    """The outgoing document meant by `text`."""
    if text.startswith("msg_"):
        return await work.outgoing.get(text)
    named = await work.outgoing.by_external_id(text)
    if named is not None:
        return named
    page = await work.outgoing.page(limit=_LOOK, query=text)
    found = {
        f"{each.id} ({each.draft.issued_on})": each
        for each in page.items
        if each.kind.is_whole and _same_number(each.draft.number, each.draft.symbol, text)
    }
    return _the_one(found, text, "outgoing", "outbox")


async def find_incoming(work: Work, text: str) -> IncomingDocument:
    """The incoming document meant by `text`."""
    if text.startswith("inb_"):
        return await work.incoming.get(text)
    page = await work.incoming.page(limit=_LOOK, query=text)
    found = {
        f"{each.id} ({each.sender_code}, {each.issued_on})": each
        for each in page.items
        if each.kind.is_whole and _same_number(each.number, each.symbol, text)
    }
    return _the_one(found, text, "incoming", "inbox")


def _same_number(number: str, symbol: str, text: str) -> bool:
    return numbered(number, symbol).casefold() == text.strip().casefold()


def _the_one(found: Mapping[str, T], text: str, way: str, noun: str) -> T:
    """The only one of those called `text`, by how they are listed where there are several."""
    if len(found) > 1:
        told = f"{len(found)} documents are called {text}: {', '.join(found)}"
        raise Several(told, hint="give the id of one of them")
    if not found:
        raise NotFound(f"there is no {way} document {text}", hint=f"look with: gateway {noun} list")
    return next(iter(found.values()))
