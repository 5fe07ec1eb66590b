"""Tells one document to a clerk. In: a document and its facts. Out: lines in the reader's language. Pure.

Outgoing: what it is, how many recipients stand where, and a line per recipient with who said what and when, the ones
that need a person first. Incoming: what it is, where it stands, what was checked on arrival, its files, and what was
said about it and by whom. Of both what the signatures inside their PDFs say: what it is worth, then a line per file
and per signer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gateway.api.pdf_view import legal_value_text
from gateway.api.words import code_text, fact_word, incoming_word, without_reference
from gateway.cli.command import Invocation
from gateway.cli.documents import numbered, sign, why_set_aside
from gateway.cli.output import clock, day, plain
from gateway.domain.document import Delivery, IncomingDocument, OutgoingDocument
from gateway.domain.signatures import FileVerdict, LegalValue, SignatureWord, SignerVerdict
from gateway.domain.status import Fact, Track, worst
from gateway.domain.wall_clock import VIETNAM
from gateway.ports import InboxPacket
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.incoming.reading import AroundDocument

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
    lines = [plain(_outgoing_head(call, document))]
    if document.state in ("draft", "blocked", "cancelled"):
        lines.append(
            f"{sign(document.state)} {call.word(f'state.{document.state}')}  {document.state_reason or ''}"
        )
    if stuck:
        lines.append(plain(call.word("cli.stuck", reason=stuck)))
    lines += _signature_lines(call, document.legal_value, document.signatures)
    if deliveries:
        lines.append(_summary(call, deliveries))
    ordered = sorted(deliveries, key=lambda each: (_place(each.state), each.recipient.code))
    shown = [_recipient_row(call, each, facts.get(each.id, ()), now) for each in ordered]
    widths = [max((len(row[n]) for row in shown), default=0) for n in range(4)]
    lines += [
        plain(
            "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row[:4], widths, strict=True)), row[4]])
        ).rstrip()
        for row in shown
    ]
    return lines + _advice(call, document, ordered)


def _outgoing_head(call: Invocation, document: OutgoingDocument) -> str:
    draft = document.draft
    urgency = call.word(f"urgency.{draft.urgency.key}") if draft.urgency else ""
    kind = "" if document.kind == "edoc" else call.word(f"kind.{document.kind}")
    parts = (
        numbered(draft.number, draft.symbol) or document.id,
        day(draft.issued_on),
        urgency,
        kind,
        draft.subject,
    )
    return "  ".join(part for part in parts if part)


def _summary(call: Invocation, deliveries: Sequence[Delivery]) -> str:
    counts = Counter(each.state for each in deliveries)
    told = [f"{counts[state]} {_state_word(call, state).lower()}" for state in sorted(counts, key=_place)]
    return f"{call.word('cli.recipients', count=len(deliveries))}: " + " · ".join(told)


def _recipient_row(
    call: Invocation, delivery: Delivery, facts: Sequence[Fact], now: datetime
) -> tuple[str, str, str, str, str]:
    """Mark, code, name, state, and the rest: when, what they wrote, and who."""
    told = _telling(facts)
    at = told.at if told else delivery.updated_at
    silent = delivery.state == "sent" and now - delivery.updated_at > SILENCE
    rest = [_when(at, now)]
    if silent:
        rest.append(call.word("cli.silent", minutes=int((now - delivery.updated_at).total_seconds() // 60)))
    if told:
        rest += _said(call, told)
    if delivery.register_no:
        year = delivery.register_year or ""
        rest.append(call.word("outgoing.arrival_number", number=delivery.register_no, year=year))
    rest += [labels.mark_text(mark, call.lang.value) for mark in delivery.marks]
    name = delivery.recipient.name or ""
    mark = "!" if silent else sign(delivery.state)
    return mark, delivery.recipient.code, name, _state_word(call, delivery.state), "  ".join(rest)


def _telling(facts: Sequence[Fact]) -> Fact | None:
    """The last thing the other side said, else the last thing our own node did."""
    said = [each for each in facts if each.track in (Track.BUSINESS, Track.REQUEST)]
    return max(said or facts, key=lambda each: each.at, default=None)


def _said(call: Invocation, fact: Fact) -> list[str]:
    reason = f"reason.{fact.reason}"
    words = [
        labels.say(reason, call.lang.value) if fact.reason and labels.has(reason) else fact.reason,
        fact.note,
    ]
    cut = map(without_reference, words)
    told = [f'"{text}"' for text in dict.fromkeys(cut) if text]
    if fact.staff:
        person = ", ".join(part for part in (fact.staff.name, fact.staff.phone) if part)
        told += [f"({person})"] if person else []
    return told


def _advice(call: Invocation, document: OutgoingDocument, deliveries: Sequence[Delivery]) -> list[str]:
    """What a clerk would do now, as a command that can be pasted."""
    failed = [each.recipient.code for each in deliveries if each.state == "failed"]
    if failed:
        chosen = "".join(f" --to {code}" for code in failed)
        return [call.word("cli.todo", command=f"gateway outbox resend {document.id}{chosen}")]
    if any(each.state == "rejected" for each in deliveries):
        return [call.word("cli.todo", command=call.word("cli.correct_and_send"))]
    return []


def _state_word(call: Invocation, state: str) -> str:
    short = f"state.short.{state}"
    return call.word(short) if labels.has(short) else call.word(f"state.{state}", code="")


def _when(at: datetime, now: datetime) -> str:
    """The hour today, the date and hour before."""
    local = at.astimezone(VIETNAM)
    same_day = local.date() == now.astimezone(VIETNAM).date()
    return local.strftime("%H:%M" if same_day else "%d/%m/%Y %H:%M")


def _place(state: str) -> int:
    """Where a state stands between those that need a person and those that do not."""
    return sum(worst((state, other)) == other for other in _STATES if other != state)


_STATES = (
    *("failed", "rejected", "request_refused", "unknown", "recall_asked", "take_back_asked", "update_asked"),
    *(
        "queued",
        "sending",
        "paper",
        "sent",
        "delivered",
        "accepted",
        "assigned",
        "processing",
        "done",
        "request_agreed",
    ),
)


_STEPS = {True: ("✓", "ok"), False: ("✗", "failed"), None: ("·", "not_reached")}


def incoming(
    call: Invocation, document: IncomingDocument, shown: str, facts: Sequence[Fact], beside: AroundDocument
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
        *_signature_lines(call, document.legal_value, document.signatures),
        *(
            f"  {each.n}. {each.name}  {labels.kilobytes(each.size, call.lang.value)}"
            for each in document.files
        ),
        *(_fact_line(call, each) for each in facts),
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
        ("incoming.due_on", day(document.due_on)),
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
        f"{item.id}  {call.word(f'packet.{item.state}')}  {item.code or ''}",
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


def _is_ours(mark: str) -> bool:
    """Marks of requests speak to the sender; the receiver has them among the facts."""
    return labels.has(f"mark.{mark.partition(':')[0]}") and not mark.startswith("request_")


def _checks(call: Invocation, found: Iterable[tuple[str, str]]) -> list[str]:
    """A check a line, in words; what was not found stays away."""
    told = []
    for name, verdict in found:
        key, value = f"check.{name}", f"checked.{verdict}"
        if verdict:
            word = call.word(value) if labels.has(value) else _check_value(name, verdict)
            told.append(f"  {call.word(key) if labels.has(key) else name}: {word}")
    return told


def _check_value(name: str, text: str) -> str:
    return clock(datetime.fromisoformat(text)) if name == "signing_time" else text


def _fact_line(call: Invocation, fact: Fact) -> str:
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
    told = [f"{call.word('cli.signatures.value')}: {legal_value_text(value, call.lang.value)}"]
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
