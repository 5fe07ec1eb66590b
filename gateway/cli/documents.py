"""Documents at the command line: how they are shown, and how one is found. In: rows of the node, or an id, a number with
its symbol (1523/STC-VP) or an external id. Out: JSON with the names of the API and cells of tables; the document, NotFound
when there is none, Clash that lists them when there are several; or lines about one document for a clerk. An outgoing
document's lines give its head, how many recipients are in which state, and per recipient the last status with time and
author, those that need a person first. An incoming one's give its head, state, checks on arrival, files, and statuses with
their authors. Both list the signatures inside their PDFs: legal value, then a line per file and per signer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from gateway.api import inbox_view
from gateway.cli.command import Invocation
from gateway.cli.node import StoreContext
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
from gateway.document_view.seals import header_text, lead_verdict, seal_text, signer_text, value_text
from gateway.domain.document import Delivery, IncomingDocument, Kind, OutgoingDocument, OutState
from gateway.domain.event import Event
from gateway.domain.seals import SIGNER_CHECKS
from gateway.domain.signatures import FileVerdict, SignatureWord, SignerVerdict
from gateway.domain.states import STATES, State
from gateway.domain.status import Fact
from gateway.domain.wall_clock import day_text, local
from gateway.errors import Clash, NotFound
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.api.shapes import ResponseModel
    from gateway.domain.queues import InboxPacket
    from gateway.incoming.document_context import DocumentContext
    from gateway.store.work import SqlWork

T = TypeVar("T")
FoundDocument = OutgoingDocument | IncomingDocument

# A mark of one or two characters before a state, so that colour is not its only sign.
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
# With more documents of one number, an id is needed in any case.
_LOOK = 50
# The axis has it and no recipient has answered for this long (T12 expects five minutes).
SILENCE = timedelta(minutes=30)
_STEPS = {True: ("✓", "ok"), False: ("✗", "failed"), None: ("·", "not_reached")}
_SIGNATURE_MARKS = {
    SignatureWord.VALID: "✓",
    SignatureWord.INVALID: "✗",
    SignatureWord.UNKNOWN: "?",
    SignatureWord.UNSIGNED: "·",
}


def sign(state: str) -> str:
    """Return the mark before a state."""
    return SIGNS[STATES[state].shape] if state in STATES else "·"


def as_json(view: ResponseModel) -> dict[str, Any]:
    """Return a view of the API as JSON."""
    return view.model_dump(mode="json", by_alias=True)


def incoming_record(
    call: Invocation, document: IncomingDocument, context: DocumentContext, today: date
) -> dict[str, Any]:
    """Return an incoming document as the API shows it, without the sender's name of today."""
    return as_json(inbox_view.inbox_item(document, context, None, call.lang.value, today))


def packet_record(call: Invocation, inbox_packet: InboxPacket) -> dict[str, Any]:
    """Return a packet that did not become a document, with the steps of its verification."""
    needs, steps = inbox_packet.needs, [asdict(step) for step in inbox_packet.steps]
    record = as_json(inbox_view.quarantine_view(inbox_packet, call.lang.value))
    return record | {"needs": list(needs) if needs else None, "steps": steps}


def why_set_aside(call: Invocation, inbox_packet: InboxPacket) -> str:
    """Explain why a packet did not become a document: its code's meaning, else the reason as it was kept."""
    return labels.say_or(f"code.{inbox_packet.code}", inbox_packet.reason or "", call.lang.value)


def fact_record(fact: Fact) -> dict[str, Any]:
    """Return one fact about a delivery or an incoming document."""
    return fields(
        fact,
        "track code at stated_at proved request=request_kind reason note register_no register_year",
        staff=asdict(fact.staff) if fact.staff else None,
    )


def event_record(event: Event) -> dict[str, Any]:
    """Return one event of the feed."""
    return fields(event, "id seq=agency_seq kind at subject=subject_id by=principal_id data")


def join_number(number: str, symbol: str) -> str:
    """Join number and symbol as printed; a missing one leaves no stray stroke."""
    return "/".join(p for p in (number, symbol) if p)


def incoming_cells(call: Invocation, document: IncomingDocument) -> tuple[str, ...]:
    """Return a row of the incoming list."""
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


def event_detail(event: Event) -> str:
    """Format an event's data as `name=value`, without empty values."""
    return "  ".join(
        f"{name}={', '.join(map(str, v)) if isinstance(v, list) else v}"
        for name, v in event.data.items()
        if v not in (None, "", [], {})
    )


class Several(Clash):
    """More than one document is called that."""

    code = "GW-SEVERAL"
    label_key = "cli.which_document"


