"""Tells one outgoing document to a clerk: a line of what it is, a line of how many stand where, and a line per
recipient with who said what and when, the ones that need a person first. In: documents and facts. Out: lines. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from gateway.api.words import without_reference
from gateway.cli import signed
from gateway.cli.command import Call
from gateway.cli.output import day, plain
from gateway.cli.shapes import numbered, sign
from gateway.domain.document import Delivery, OutgoingDocument
from gateway.domain.status import Fact, Track, worst
from gateway.domain.wall_clock import VIETNAM
from gateway.words import labels

# The axis has it and nobody has answered for this long: worth a look (T12 expects five minutes).
SILENCE = timedelta(minutes=30)


def outgoing(
    call: Call,
    document: OutgoingDocument,
    deliveries: Sequence[Delivery],
    facts: Mapping[str, Sequence[Fact]],
    stuck: str | None,
    now: datetime,
) -> list[str]:
    """Everything about one outgoing document, as lines. `stuck` says why it could not be packed yet."""
    lines = [plain(_head(call, document))]
    if document.state in ("draft", "blocked", "cancelled"):
        lines.append(
            f"{sign(document.state)} {call.word(f'state.{document.state}')}  {document.state_reason or ''}"
        )
    if stuck:
        lines.append(plain(call.word("cli.stuck", reason=stuck)))
    lines += signed.lines(call, document.legal_value, document.signatures)
    if deliveries:
        lines.append(_summary(call, deliveries))
    ordered = sorted(deliveries, key=lambda each: (_place(each.state), each.recipient.code))
    shown = [_row(call, each, facts.get(each.id, ()), now) for each in ordered]
    widths = [max((len(row[n]) for row in shown), default=0) for n in range(4)]
    lines += [
        plain(
            "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row[:4], widths, strict=True)), row[4]])
        ).rstrip()
        for row in shown
    ]
    return lines + _advice(call, document, ordered)


def _head(call: Call, document: OutgoingDocument) -> str:
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


def _summary(call: Call, deliveries: Sequence[Delivery]) -> str:
    counts = Counter(each.state for each in deliveries)
    told = [f"{counts[state]} {_word(call, state).lower()}" for state in sorted(counts, key=_place)]
    return f"{call.word('cli.recipients', count=len(deliveries))}: " + " · ".join(told)


def _row(
    call: Call, delivery: Delivery, facts: Sequence[Fact], now: datetime
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
    return mark, delivery.recipient.code, name, _word(call, delivery.state), "  ".join(rest)


def _telling(facts: Sequence[Fact]) -> Fact | None:
    """The last thing the other side said, else the last thing our own node did."""
    said = [each for each in facts if each.track in (Track.BUSINESS, Track.REQUEST)]
    return max(said or facts, key=lambda each: each.at, default=None)


def _said(call: Call, fact: Fact) -> list[str]:
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


def _advice(call: Call, document: OutgoingDocument, deliveries: Sequence[Delivery]) -> list[str]:
    """What a clerk would do now, as a command that can be pasted."""
    failed = [each.recipient.code for each in deliveries if each.state == "failed"]
    if failed:
        chosen = "".join(f" --to {code}" for code in failed)
        return [call.word("cli.todo", command=f"gateway outbox resend {document.id}{chosen}")]
    if any(each.state == "rejected" for each in deliveries):
        return [call.word("cli.todo", command=call.word("cli.correct_and_send"))]
    return []


def _word(call: Call, state: str) -> str:
    short = f"state.short.{state}"
    return call.word(short) if labels.has(short) else call.word(f"state.{state}", code="")


def _when(at: datetime, now: datetime) -> str:
    """The hour today, the date and hour before."""
    local = at.astimezone(VIETNAM)
    same_day = local.date() == now.astimezone(VIETNAM).date()
    return local.strftime("%H:%M" if same_day else "%d/%m/%Y %H:%M")


def _place(state: str) -> int:
    """Where a state stands between those that need a person and those that do not."""
    return sum(worst((state, other)) == other for other in _KNOWN if other != state)


_KNOWN = (
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
