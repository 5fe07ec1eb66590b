"""Documents at the command line: how they are shown, and how the one that a person means is found. In: rows of the node,
or an id, a number with its symbol (1523/STC-VP) or an external id. Out: JSON with the names of the API and cells of
tables; the document, NotFound when there is none, Clash that lists them when there are several; or one document told to a
clerk, in lines.

Of an outgoing one the lines say what it is, how many recipients stand where, and of each recipient who said what and
when, the ones that need a person first. Of an incoming one what it is, where it stands, what was checked on arrival, its
files, and what was said about it and by whom. Of both what the signatures inside their PDFs say: what it is worth, then a
line per file and per signer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from gateway.cli.command import Invocation
from gateway.cli.node import Seat
from gateway.cli.output import clock, fields, plain
from gateway.document_view.facts import (
    FactView,
    code_text,
    packet_word,
    received_fact,
    received_marks,
    received_word,
    short_word,
    state_word,
)
from gateway.document_view.recipients import RecipientView, recipient_view
from gateway.domain.document import Delivery, IncomingDocument, Kind, OutgoingDocument, OutState
from gateway.domain.event import Event
from gateway.domain.signatures import FileVerdict, LegalValue, SignatureWord, SignerVerdict
from gateway.domain.status import STATES, Fact
from gateway.domain.wall_clock import day_text, local
from gateway.errors import Clash, NotFound
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.domain.queues import InboxPacket
    from gateway.incoming.reading import AroundDocument
    from gateway.store.work import SqlWork

T = TypeVar("T")
Named = OutgoingDocument | IncomingDocument

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

    return labels.say_or(f"code.{item.code}", item.reason or "", call.lang.value)


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
        day_text(document.issued_on),
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


async def find_outgoing(work: SqlWork, text: str) -> OutgoingDocument:
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


async def find_incoming(work: SqlWork, text: str) -> IncomingDocument:
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


async def outgoing_meant(seat: Seat, text: str) -> OutgoingDocument:
    """Find the outgoing document meant, where nothing else is read with it."""
    async with seat.node.store.read(seat.scope) as work:
        return await find_outgoing(work, text)


async def incoming_meant(seat: Seat, text: str) -> IncomingDocument:
    """Find the incoming document meant, where nothing else is read with it."""
    async with seat.node.store.read(seat.scope) as work:
        return await find_incoming(work, text)


def sent_to(document: Named) -> str:
    """Name the recipients of a draft, for the question before it goes."""
    if isinstance(document, IncomingDocument):
        return ""
    return ", ".join(each.code or each.name or "" for each in document.draft.recipients) or "-"


def name_of(document: Named) -> str:
    """Say what a person calls it in a question: its number, else its id."""
    of = document.draft if isinstance(document, OutgoingDocument) else document
    return plain(numbered(of.number, of.symbol) or document.id)


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


# The axis has it and nobody has answered for this long: worth a look (T12 expects five minutes).
SILENCE = timedelta(minutes=30)


def outgoing(
    call: Invocation,
    document: OutgoingDocument,
    deliveries: Sequence[Delivery],
    facts: Mapping[str, Sequence[Fact]],
    stuck: str | None,
    now: datetime,
) -> list[str]:
    """Everything about one outgoing document, as lines. `stuck` says why it could not be packed yet."""
    draft, lang = document.draft, call.lang.value
    number = numbered(draft.number, draft.symbol) or document.id
    urgency = call.word(f"urgency.{draft.urgency.key}") if draft.urgency else ""
    lines = [_head(call, number, draft.issued_on, urgency, document.kind, draft.subject)]
    if document.state in (OutState.DRAFT, OutState.BLOCKED, OutState.CANCELLED):
        word = state_word(document.state, lang)
        lines.append(f"{sign(document.state)} {word}  {document.state_reason or ''}")
    if stuck:
        lines.append(call.word("cli.stuck", reason=stuck))
    lines += _signature_lines(call, document.legal_value, document.signatures)
    ordered = sorted(deliveries, key=lambda each: (STATES[each.state].rank, each.recipient.code))
    if ordered:
        counts = Counter(each.state for each in ordered)
        told = (f"{count} {short_word(state, lang).lower()}" for state, count in counts.items())
        lines.append(f"{call.word('cli.recipients', count=len(ordered))}: " + " · ".join(told))
    rows = [_recipient_row(call, recipient_view(each, facts.get(each.id, ()), lang), now) for each in ordered]
    widths = [max((len(row[n]) for row in rows), default=0) for n in range(4)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row[:4], widths, strict=True)]
        lines.append("  ".join([*cells, row[4]]).rstrip())
    return [plain(line) for line in (*lines, *_advice(call, document, ordered))]


def _head(call: Invocation, number: str, on: date | None, urgency: str, kind: Kind, subject: str) -> str:
    known = "" if kind is Kind.DOCUMENT else call.word(f"kind.{kind}")
    return "  ".join(part for part in (number, day_text(on), urgency, known, subject) if part)


def _recipient_row(call: Invocation, view: RecipientView, now: datetime) -> tuple[str, str, str, str, str]:
    """Mark, code, name, state, and the rest: when, what they wrote, and who."""
    delivery, lang = view.delivery, call.lang.value
    waits = now - delivery.updated_at
    silent = delivery.state == "sent" and waits > SILENCE
    rest = [_when(view.at, now)]
    if silent:
        rest.append(call.word("cli.silent", minutes=int(waits.total_seconds() // 60)))
    if view.last is not None:
        rest += _said(view.last)
    if delivery.register_no:
        year = delivery.register_year or ""
        rest.append(call.word("outgoing.arrival_number", number=delivery.register_no, year=year))
    mark = "!" if silent else sign(delivery.state)
    to = delivery.recipient
    return mark, to.code, to.name or "", short_word(delivery.state, lang), "  ".join([*rest, *view.marks])


def _said(view: FactView) -> list[str]:
    told = [f'"{text}"' for text in view.said]
    person = (view.staff.name, view.staff.phone) if view.staff else ()
    who = ", ".join(part for part in person if part)
    return [*told, f"({who})"] if who else told


def _advice(call: Invocation, document: OutgoingDocument, deliveries: Sequence[Delivery]) -> list[str]:
    """What a clerk would do now, as a command that can be pasted."""
    failed = [each.recipient.code for each in deliveries if each.state == "failed"]
    if failed:
        chosen = "".join(f" --to {code}" for code in failed)
        return [call.word("cli.todo", command=f"gateway outbox resend {document.id}{chosen}")]
    if any(each.state == "rejected" for each in deliveries):
        return [call.word("cli.todo", command=call.word("cli.correct_and_send"))]
    return []


def _when(at: datetime, now: datetime) -> str:
    """The hour today, the date and hour before."""
    same_day = local(at).date() == local(now).date()
    return local(at).strftime("%H:%M" if same_day else "%d/%m/%Y %H:%M")


_STEPS = {True: ("✓", "ok"), False: ("✗", "failed"), None: ("·", "not_reached")}


def incoming(
    call: Invocation, document: IncomingDocument, shown: str, facts: Sequence[Fact], beside: AroundDocument
) -> list[str]:
    """Everything about one incoming document. `shown` is its state: an open request of the sender goes first."""
    lang = call.lang.value
    sender = f"{document.sender_code} {document.sender_name or ''}".strip()
    number = f"  {call.word('cli.column.register_no')} {document.register_no}" if document.register_no else ""
    lines = [
        _head(call, document.code, document.issued_on, "", document.kind, document.subject),
        f"{call.word('cli.column.from')}: {sender}  ({clock(document.arrived_at)})",
        *_wishes(call, document),
        *_request(call, beside),
        f"{call.word('cli.column.state')}: {received_word(shown, lang, document.kind)}{number}",
        *(f"  {text}" for text in received_marks(document.marks, lang)),
        *_checks(call, document.checks.items()),
        *_signature_lines(call, document.legal_value, document.signatures),
        *(f"  {each.n}. {each.name}  {labels.kilobytes(each.size, lang)}" for each in document.files),
        *(_fact_line(received_fact(each, lang)) for each in facts),
    ]
    return [plain(line).rstrip() for line in lines]


def _wishes(call: Invocation, document: IncomingDocument) -> list[str]:
    """What its sender asks of us: a line each, of what was said."""
    mode, replies = document.delivery_mode, {True: "reply.required", False: "reply.not_required", None: None}
    reply = replies[document.reply_required]
    told = (
        ("incoming.due_at", clock(document.due_at)),
        ("incoming.role", call.word(f"role.{document.role}") if document.role else ""),
        ("incoming.reply", call.word(reply) if reply else ""),
        ("incoming.due_on", day_text(document.due_on)),
        ("incoming.delivery", call.word(f"delivery.{mode}") if mode else ""),
    )
    return [f"{call.word(label)}: {text}" for label, text in told if text]


def _request(call: Invocation, beside: AroundDocument) -> list[str]:
    """What its sender asks, about which document, by which notice."""
    asked, told = beside.request, []
    if asked is not None:
        told.append(f"{call.word('incoming.request.reason')}: {asked.reason or '–'}")
        if asked.notice_no:
            told.append(call.word("incoming.request.notice", number=asked.notice_no))
        if asked.approved_by:
            told.append(call.word("incoming.request.approved", name=asked.approved_by))
    if beside.about is not None:
        told.append(call.word("cli.inbox.about", id=beside.about))
    return told


def packet(call: Invocation, item: InboxPacket) -> list[str]:
    """A packet that did not become a document: why, which step of its verification failed, and what may be done."""
    sender = item.sender_code or item.transport_sender or "?"
    told = [
        f"{item.id}  {packet_word(item.state, call.lang.value)}  {item.code or ''}",
        f"{call.word('cli.column.from')}: {sender}  ({clock(item.received_at)}, {item.size} B)",
        *(
            f"{call.word('cli.column.reason')}: {text}"
            for text in dict.fromkeys((why_set_aside(call, item), item.reason))
            if text
        ),
        f"SHA-256: {item.file_digest}",
    ]
    for step in item.steps:
        mark, word = _STEPS[step.ok]
        detail = f"  ({step.detail})" if step.detail else ""
        told.append(
            f"  {mark} {step.n:>2}  {call.word(f'step.{step.n}')}: {call.word(f'cli.step.{word}')}{detail}"
        )
    if item.state in ("held", "quarantined", "malformed", "waiting"):
        told.append(call.word("cli.todo", command=call.word("cli.packet.decide", id=item.id)))
    return [plain(line).rstrip() for line in told]


def _checks(call: Invocation, found: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A check a line, in words; what was not found stays away."""
    lang = call.lang.value
    for name, verdict in found:
        if verdict:
            other = clock(datetime.fromisoformat(verdict)) if name == "signing_time" else verdict
            word = labels.say_or(f"checked.{verdict}", other, lang)
            yield f"  {labels.say_or(f'check.{name}', name, lang)}: {word}"