def check_states(texts: Iterable[str], valid: Collection[str]) -> list[str]:
    """Return the states to list; raise a usage error for an unknown one, whose empty list would look like no documents."""
    states = list(texts)
    for state in states:
        if state not in valid:
            near = get_close_matches(state, valid, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise typer.BadParameter(
                f"{state!r} is no state; {hint}expected one of {', '.join(sorted(valid))}"
            )
    return states


async def find_outgoing(work: SqlWork, text: str) -> OutgoingDocument:
    """Find the outgoing document that `text` names."""
    if text.startswith("msg_"):
        return await work.outgoing.get(text)
    document = await work.outgoing.by_external_id(text)
    if document is not None:
        return document
    page = await work.outgoing.page(limit=_LOOK, query=text)
    candidates = {
        f"{d.id} ({d.draft.issued_on})": d
        for d in page.items
        if d.kind.is_whole and _same_number(d.draft.number, d.draft.symbol, text)
    }
    return _only_one(candidates, text, "outgoing", "outbox")


async def find_incoming(work: SqlWork, text: str) -> IncomingDocument:
    """Find the incoming document that `text` names."""
    if text.startswith("inb_"):
        return await work.incoming.get(text)
    page = await work.incoming.page(limit=_LOOK, query=text)
    candidates = {
        f"{d.id} ({d.sender_code}, {d.issued_on})": d
        for d in page.items
        if d.kind.is_whole and _same_number(d.number, d.symbol, text)
    }
    return _only_one(candidates, text, "incoming", "inbox")


async def find_outgoing_for(context: StoreContext, text: str) -> OutgoingDocument:
    """Find the outgoing document, where nothing else is read with it."""
    async with context.node.store.read(context.scope) as work:
        return await find_outgoing(work, text)


async def find_incoming_for(context: StoreContext, text: str) -> IncomingDocument:
    """Find the incoming document, where nothing else is read with it."""
    async with context.node.store.read(context.scope) as work:
        return await find_incoming(work, text)


def recipient_names(document: FoundDocument) -> str:
    """Name the recipients of a draft, for the question before it goes."""
    if isinstance(document, IncomingDocument):
        return ""
    return ", ".join(r.code or r.name or "" for r in document.draft.recipients) or "-"


def name_of(document: FoundDocument) -> str:
    """Return a document's name for a question: its number, else its id."""
    source = document.draft if isinstance(document, OutgoingDocument) else document
    return plain(join_number(source.number, source.symbol) or document.id)


def _same_number(number: str, symbol: str, text: str) -> bool:
    return join_number(number, symbol).casefold() == text.strip().casefold()


def _only_one(candidates: Mapping[str, T], text: str, direction: str, noun: str) -> T:
    """Return the only candidate; several are listed by their keys."""
    if len(candidates) > 1:
        message = f"{len(candidates)} documents are called {text}: {', '.join(candidates)}"
        raise Several(message, hint="give the id of one of them")
    if not candidates:
        raise NotFound(f"there is no {direction} document {text}", hint=f"look with: gateway {noun} list")
    return next(iter(candidates.values()))


def outgoing_lines(
    call: Invocation,
    document: OutgoingDocument,
    deliveries: Sequence[Delivery],
    facts: Mapping[str, Sequence[Fact]],
    stuck: str | None,
    now: datetime,
) -> list[str]:
    """Describe one outgoing document in lines. `stuck` says why it could not be packed yet."""
    draft, lang = document.draft, call.lang.value
    number = join_number(draft.number, draft.symbol) or document.id
    urgency = call.word(f"urgency.{draft.urgency.key}") if draft.urgency else ""
    lines = [_head_line(call, number, draft.issued_on, urgency, document.kind, draft.subject)]
    if document.state in (OutState.DRAFT, OutState.BLOCKED, OutState.CANCELLED):
        word = state_word(document.state, lang)
        lines.append(f"{sign(document.state)} {word}  {document.state_reason or ''}")
    if stuck:
        lines.append(call.word("cli.stuck", reason=stuck))
    lines += _signature_lines(call, document)
    ordered = sorted(deliveries, key=lambda d: (STATES[d.state].rank, d.recipient.code))
    if ordered:
        counts = Counter(d.state for d in ordered)
        state_counts = (f"{count} {short_word(state, lang).lower()}" for state, count in counts.items())
        lines.append(f"{call.word('cli.recipients', count=len(ordered))}: " + " · ".join(state_counts))
    rows = [_recipient_row(call, recipient_view(d, facts.get(d.id, ()), lang), now) for d in ordered]
    widths = [max((len(row[n]) for row in rows), default=0) for n in range(4)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row[:4], widths, strict=True)]
        lines.append("  ".join([*cells, row[4]]).rstrip())
    return [plain(line) for line in (*lines, *_advice_lines(call, document, ordered))]


