"""Tells one incoming document to a clerk: what it is, where it stands, what was checked on arrival, its files, and what
was said about it and by whom. In: a document and its facts. Out: lines in the reader's language. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.api.words import fact_word, incoming_word, without_reference
from gateway.cli import signed
from gateway.cli.command import Call
from gateway.cli.output import clock, day, plain
from gateway.cli.shapes import numbered, why
from gateway.domain.document import IncomingDocument
from gateway.domain.status import Fact
from gateway.ports import InboxItem
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.incoming.around import Around

_STEPS = {True: ("✓", "ok"), False: ("✗", "failed"), None: ("·", "not_reached")}


def incoming(
    call: Call, document: IncomingDocument, shown: str, facts: Sequence[Fact], beside: Around
) -> list[str]:
    """Everything about one incoming document. `shown` is its state: an open request of the sender goes first."""
    sender = f"{document.sender_code} {document.sender_name or ''}".strip()
    number = f"  {call.word('cli.column.register_no')} {document.register_no}" if document.register_no else ""
    kind = "" if document.kind == "edoc" else call.word(f"kind.{document.kind}")
    head = (numbered(document.number, document.symbol), day(document.issued_on), kind, document.subject)
    lines = [
        "  ".join(part for part in head if part),
        f"{call.word('cli.column.from')}: {sender}  ({clock(document.arrived_at)})",
        *_wishes(call, document),
        *_request(call, beside),
        f"{call.word('cli.column.state')}: {incoming_word(document.kind, shown, call.lang.value)}{number}",
        *(f"  {labels.mark_text(mark, call.lang.value)}" for mark in document.marks if _is_ours(mark)),
        *_checks(call, document.checks.items()),
        *signed.lines(call, document.legal_value, document.signatures),
        *(
            f"  {each.n}. {each.name}  {labels.kilobytes(each.size, call.lang.value)}"
            for each in document.files
        ),
        *(_fact(call, each) for each in facts),
    ]
    return [plain(line).rstrip() for line in lines]


def _wishes(call: Call, document: IncomingDocument) -> list[str]:
    """What its sender asks of us: a line each, of what was said."""
    told = []
    if document.due_at is not None:
        told.append(("incoming.due_at", clock(document.due_at)))
    if document.role is not None:
        told.append(("incoming.role", call.word(f"role.{document.role}")))
    if document.reply_required is not None:
        word = "reply.required" if document.reply_required else "reply.not_required"
        told.append(("incoming.reply", call.word(word)))
    if document.due_on is not None:
        told.append(("incoming.due_on", day(document.due_on)))
    if document.delivery_mode is not None:
        told.append(("incoming.delivery", call.word(f"delivery.{document.delivery_mode}")))
    return [f"{call.word(label)}: {text}" for label, text in told]


def _request(call: Call, beside: Around) -> list[str]:
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


def packet(call: Call, item: InboxItem) -> list[str]:
    """A packet that did not become a document: why, which step of its verification failed, and what may be done."""
    sender = item.sender_code or item.transport_sender or "?"
    told = [
        f"{item.id}  {call.word(f'packet.{item.state}')}  {item.code or ''}",
        f"{call.word('cli.column.from')}: {sender}  ({clock(item.received_at)}, {item.size} B)",
        *(
            f"{call.word('cli.column.reason')}: {text}"
            for text in dict.fromkeys((why(call, item), item.reason))
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


def _is_ours(mark: str) -> bool:
    """Marks of requests speak to the sender; the receiver has them among the facts."""
    return labels.has(f"mark.{mark.partition(':')[0]}") and not mark.startswith("request_")


def _checks(call: Call, found: Iterable[tuple[str, str]]) -> list[str]:
    """A check a line, in words; what was not found stays away."""
    told = []
    for name, verdict in found:
        key, value = f"check.{name}", f"checked.{verdict}"
        if verdict:
            word = call.word(value) if labels.has(value) else _moment(name, verdict)
            told.append(f"  {call.word(key) if labels.has(key) else name}: {word}")
    return told


def _moment(name: str, text: str) -> str:
    return clock(datetime.fromisoformat(text)) if name == "signing_time" else text


def _fact(call: Call, fact: Fact) -> str:
    """When, the words and the code on the wire, why, what was written, and who."""
    reason = f"reason.{fact.reason}"
    said = [
        call.word(reason) if fact.reason and labels.has(reason) else without_reference(fact.reason),
        without_reference(fact.note),
        fact.staff.name if fact.staff else None,
    ]
    code = f" ({fact.code})" if fact.code.isdigit() else ""
    asked = f"state.in.{fact.request_kind}_{fact.code}"
    word = call.word(asked) if labels.has(asked) else fact_word(fact.track, fact.code, call.lang.value)
    return "  ".join([f"  {clock(fact.at)}", f"{word}{code}", *dict.fromkeys(filter(None, said))])
