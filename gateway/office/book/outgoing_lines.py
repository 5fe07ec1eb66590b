"""Lines of the outgoing book: documents of the exchange, and mail that went on paper. In: both as the store has them.
Out: `BookLine` by column, with what the recipients' nodes said as the proof of receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from gateway.domain.book import BookLine, Cell
from gateway.domain.document import (
    Change,
    Delivery,
    DeliveryMode,
    Draft,
    OutgoingDocument,
    OutState,
    Signer,
)
from gateway.domain.letter import OutgoingLine, PaperLetter
from gateway.domain.status import Fact, Track, arrival_number
from gateway.domain.text import fold
from gateway.domain.wall_clock import local
from gateway.office.book import words
from gateway.office.ports.store import OfficeWork
from gateway.ports.paper import PaperPart
from gateway.words import labels

# So many recipients are named with their proof of receipt; of more, how many and the first.
_NAMED = 3
_FILED = "luu"  # how the line of the file copy begins among the recipients
_TAKEN = ("03", "04", "05", "06")


async def told(work: OfficeWork, lines: Sequence[OutgoingLine], lang: str) -> list[BookLine]:
    """One page of lines, in their order."""
    sent = [line.id for line in lines if isinstance(line, OutgoingDocument)]
    deliveries = await work.deliveries.of_many(sent) if sent else {}
    ids = [one.id for each in deliveries.values() for one in each]
    facts = await work.facts.of_many(ids) if ids else {}
    recalls = await work.office.books.recalls(sent) if sent else {}
    parts = {id: await work.paper.of(id) for id in _on_paper(lines)}
    names = await work.office.books.names(
        [line.entered_by for line in lines if isinstance(line, PaperLetter)]
    )
    return [
        _paper(line, names, lang)
        if isinstance(line, PaperLetter)
        else _sent(line, deliveries[line.id], facts, parts.get(line.id, ()), recalls.get(line.id), lang)
        for line in lines
    ]


def _on_paper(lines: Sequence[OutgoingLine]) -> list[str]:
    """The documents that go on paper, alone or too."""
    sent = [line for line in lines if isinstance(line, OutgoingDocument)]
    return [each.id for each in sent if each.draft.delivery_mode in (DeliveryMode.BOTH, DeliveryMode.PAPER)]


def _sent(
    document: OutgoingDocument,
    deliveries: Sequence[Delivery],
    facts: Mapping[str, Sequence[Fact]],
    parts: Sequence[PaperPart],
    recall: tuple[Change, datetime] | None,
    lang: str,
) -> BookLine:
    draft = document.draft
    cells: dict[str, Cell] = {
        "code": draft.code,
        "issued_on": draft.issued_on,
        "subject": labels.say("book.sealed", lang)
        if document.is_sealed
        else words.of_kind(draft.type_name, draft.subject),
        "signer": _signer(draft.signer),
        "recipients": _recipients(draft, lang),
        "copy_holder": "; ".join(place for place in draft.to_places if _is_file_copy(place)),
        "copies": draft.copies,
        "dispatched_on": _dispatched(deliveries, facts, parts),
        "signed_for": _signed_for(deliveries, facts, lang),
        "note": _note(document, recall, lang),
    }
    return BookLine(
        subject_id=document.id,
        number=draft.number,
        on=draft.issued_on,
        cells=cells,
        struck=document.state is OutState.CANCELLED or recall is not None,
        series=draft.type_name,
    )


def _paper(letter: PaperLetter, names: Mapping[str, str], lang: str) -> BookLine:
    notes = [letter.note, labels.say("book.note.source.paper", lang)]
    if letter.catch_up is not None:
        by = names.get(letter.entered_by, letter.entered_by)
        on = words.day(local(letter.entered_at).date())
        notes.append(labels.say("book.note.catch_up", lang, day=on, by=by, reason=letter.catch_up))
    if letter.struck_at is not None:
        on = words.day(local(letter.struck_at).date())
        notes.append(labels.say("book.note.struck", lang, day=on, reason=letter.struck_reason or ""))
    cells: dict[str, Cell] = {
        "code": letter.code,
        "issued_on": letter.issued_on,
        "subject": words.of_kind(letter.type_name, letter.subject),
        "signer": letter.signer,
        "recipients": letter.recipients,
        "copy_holder": letter.copy_holder,
        "copies": letter.copies,
        "dispatched_on": letter.dispatched_on,
        "signed_for": "",
        "note": words.joined(*notes),
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
    named = [to.name or to.code for to in draft.recipients]
    return "; ".join((*named, *(place for place in draft.to_places if not _is_file_copy(place))))


def _dispatched(
    deliveries: Sequence[Delivery], facts: Mapping[str, Sequence[Fact]], parts: Sequence[PaperPart]
) -> date | None:
    """The first recipient for whom the axis took it, or who got it on paper."""
    sent = [
        local(fact.at).date()
        for one in deliveries
        for fact in facts[one.id]
        if fact.track is Track.TRANSPORT and fact.code == "sent"
    ]
    return min((*sent, *(part.handed_over for part in parts if part.handed_over)), default=None)


def _signed_for(deliveries: Sequence[Delivery], facts: Mapping[str, Sequence[Fact]], lang: str) -> str:
    """The first word of each recipient that took it in; else that it has arrived."""
    proofs = [(one, _proof(facts[one.id])) for one in deliveries]
    said = [
        (f"{one.recipient.name or one.recipient.code}: " if len(deliveries) > 1 else "")
        + words.signed_for(proof, facts[one.id], lang)
        for one, proof in proofs
        if proof is not None
    ]
    if len(deliveries) <= _NAMED:
        return "; ".join(said)
    done = sum(proof is not None and proof.code in _TAKEN for _, proof in proofs)
    first = said[0] if said else ""
    return labels.say("book.signed_for.of", lang, done=done, all=len(deliveries), first=first).rstrip("; ")


def _proof(facts: Sequence[Fact]) -> Fact | None:
    said = [fact for fact in facts if fact.track is Track.BUSINESS]
    taken = [fact for fact in said if fact.code in _TAKEN]
    arrived = [fact for fact in said if fact.code == "01"]
    proof = next(iter((*taken, *arrived)), None)
    number = arrival_number(facts)  # it may have been told in a later 03
    if proof is None or number is None:
        return proof
    return replace(proof, register_no=number[0], register_year=number[1])


def _note(document: OutgoingDocument, recall: tuple[Change, datetime] | None, lang: str) -> str:
    if recall is not None:
        change, at = recall
        on = words.day(local(at).date())
        if change.notice_no:
            return labels.say(
                "book.note.recall_notice", lang, notice=change.notice_no, day=on, reason=change.reason
            )
        return labels.say("book.note.recalled", lang, day=on, reason=change.reason)
    if document.state is OutState.CANCELLED:
        return words.joined(labels.say("book.note.cancelled", lang), document.state_reason)
    if document.draft.delivery_mode is DeliveryMode.PAPER:
        return labels.say("book.note.source.paper", lang)
    return ""
