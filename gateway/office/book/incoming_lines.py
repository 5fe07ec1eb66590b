"""Lines of the incoming book and of the book that follows what came in. In: entries with their documents, as the store
has them. Out: `BookLine` by column; nothing is read here but facts and names of the same page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from gateway.domain.book import Book, BookLine, Cell
from gateway.domain.document import AXIS_COPY, DeliveryMode, IncomingDocument, InState, Source
from gateway.domain.status import Fact, Track, began, counts_at
from gateway.domain.wall_clock import local
from gateway.office.book import words
from gateway.office.ports.book import IncomingLine
from gateway.office.ports.store import OfficeWork
from gateway.ports.rows import Handover, RegisterEntry
from gateway.words import labels


async def told(work: OfficeWork, book: Book, lines: Sequence[IncomingLine], lang: str) -> list[BookLine]:
    """One page of lines, in their order."""
    ids = [line.document.id for line in lines]
    facts = await work.facts.of_many(ids) if ids else {}
    names = await work.office.books.names([line.entry.entered_by for line in lines if line.entry.entered_by])
    names = dict(names) | await _replacing(work, lines)
    if book is Book.INCOMING:
        return [_register_line(line, facts[line.document.id], names, lang) for line in lines]
    replies = await _replies(work, lines)
    return [_follow_up_line(line, names, replies.get(line.document.document_id, ()), lang) for line in lines]


async def _replacing(work: OfficeWork, lines: Sequence[IncomingLine]) -> dict[str, str]:
    """Number and symbol of the documents that stand for replaced ones."""
    ids = {line.document.replaced_by for line in lines if line.document.state is InState.REPLACED}
    return {id: _code(await work.incoming.get(id)) for id in ids if id is not None}


async def _replies(work: OfficeWork, lines: Sequence[IncomingLine]) -> Mapping[str, Sequence[str]]:
    if not lines:
        return {}
    since = min(line.document.arrived_at for line in lines)
    return await work.office.books.replies([line.document.document_id for line in lines], since)


def _register_line(
    line: IncomingLine, facts: Sequence[Fact], names: Mapping[str, str], lang: str
) -> BookLine:
    document, entry = line.document, line.entry
    hidden = document.state is InState.SEALED
    cells: dict[str, Cell] = {
        "arrived_on": local(document.arrived_at).date(),
        "arrival_number": entry.number,
        "author": document.sender_name or document.sender_code,
        "code": _code(document),
        "issued_on": document.issued_on,
        "subject": labels.say("book.sealed", lang)
        if hidden
        else words.of_kind(document.type_name, document.subject),
        "to_places": _places(document),
        "handed_over_on": _handed_over(facts, line.handover),
        "signed_for": _signed_for(facts, line.handover, lang),
        "note": note(document, entry, names, lang),
    }
    return _line(line, cells)


def _follow_up_line(
    line: IncomingLine, names: Mapping[str, str], replies: Sequence[str], lang: str
) -> BookLine:
    document, entry = line.document, line.entry
    what = (document.type_name or "", _code(document), words.day(document.issued_on))
    sender = document.sender_name or document.sender_code
    deadline = document.assignment.deadline if document.assignment else None
    cells: dict[str, Cell] = {
        "arrival_number": entry.number,
        "what": ", ".join(part for part in (*what, sender) if part),
        "to_places": _places(document),
        "due_on": deadline or document.due_on,
        "progress": labels.say(f"state.in.{document.state}", lang),
        "reply": "; ".join(replies),
        "note": note(document, entry, names, lang),
    }
    return _line(line, cells)


def _line(line: IncomingLine, cells: Mapping[str, Cell]) -> BookLine:
    return BookLine(
        subject_id=line.document.id,
        number=line.entry.number,
        on=local(line.document.arrived_at).date(),
        cells=cells,
        struck=is_struck(line),
        by_hand=line.document.source is not Source.AXIS,
    )


def is_struck(line: IncomingLine) -> bool:
    """Recalled before strokes were kept in the book counts as well."""
    return line.entry.struck_at is not None or line.document.state is InState.RECALLED


def _code(document: IncomingDocument) -> str:
    return "/".join(part for part in (document.number, document.symbol) if part)


def _places(document: IncomingDocument) -> str:
    to = document.assignment
    return "; ".join((to.lead_unit, *to.coordinating_units)) if to is not None else ""


def _handed_over(facts: Sequence[Fact], handover: Handover | None) -> date | None:
    """When it was assigned, else when a document system took it over."""
    assigned = next((fact for fact in facts if _says(fact, "04")), None)
    if assigned is not None:
        return local(counts_at(assigned, began(facts))).date()
    acked = handover.acked_at if handover is not None else None
    return local(acked).date() if acked is not None else None


def _signed_for(facts: Sequence[Fact], handover: Handover | None, lang: str) -> str:
    named = [fact for fact in facts if fact.staff is not None and any(_says(fact, c) for c in ("04", "05"))]
    if named:
        return words.signed_for(named[0], facts, lang)
    if handover is not None and handover.acked_at is not None:
        return labels.say("book.signed_for.acked", lang, at=words.moment(handover.acked_at))
    return ""


def _says(fact: Fact, code: str) -> bool:
    return fact.track is Track.BUSINESS and fact.code == code


def note(document: IncomingDocument, entry: RegisterEntry, names: Mapping[str, str], lang: str) -> str:
    """How it came, that it was entered afterwards, and what became of its line."""
    parts = []
    if document.source is not Source.AXIS:
        parts.append(labels.say(f"book.note.source.{document.source}", lang))
    parts += [labels.mark_text(mark, lang) for mark in document.marks if mark.startswith(f"{AXIS_COPY}:")]
    if entry.catch_up is not None:
        by = names.get(entry.entered_by or "", entry.entered_by or "")
        on = words.day(local(entry.entered_at).date())
        parts.append(labels.say("book.note.catch_up", lang, day=on, by=by, reason=entry.catch_up))
    parts += _wishes(document, lang)
    parts.append(_ending(document, entry, names, lang))
    return words.joined(*parts)


def _wishes(document: IncomingDocument, lang: str) -> list[str]:
    """What the sender asks of us and no column has: in what role, until which hour, whether paper follows."""
    told = []
    if document.role is not None:
        told.append(labels.say(f"role.{document.role}", lang))
    if document.due_at is not None:
        told.append(labels.say("book.note.due_at", lang, at=words.moment(document.due_at)))
    if document.reply_required:
        told.append(labels.say("book.note.reply", lang))
    if document.delivery_mode is DeliveryMode.BOTH:
        told.append(labels.say("book.note.both", lang))
    return told


def _ending(document: IncomingDocument, entry: RegisterEntry, names: Mapping[str, str], lang: str) -> str:
    if entry.struck_at is not None:
        word = "recalled" if document.state is InState.RECALLED else "struck"
        on = words.day(local(entry.struck_at).date())
        return labels.say(f"book.note.{word}", lang, day=on, reason=entry.struck_reason or "")
    if document.state is InState.RECALLED:
        return labels.say("book.note.recalled_bare", lang)
    if document.state is InState.REJECTED:
        return labels.say("book.note.rejected", lang)
    if document.state is InState.REPLACED:
        return labels.say("book.note.replaced", lang, by=names.get(document.replaced_by or "", ""))
    return labels.say("book.note.sealed", lang) if document.state is InState.SEALED else ""
