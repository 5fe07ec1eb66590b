"""Lines of the register books, and the books' sentences. In: incoming entries with their documents, documents of the
exchange and mail that went on paper, as the store has them. Out: `BookLine` by column, with the recipients' statuses as the
proof of receipt; notes of the last column, the person who signed for a document, the sentence about gaps, as printed. Only
facts and names of the same page are read here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from gateway.document_view.facts import received_word, sent_fact, without_reference
from gateway.domain.book import (
    Book,
    BookLine,
    Cell,
    Gap,
    NumberRun,
    OutgoingLine,
    PaperLetter,
    RegisterEntry,
    Summary,
)
from gateway.domain.document import (
    AXIS_COPY,
    Delivery,
    DeliveryMode,
    DocumentChange,
    Draft,
    IncomingDocument,
    InState,
    OutgoingDocument,
    Signer,
    Source,
)
from gateway.domain.endings import STRUCK, Ending, ending_of
from gateway.domain.states import TAKEN_CODES, State, Track
from gateway.domain.status import (
    MAY_HAVE_LEFT,
    Fact,
    RequestState,
    arrival_number,
    began,
    closed_at,
    counts_at,
    fold_delivery,
)
from gateway.domain.text import fold
from gateway.domain.wall_clock import day_text, local, moment_text
from gateway.store.incoming import Handover
from gateway.store.paper_letters import PaperPart
from gateway.words import labels
from gateway_office.store.book import IncomingLine
from gateway_office.store.store import OfficeWork

# So many recipients are named with their proof of receipt; beyond it, their count and the first.
_MOST_NAMED = 3
_FILED = "luu"  # how the line of the file copy begins among the recipients


def proof_text(fact: Fact, facts: Iterable[Fact], lang: str) -> str:
    """Write the proof of receipt: taken in, 14:02 20/11/2026, and the name where it is known."""
    name = fact.staff.name if fact.staff is not None and fact.staff.name else ""
    by = f", {name}" if name else ""
    if fact.register_no:
        number = labels.say(
            "outgoing.arrival_number", lang, number=fact.register_no, year=fact.register_year or ""
        )
        by = f"{by}, {number}"
    word = sent_fact(fact, lang).word
    return labels.say(
        "book.signed_for", lang, said=word, at=moment_text(counts_at(fact, began(facts))), by=by
    )


def joined_text(*parts: str | None) -> str:
    return ". ".join(part.rstrip(". ") for part in parts if part and part.strip())


def kind_text(type_name: str | None, subject: str) -> str:
    """Join type and abstract in one cell; the type once, where the abstract begins with it."""
    if type_name and subject.casefold().startswith(type_name.casefold()):
        return subject
    return ": ".join(part for part in (type_name or "", subject) if part)


def gaps_sentence(run: NumberRun, lang: str) -> str:
    """Say whether numbers are missing, and which."""
    if run.first is None or run.last is None:
        return labels.say("book.run.none", lang)
    parts = []
    if run.missing:
        which = _missing_text(run.gaps, run.missing, lang)
        parts.append(
            labels.say(
                "book.run.missing", lang, first=run.first, last=run.last, count=run.missing, which=which
            )
        )
    if run.doubled:
        parts.append(labels.say("book.run.doubled", lang, which=", ".join(map(str, run.doubled))))
    sentence = joined_text(*parts) or labels.say("book.run.whole", lang, first=run.first, last=run.last)
    return labels.say("book.run.series", lang, series=run.series, said=sentence) if run.series else sentence


def _missing_text(gaps: Sequence[Gap], missing: int, lang: str) -> str:
    ranges = [str(gap.first) if gap.count == 1 else f"{gap.first}–{gap.last}" for gap in gaps]
    if sum(gap.count for gap in gaps) < missing:
        ranges.append(labels.say("book.run.and_more", lang))
    return ", ".join(ranges)


def closing_lines(summary: Summary, lang: str) -> tuple[str, ...]:
    """Write the lines under the last line."""
    if not summary.lines:
        return (labels.say("book.empty", lang),)
    total = labels.say(
        "book.closing", lang, lines=summary.lines, struck=summary.struck, digest=summary.digest
    )
    return *(gaps_sentence(run, lang) for run in summary.runs), total


async def incoming_lines(
    work: OfficeWork, book: Book, lines: Sequence[IncomingLine], lang: str
) -> list[BookLine]:
    """Make one page of lines, in their order."""
    ids = [line.document.id for line in lines]
    facts = await work.facts.of_subjects(ids) if ids else {}
    names = await work.office.books.names([line.entry.entered_by for line in lines if line.entry.entered_by])
    names = dict(names) | await _replacing(work, lines)
    if book is Book.INCOMING:
        return [_register_line(line, facts[line.document.id], names, lang) for line in lines]
    # Replies are read only where there are lines, and only those sent after the first of them came.
    since = min((line.document.arrived_at for line in lines), default=None)
    ours = [line.document.document_id for line in lines]
    replies = await work.office.books.replies(ours, since) if since is not None else {}
    return [
        _follow_up_line(
            line, facts[line.document.id], names, replies.get(line.document.document_id, ()), lang
        )
        for line in lines
    ]


async def _replacing(work: OfficeWork, lines: Sequence[IncomingLine]) -> dict[str, str]:
    """Map replacing documents to their number and symbol."""
    ids = [line.document.replaced_by for line in lines if line.document.state is InState.REPLACED]
    return {id: (await work.incoming.get(id)).code for id in dict.fromkeys(ids) if id is not None}


def _register_line(
    line: IncomingLine, facts: Sequence[Fact], names: Mapping[str, str], lang: str
) -> BookLine:
    document, entry = line.document, line.entry
    hidden = document.state is InState.SEALED
    cells: dict[str, Cell] = {
        "arrived_on": local(document.arrived_at).date(),
        "arrival_number": entry.number,
        "author": document.sender_name or document.sender_code,
        "code": document.code,
        "issued_on": document.issued_on,
        "subject": labels.say("book.sealed", lang)
        if hidden
        else kind_text(document.type_name, document.subject),
        "to_places": _places(document),
        "handed_over_on": _handed_over(facts, line.handover),
        "signed_for": _incoming_proof(facts, line.handover, lang),
        "note": incoming_note(document, entry, names, lang),
    }
    return _book_line(line, cells)


def _follow_up_line(
    line: IncomingLine, facts: Sequence[Fact], names: Mapping[str, str], replies: Sequence[str], lang: str
) -> BookLine:
    document, entry = line.document, line.entry
    description = (document.type_name or "", document.code, day_text(document.issued_on))
    sender = document.sender_name or document.sender_code
    deadline = document.assignment.deadline if document.assignment else None
    cells: dict[str, Cell] = {
        "arrival_number": entry.number,
        "what": ", ".join(part for part in (*description, sender) if part),
        "to_places": _places(document),
        "due_on": deadline or document.due_on,
        "progress": _progress(document, facts, deadline or document.due_on, lang),
        "reply": "; ".join(replies),
        "note": incoming_note(document, entry, names, lang),
    }
    return _book_line(line, cells)


def _progress(document: IncomingDocument, facts: Sequence[Fact], due: date | None, lang: str) -> str:
    """Describe the progress. The book marks late completion for good; whether open work is late the lists show."""
    word = received_word(document.state, lang)
    done_at = closed_at(facts) if document.state is InState.DONE else None
    if done_at is None or due is None or local(done_at).date() <= due:
        return word
    return labels.say("book.done_late", lang, state=word, day=day_text(local(done_at)))


def _book_line(line: IncomingLine, cells: Mapping[str, Cell]) -> BookLine:
    return BookLine(
        subject_id=line.document.id,
        number=line.entry.number,
        on=local(line.document.arrived_at).date(),
        cells=cells,
        struck=is_struck(line),
        by_hand=line.document.source is not Source.AXIS,
    )


def is_struck(line: IncomingLine) -> bool:
    """Tell whether the line is struck. Recalls from before strokes were kept in the book count as well."""
    return line.entry.struck_at is not None or line.document.state is InState.RECALLED


def _places(document: IncomingDocument) -> str:
    to = document.assignment
    return "; ".join((to.lead_unit, *to.coordinating_units)) if to is not None else ""


def _handed_over(facts: Sequence[Fact], handover: Handover | None) -> date | None:
    """Return the day it was assigned, else the day a document system took it over."""
    assigned = next((fact for fact in facts if _is_status(fact, "04")), None)
    if assigned is not None:
        return local(counts_at(assigned, began(facts))).date()
    acked = handover.acked_at if handover is not None else None
    return local(acked).date() if acked is not None else None


def _incoming_proof(facts: Sequence[Fact], handover: Handover | None, lang: str) -> str:
    signed_facts = [
        fact for fact in facts if fact.staff is not None and any(_is_status(fact, c) for c in ("04", "05"))
    ]
    if signed_facts:
        return proof_text(signed_facts[0], facts, lang)
    if handover is not None and handover.acked_at is not None:
        return labels.say("book.signed_for.acked", lang, at=moment_text(handover.acked_at))
    return ""


def _is_status(fact: Fact, code: str) -> bool:
    return fact.track is Track.BUSINESS and fact.code == code


def incoming_note(
    document: IncomingDocument, entry: RegisterEntry, names: Mapping[str, str], lang: str
) -> str:
    """Write the note: the way it came, a later entry, and the fate of its line."""
    parts = []
    if document.source is not Source.AXIS:
        parts.append(labels.say(f"book.note.source.{document.source}", lang))
    parts += [labels.mark_text(mark, lang) for mark in document.marks if mark.startswith(f"{AXIS_COPY}:")]
    if entry.catch_up is not None:
        by = names.get(entry.entered_by or "", entry.entered_by or "")
        on = day_text(local(entry.entered_at).date())
        parts.append(labels.say("book.note.catch_up", lang, day=on, by=by, reason=entry.catch_up))
    parts += _wishes_text(document, lang)
    parts.append(_ending_text(document, entry, names, lang))
    return joined_text(*parts)


def _wishes_text(document: IncomingDocument, lang: str) -> list[str]:
    """List the sender's wishes that no column has: our role, the hour, whether paper follows."""
    wishes = []
    if document.role is not None:
        wishes.append(labels.say(f"role.{document.role}", lang))
    if document.due_at is not None:
        wishes.append(labels.say("book.note.due_at", lang, at=moment_text(document.due_at)))
    if document.reply_required:
        wishes.append(labels.say("book.note.reply", lang))
    if document.delivery_mode is DeliveryMode.BOTH:
        wishes.append(labels.say("book.note.both", lang))
    return wishes


