"""Outgoing mail that went on paper, and what went out during a stop: lines of the outgoing book that are no documents of
the exchange (R32, R99). In: what the clerk typed. Out: committed: the line, under a number that nothing else has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from gateway.domain.account import AgencyScope, NumberingMode
from gateway.domain.book import Book, PaperLetter, Span, end_of_run
from gateway.domain.document import Draft
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local
from gateway.errors import Refused
from gateway.office.desks import BookDesk
from gateway.office.ports.store import OfficeWork
from gateway.policy import book as rules
from gateway.policy import door
from gateway.policy.profile import Profile

_NEEDED = frozenset({"number", "symbol", "type_name", "subject", "signer", "recipients"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the clerk typed. `catch_up`: why it is entered only now, after a stop."""

    number: str
    symbol: str
    issued_on: date
    type_name: str
    subject: str
    signer: str
    recipients: str
    copy_holder: str = ""
    copies: int | None = None
    dispatched_on: date | None = None
    note: str = ""
    secrecy: str = "none"
    catch_up: str | None = None


async def enter(desk: BookDesk, scope: AgencyScope, sent: Sent) -> PaperLetter:
    """The line. Refused names every broken rule, Clash a number that is taken in that year."""
    _check(sent, local(desk.clock.now()).date())
    letter = PaperLetter(
        id=desk.clock.new_id("ppr_"),
        number=sent.number.strip(),
        symbol=sent.symbol.strip(),
        issued_on=sent.issued_on,
        type_name=sent.type_name.strip(),
        subject=sent.subject.strip(),
        signer=sent.signer.strip(),
        recipients=sent.recipients.strip(),
        copy_holder=sent.copy_holder.strip(),
        copies=sent.copies,
        dispatched_on=sent.dispatched_on,
        note=sent.note.strip(),
        entered_at=desk.clock.now(),
        entered_by=scope.principal_id,
        catch_up=sent.catch_up.strip() if sent.catch_up else None,
    )
    async with desk.store.begin(scope) as work:
        await work.agency()
        await work.office.books.put_letter(letter)
        more = {"catch_up": letter.catch_up} if letter.catch_up else {}
        told = _told(letter, source="paper", day=letter.issued_on.isoformat(), **more)
        await work.events.append(EventKind.BOOK_ENTERED, letter.id, letter.entered_at, told)
        await work.commit()
    return letter


def _check(sent: Sent, today: date) -> None:
    declared = door.check_declared(sent.secrecy, None, Profile())
    asked = rules.HandEntry(
        texts={
            "number": sent.number,
            "symbol": sent.symbol,
            "type_name": sent.type_name,
            "subject": sent.subject,
            "signer": sent.signer,
            "recipients": sent.recipients,
            "copy_holder": sent.copy_holder,
            "note": sent.note,
            **({} if sent.catch_up is None else {"catch_up": sent.catch_up}),
        },
        needed=_NEEDED | {"catch_up"},
        issued_on=sent.issued_on,
        day=sent.issued_on,
        given_number=sent.number or "?",  # a missing one is named once, as the document's own number
        is_catch_up=sent.catch_up is not None,
    )
    verdict = declared + rules.check_entry(asked, NumberingMode.C, today)
    if not verdict.allowed:
        raise Refused(verdict)


def _told(letter: PaperLetter, **more: object) -> dict[str, object]:
    return {"book": Book.OUTGOING, "year": letter.issued_on.year, "number": letter.code, **more}


async def strike(desk: BookDesk, scope: AgencyScope, id: str, why: str) -> PaperLetter:
    """Struck through with the reason; its number is never given again (R32). Doing it again changes nothing."""
    verdict = rules.check_text("reason", why)
    if not verdict.allowed:
        raise Refused(verdict)
    now = desk.clock.now()
    async with desk.store.begin(scope) as work:
        if await work.office.books.strike_letter(id, now, scope.principal_id, why.strip()):
            letter = await work.office.books.letter(id)
            await work.events.append(EventKind.BOOK_STRUCK, id, now, _told(letter, reason=why.strip()))
            await work.commit()
            return letter
        return await work.office.books.letter(id)


async def suggested(work: OfficeWork, year: int, type_name: str | None = None) -> int:
    """The number after the last of that year's run, of one type where types have runs of their own. Only a suggestion:
    whoever takes it first has it."""
    found = await work.office.books.outgoing_numbers(Span(year=year))
    taken = [
        int(one.number) for one in found if rules.is_number(one.number) and type_name in (None, one.type_name)
    ]
    return end_of_run(taken, min(taken, default=0)) + 1


async def next_number(desk: BookDesk, scope: AgencyScope, draft: Draft, today: date) -> str:
    """As `suggested`, for a draft: with a notation also behind what other drafts of that notation hold, so that whoever
    saves it has it until the draft is given up or sent."""
    year = (draft.issued_on or today).year
    run = draft.type_name if desk.series_by_type and draft.type_name else None
    async with desk.store.read(scope) as work:
        number = await suggested(work, year, run)
        if not draft.symbol:
            return str(number)
        return await work.numbers.free_number(str(number - 1), draft.symbol, year) or str(number)