def _head_line(call: Invocation, number: str, on: date | None, urgency: str, kind: Kind, subject: str) -> str:
    kind_word = "" if kind is Kind.DOCUMENT else call.word(f"kind.{kind}")
    return "  ".join(part for part in (number, day_text(on), urgency, kind_word, subject) if part)


def _recipient_row(call: Invocation, view: RecipientView, now: datetime) -> tuple[str, str, str, str, str]:
    """Return mark, code, name, state, and details: time, words and author."""
    delivery, lang = view.delivery, call.lang.value
    silence = now - delivery.updated_at
    is_silent = delivery.state == State.SENT and silence > SILENCE
    details = [_time_text(view.at, now)]
    if is_silent:
        details.append(call.word("cli.silent", minutes=int(silence.total_seconds() // 60)))
    if view.last is not None:
        details += _written_words(view.last)
    if delivery.register_no:
        year = delivery.register_year or ""
        details.append(call.word("outgoing.arrival_number", number=delivery.register_no, year=year))
    mark = "!" if is_silent else sign(delivery.state)
    to = delivery.recipient
    return mark, to.code, to.name or "", short_word(delivery.state, lang), "  ".join([*details, *view.marks])


def _written_words(view: FactView) -> list[str]:
    words = [f'"{text}"' for text in view.texts]
    person = (view.staff.name, view.staff.phone) if view.staff else ()
    person_text = ", ".join(part for part in person if part)
    return [*words, f"({person_text})"] if person_text else words


def _advice_lines(call: Invocation, document: OutgoingDocument, deliveries: Sequence[Delivery]) -> list[str]:
    """Suggest a clerk's next command, ready to paste."""
    failed = [d.recipient.code for d in deliveries if d.state == State.FAILED]
    if failed:
        chosen = "".join(f" --to {code}" for code in failed)
        return [call.word("cli.todo", command=f"gateway outbox resend {document.id}{chosen}")]
    if any(d.state == State.REJECTED for d in deliveries):
        return [call.word("cli.todo", command=call.word("cli.correct_and_send"))]
    return []


def _time_text(at: datetime, now: datetime) -> str:
    """Format an hour of today, else date and hour."""
    same_day = local(at).date() == local(now).date()
    return local(at).strftime("%H:%M" if same_day else "%d/%m/%Y %H:%M")


def incoming_lines(
    call: Invocation, document: IncomingDocument, state: str, facts: Sequence[Fact], context: DocumentContext
) -> list[str]:
    """Describe one incoming document in lines. `state` is the shown one: an open request of the sender goes first."""
    lang = call.lang.value
    sender = f"{document.sender_code} {document.sender_name or ''}".strip()
    number = f"  {call.word('cli.column.register_no')} {document.register_no}" if document.register_no else ""
    lines = [
        _head_line(call, document.code, document.issued_on, "", document.kind, document.subject),
        f"{call.word('cli.column.from')}: {sender}  ({clock(document.arrived_at)})",
        *_request_terms(call, document),
        *_request_lines(call, context),
        f"{call.word('cli.column.state')}: {received_word(state, lang, document.kind)}{number}",
        *(f"  {text}" for text in received_marks(document.marks, lang)),
        *_check_lines(call, document.checks.items()),
        *_signature_lines(call, document),
        *(f"  {file.n}. {file.name}  {labels.kilobytes(file.size, lang)}" for file in document.files),
        *(_fact_line(received_fact(fact, lang)) for fact in facts),
    ]
    return [plain(line).rstrip() for line in lines]


def _request_terms(call: Invocation, document: IncomingDocument) -> list[str]:
    """List what its sender asks of us, one line each."""
    mode, replies = document.delivery_mode, {True: "reply.required", False: "reply.not_required", None: None}
    reply = replies[document.reply_required]
    terms = (
        ("incoming.due_at", clock(document.due_at)),
        ("incoming.role", call.word(f"role.{document.role}") if document.role else ""),
        ("incoming.reply", call.word(reply) if reply else ""),
        ("incoming.due_on", day_text(document.due_on)),
        ("incoming.delivery", call.word(f"delivery.{mode}") if mode else ""),
    )
    return [f"{call.word(label)}: {text}" for label, text in terms if text]


def _request_lines(call: Invocation, context: DocumentContext) -> list[str]:
    """Describe the sender's request: reason, document and notice."""
    request, lines = context.request, []
    if request is not None:
        lines.append(f"{call.word('incoming.request.reason')}: {request.reason or '–'}")
        if request.notice_no:
            lines.append(call.word("incoming.request.notice", number=request.notice_no))
        if request.approved_by:
            lines.append(call.word("incoming.request.approved", name=request.approved_by))
    if context.target_id is not None:
        lines.append(call.word("cli.inbox.about", id=context.target_id))
    return lines


def packet_lines(call: Invocation, inbox_packet: InboxPacket) -> list[str]:
    """Describe a packet that did not become a document: the reason, the failed step of its verification, what to do."""
    sender = inbox_packet.sender_code or inbox_packet.transport_sender or "?"
    lines = [
        f"{inbox_packet.id}  {packet_word(inbox_packet.state, call.lang.value)}  {inbox_packet.code or ''}",
        f"{call.word('cli.column.from')}: {sender}  ({clock(inbox_packet.received_at)}, {inbox_packet.size} B)",
        *(
            f"{call.word('cli.column.reason')}: {text}"
            for text in dict.fromkeys((why_set_aside(call, inbox_packet), inbox_packet.reason))
            if text
        ),
        f"SHA-256: {inbox_packet.file_digest}",
    ]
    for step in inbox_packet.steps:
        mark, word = _STEPS[step.ok]
        detail = f"  ({step.detail})" if step.detail else ""
        lines.append(
            f"  {mark} {step.n:>2}  {call.word(f'step.{step.n}')}: {call.word(f'cli.step.{word}')}{detail}"
        )
    if inbox_packet.state in ("held", "quarantined", "malformed", "waiting"):
        lines.append(call.word("cli.todo", command=call.word("cli.packet.decide", id=inbox_packet.id)))
    return [plain(line).rstrip() for line in lines]


def _check_lines(call: Invocation, checks: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a line per check, in words; empty ones are left out, and those that are said beside the signatures."""
    lang = call.lang.value
    for name, verdict in checks:
        if verdict and name not in SIGNER_CHECKS:
            fallback = clock(datetime.fromisoformat(verdict)) if name == "signing_time" else verdict
            word = labels.say_or(f"checked.{verdict}", fallback, lang)
            yield f"  {labels.say_or(f'check.{name}', name, lang)}: {word}"


def _fact_line(view: FactView) -> str:
    """Join time, words and code on the wire, reason, texts and author."""
    code = f" ({view.fact.code})" if view.fact.code.isdigit() else ""
    staff = [view.staff.name] if view.staff and view.staff.name else []
    return "  ".join(
        [
            f"  {clock(view.at)}",
            f"{view.word}{code}",
            *dict.fromkeys(filter(None, [*view.texts, view.technical, *staff])),
        ]
    )


def _signature_lines(call: Invocation, document: IncomingDocument | OutgoingDocument) -> list[str]:
    """Describe signatures, and whose seal the lead file has; nothing where no file was a PDF."""
    if not document.signatures:
        return []
    lead, lang = lead_verdict(document), call.lang.value
    lines = [f"{call.word('cli.signatures.value')}: {value_text(document.legal_value, lead, lang)}"]
    if seal := seal_text(lead, lang):
        lines.append(f"{call.word('check.seal')}: {plain(seal)}")
    if header := header_text(document, lang):
        lines.append(f"{call.word('check.signer')}: {plain(header)}")
    for verdict in document.signatures:
        lines += _signature_file_lines(call, verdict)
    return lines


def _signature_file_lines(call: Invocation, verdict: FileVerdict) -> Iterator[str]:
    word = call.word(f"signature.{verdict.verdict}")
    why = f" ({code_text(verdict.why, call.lang.value)})" if verdict.why and not verdict.signers else ""
    file_text = call.word("cli.signatures.file", file=plain(verdict.file), word=word)
    yield f"{_SIGNATURE_MARKS[verdict.verdict]} {file_text}{why}"
    for signer in verdict.signers:
        yield f"  {_SIGNATURE_MARKS[signer.verdict]} {_signer_line(call, signer)}"


def _signer_line(call: Invocation, signer: SignerVerdict) -> str:
    names = [signer.name, signer.organisation if signer.organisation != signer.name else ""]
    parts = [
        ", ".join(plain(n) for n in names if n) or plain(signer.field),
        call.word(f"signer.{signer.role}") if signer.role else "",
        call.word("cli.signatures.claimed", at=clock(signer.claimed_at)) if signer.claimed_at else "",
        call.word("cli.signatures.trusted", at=clock(signer.trusted_at)) if signer.trusted_at else "",
        call.word(f"signature.{signer.verdict}"),
        code_text(signer.why, call.lang.value) or "",
        plain(signer_text(signer, call.lang.value)),
    ]
    if signer.now is not signer.verdict:
        parts.append(call.word("cli.signatures.now", word=call.word(f"signature.{signer.now}")))
    return " · ".join(p for p in parts if p)