def _ending_text(
    document: IncomingDocument, entry: RegisterEntry, names: Mapping[str, str], lang: str
) -> str:
    if entry.struck_at is not None:
        word = "recalled" if document.state is InState.RECALLED else "struck"
        on = day_text(local(entry.struck_at).date())
        return labels.say(f"book.note.{word}", lang, day=on, reason=entry.struck_reason or "")
    if document.state is InState.RECALLED:
        return labels.say("book.note.recalled_bare", lang)
    if document.state is InState.REJECTED:
        return labels.say("book.note.rejected", lang)
    if document.state is InState.REPLACED:
        return labels.say("book.note.replaced", lang, by=names.get(document.replaced_by or "", ""))
    return labels.say("book.note.sealed", lang) if document.state is InState.SEALED else ""


async def outgoing_lines(work: OfficeWork, lines: Sequence[OutgoingLine], lang: str) -> list[BookLine]:
    """Make one page of lines, in their order."""
    attempts = await _load_attempts(work, [line for line in lines if isinstance(line, OutgoingDocument)])
    names = await work.office.books.names(
        [line.entered_by for line in lines if isinstance(line, PaperLetter)]
    )
    return [
        _paper_line(line, names, lang)
        if isinstance(line, PaperLetter)
        else _sent_line(line, attempts[line.document_id], lang)
        for line in lines
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """One attempt to send a document, with its end. `recall` is the one that its recipients agreed to."""

    document: OutgoingDocument
    deliveries: Sequence[Delivery]
    facts: Mapping[str, Sequence[Fact]]
    parts: Sequence[PaperPart]
    recall: tuple[DocumentChange, datetime] | None
    replacement: OutgoingDocument | None

    @property
    def own_facts(self) -> Sequence[Sequence[Fact]]:
        return [self.facts[delivery.id] for delivery in self.deliveries]

    @property
    def ending(self) -> Ending:
        standings = [fold_delivery(facts) for facts in self.own_facts]
        return ending_of(self.document, standings, self.replacement is not None)


async def _load_attempts(
    work: OfficeWork, documents: Sequence[OutgoingDocument]
) -> Mapping[str, Sequence[_Attempt]]:
    """Load all attempts to send these documents, by their common identity, oldest first."""
    if not documents:
        return {}
    sent = await work.office.books.attempts([document.document_id for document in documents])
    ids = [document.id for group in sent.values() for document in group]
    deliveries = await work.deliveries.of_documents(ids)
    delivery_ids = [delivery.id for group in deliveries.values() for delivery in group]
    facts = await work.facts.of_subjects(delivery_ids) if delivery_ids else {}
    recalls, replacements = await work.office.books.recalls(ids), await work.office.books.replacements(ids)
    on_paper = (DeliveryMode.BOTH, DeliveryMode.PAPER)
    return {
        document_id: [
            _Attempt(
                document=d,
                deliveries=deliveries.get(d.id, ()),
                facts=facts,
                parts=await work.paper.of_document(d.id) if d.draft.delivery_mode in on_paper else (),
                recall=recalls.get(d.id),
                replacement=replacements.get(d.id),
            )
            for d in group
        ]
        for document_id, group in sent.items()
    }


def _sent_line(document: OutgoingDocument, attempts: Sequence[_Attempt], lang: str) -> BookLine:
    """Make the line of a number: of the attempts that stand together, with the ends of the others in its note."""
    standing = [attempt for attempt in attempts if attempt.ending not in STRUCK]
    last = next(attempt for attempt in attempts if attempt.document.id == document.id)
    standing_attempts = standing or [last]
    if last not in standing_attempts:
        last = standing_attempts[-1]
    # A recipient that got it again counts with its last delivery.
    by_code = {d.recipient.code.casefold(): d for attempt in standing_attempts for d in attempt.deliveries}
    deliveries, facts = list(by_code.values()), last.facts
    parts = [part for attempt in standing_attempts for part in attempt.parts]
    ended_attempts = [
        attempt for attempt in attempts if attempt is not last and attempt.ending is not Ending.NONE
    ]
    earlier = [
        labels.say("book.note.other", lang, end=text) for a in ended_attempts if (text := _end_text(a, lang))
    ]
    on_paper = labels.say("book.note.source.paper", lang)
    draft = replace(
        last.document.draft,
        recipients=tuple(
            {r.code: r for a in standing_attempts for r in a.document.draft.recipients}.values()
        ),
    )
    cells: dict[str, Cell] = {
        "code": draft.code,
        "issued_on": draft.issued_on,
        "subject": labels.say("book.sealed", lang)
        if document.is_sealed
        else kind_text(draft.type_name, draft.subject),
        "signer": _signer(draft.signer),
        "recipients": _recipients(draft, lang),
        "copy_holder": "; ".join(place for place in draft.to_places if _is_file_copy(place)),
        "copies": draft.copies,
        "dispatched_on": _dispatched(deliveries, facts, parts),
        "signed_for": _outgoing_proof(deliveries, facts, lang),
        "note": joined_text(
            on_paper if draft.delivery_mode is DeliveryMode.PAPER and standing else "",
            _end_text(last, lang),
            *(_left_text(attempt, lang) for attempt in standing_attempts),
            *earlier,
        ),
    }
    return BookLine(
        subject_id=document.id,
        number=draft.number,
        on=draft.issued_on,
        cells=cells,
        struck=not standing,
        series=draft.type_name,
    )


def _paper_line(letter: PaperLetter, names: Mapping[str, str], lang: str) -> BookLine:
    notes = [letter.note, labels.say("book.note.source.paper", lang)]
    if letter.catch_up is not None:
        by = names.get(letter.entered_by, letter.entered_by)
        on = day_text(local(letter.entered_at).date())
        notes.append(labels.say("book.note.catch_up", lang, day=on, by=by, reason=letter.catch_up))
    if letter.struck_at is not None:
        on = day_text(local(letter.struck_at).date())
        notes.append(labels.say("book.note.struck", lang, day=on, reason=letter.struck_reason or ""))
    cells: dict[str, Cell] = {
        "code": letter.code,
        "issued_on": letter.issued_on,
        "subject": kind_text(letter.type_name, letter.subject),
        "signer": letter.signer,
        "recipients": letter.recipients,
        "copy_holder": letter.copy_holder,
        "copies": letter.copies,
        "dispatched_on": letter.dispatched_on,
        "signed_for": "",
        "note": joined_text(*notes),
    }
    return BookLine(
        subject_id=letter.id,
        number=letter.number,
        on=letter.issued_on,
        cells=cells,
        struck=letter.struck_at is not None,
        series=letter.type_name,
        by_hand=True,
    )


def _signer(signer: Signer | None) -> str:
    if signer is None:
        return ""
    return f"{signer.name} ({signer.title})" if signer.title else signer.name


def _is_file_copy(place: str) -> bool:
    return fold(place).startswith(_FILED)


def _recipients(draft: Draft, lang: str) -> str:
    names = [to.name or to.code for to in draft.recipients]
    return "; ".join((*names, *(place for place in draft.to_places if not _is_file_copy(place))))


def _dispatched(
    deliveries: Sequence[Delivery], facts: Mapping[str, Sequence[Fact]], parts: Sequence[PaperPart]
) -> date | None:
    """Return the first day on which the axis took it for a recipient, or one got it on paper."""
    sent_days = [
        local(fact.at).date()
        for delivery in deliveries
        for fact in facts[delivery.id]
        if fact.track is Track.TRANSPORT and fact.code == State.SENT
    ]
    return min((*sent_days, *(part.handed_over for part in parts if part.handed_over)), default=None)


def _outgoing_proof(deliveries: Sequence[Delivery], facts: Mapping[str, Sequence[Fact]], lang: str) -> str:
    """Return the first proof of each recipient that took it in; else of its arrival."""
    proofs = [(d, _proof_fact(facts[d.id])) for d in deliveries]
    sentences = [
        (f"{d.recipient.name or d.recipient.code}: " if len(deliveries) > 1 else "")
        + proof_text(proof, facts[d.id], lang)
        for d, proof in proofs
        if proof is not None
    ]
    if len(deliveries) <= _MOST_NAMED:
        return "; ".join(sentences)
    taken_count = sum(proof is not None and proof.code in TAKEN_CODES for _, proof in proofs)
    first = sentences[0] if sentences else ""
    return labels.say("book.signed_for.of", lang, done=taken_count, all=len(deliveries), first=first).rstrip(
        "; "
    )


def _proof_fact(facts: Sequence[Fact]) -> Fact | None:
    statuses = [fact for fact in facts if fact.track is Track.BUSINESS]
    taken_in = [fact for fact in statuses if fact.code in TAKEN_CODES]
    arrived = [fact for fact in statuses if fact.code == "01"]
    proof = next(iter((*taken_in, *arrived)), None)
    number = arrival_number(facts)  # it may have been told in a later 03
    if proof is None or number is None:
        return proof
    return replace(proof, register_no=number[0], register_year=number[1])


def _end_text(attempt: _Attempt, lang: str) -> str:
    """Write how an attempt ended: one row for each `Ending`; empty where it stands."""
    document, recall, by = attempt.document, attempt.recall, attempt.replacement
    match attempt.ending:
        case Ending.CANCELLED:
            return joined_text(labels.say("book.note.cancelled", lang), document.state_reason)
        case Ending.RECALLED if recall is not None:
            change, at = recall
            values = {"day": day_text(local(at).date()), "reason": change.reason}
            if change.notice_no:
                return labels.say("book.note.recall_notice", lang, notice=change.notice_no, **values)
            return labels.say("book.note.recalled", lang, **values)
        case Ending.RECALLED | Ending.TAKEN_BACK:
            requests = [
                fact for group in attempt.own_facts for fact in group if fact.code == RequestState.OPEN
            ]
            last = max(requests, key=lambda fact: fact.at)
            day = day_text(local(last.at).date())
            return labels.say("book.note.taken_back", lang, day=day, reason=last.reason or "").rstrip(": ")
        case Ending.REPLACED if by is not None:
            return labels.say("book.note.replaced", lang, by=by.draft.code)
        case Ending.REFUSED:
            return joined_text(*_refusals(attempt, lang))
        case _:
            return ""


def _refusals(attempt: _Attempt, lang: str) -> list[str]:
    """Name the first recipients that refused it, each with day and reason."""
    texts = []
    for delivery in attempt.deliveries:
        refused = [fact for fact in attempt.facts[delivery.id] if _is_status(fact, "02")]
        if delivery.state == State.REJECTED and refused:
            name, why = (
                delivery.recipient.name or delivery.recipient.code,
                without_reference(refused[-1].reason) or "",
            )
            day = day_text(local(refused[-1].at).date())
            texts.append(labels.say("book.note.refused", lang, who=name, day=day, reason=why).rstrip(": "))
    return texts[:_MOST_NAMED]


def _left_text(attempt: _Attempt, lang: str) -> str:
    """Write that it was cancelled and had left all the same, with both days; empty where it was not."""
    for delivery in attempt.deliveries:
        if MAY_HAVE_LEFT in delivery.marks and delivery.state != State.CANCELLED:
            facts = attempt.facts[delivery.id]
            cancelled = [fact.at for fact in facts if fact.code == State.CANCELLED]
            proved = [fact.at for fact in facts if fact.track is Track.BUSINESS]
            name = delivery.recipient.name or delivery.recipient.code
            days = [day_text(local(min(times)).date()) for times in (cancelled, proved)]
            return labels.say("book.note.left", lang, day=days[0], who=name, on=days[1])
    return ""