def _fact_line(view: FactView) -> str:
    """When, the words and the code on the wire, why, what was written, and who."""
    code = f" ({view.fact.code})" if view.fact.code.isdigit() else ""
    who = [view.staff.name] if view.staff and view.staff.name else []
    return "  ".join([f"  {clock(view.at)}", f"{view.word}{code}", *dict.fromkeys([*view.said, *who])])


_SIGNATURE_MARKS = {
    SignatureWord.VALID: "✓",
    SignatureWord.INVALID: "✗",
    SignatureWord.UNKNOWN: "?",
    SignatureWord.UNSIGNED: "·",
}


def _signature_lines(
    call: Invocation, value: LegalValue | None, verdicts: Sequence[FileVerdict]
) -> list[str]:
    """Nothing where no file was a PDF."""
    if not verdicts:
        return []
    worth = call.word(f"legal.{value or 'unknown'}")
    told = [f"{call.word('cli.signatures.value')}: {worth}"]
    for each in verdicts:
        told += _signed_file(call, each)
    return told


def _signed_file(call: Invocation, verdict: FileVerdict) -> Iterator[str]:
    word = call.word(f"signature.{verdict.verdict}")
    why = f" ({code_text(verdict.why, call.lang.value)})" if verdict.why and not verdict.signers else ""
    told = call.word("cli.signatures.file", file=plain(verdict.file), word=word)
    yield f"{_SIGNATURE_MARKS[verdict.verdict]} {told}{why}"
    for each in verdict.signers:
        yield f"  {_SIGNATURE_MARKS[each.verdict]} {_signer(call, each)}"


def _signer(call: Invocation, signer: SignerVerdict) -> str:
    who = [signer.name, signer.organisation if signer.organisation != signer.name else ""]
    told = [
        ", ".join(plain(each) for each in who if each) or plain(signer.field),
        call.word(f"signer.{signer.role}") if signer.role else "",
        call.word("cli.signatures.claimed", at=clock(signer.claimed_at)) if signer.claimed_at else "",
        call.word("cli.signatures.trusted", at=clock(signer.trusted_at)) if signer.trusted_at else "",
        call.word(f"signature.{signer.verdict}"),
        code_text(signer.why, call.lang.value) or "",
    ]
    if signer.now is not signer.verdict:
        told.append(call.word("cli.signatures.now", word=call.word(f"signature.{signer.now}")))
    return " · ".join(each for each in told if each)
