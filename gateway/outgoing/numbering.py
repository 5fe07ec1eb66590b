"""Gives the numbers of outgoing documents where the node does so (R32, R34): reserves one and issues it to the document
that leaves; `ending` takes one back or makes it void. In: a unit of work, the agency's rules, a draft or document. Out: the
number with its state, the document with its number, or the reasons why a typed number cannot be used. Each change is an
event in the same transaction. Where a document system or a clerk gives the numbers, nothing here is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from gateway import ending
from gateway.domain.account import AgencyScope, NumberingMode
from gateway.domain.book import Book, PaperLetter, end_of_run
from gateway.domain.document import Draft, OutgoingDocument, OutState
from gateway.domain.event import EventKind
from gateway.domain.identity import DocumentId
from gateway.domain.numbers import (
    LAPSED,
    GivenNumber,
    NumberState,
    Series,
    free_number,
    printed,
)
from gateway.domain.states import NOT_HELD, State
from gateway.domain.wall_clock import local
from gateway.ending import record_number
from gateway.errors import Clash, NotFound, Refused
from gateway.outgoing.services import OutgoingServices, profile_of
from gateway.policy import book
from gateway.policy import numbering as rules
from gateway.policy.profile import Profile
from gateway.policy.verdict import NOTHING, Reason, ReasonCode, Verdict, reason
from gateway.store.register import refuse_closed
from gateway.store.work import SqlWork

_ENDED_STATES = NOT_HELD | {State.REQUEST_AGREED}
_MOST_SKIPPED = 50
"""Numbers that one late entry may skip; more is a slip of the keyboard."""
_OBJECTIONS = {
    NumberState.RESERVED: ReasonCode.NUMBER_RESERVED,
    NumberState.ISSUED: ReasonCode.NUMBER_GIVEN,
    NumberState.VOID: ReasonCode.NUMBER_VOID,
}


class NumberMoved(Clash):
    """A document was checked with the number that it would get, and another one got it meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Series and year in which a draft has its number."""

    series: Series
    year: int

    def has(self, number: GivenNumber) -> bool:
        """Tell whether the number is reserved in this series and year."""
        is_here = (number.book, number.year) == (self.series.key, self.year)
        return is_here and number.state is NumberState.RESERVED


def place_of(profile: Profile, draft: Draft, now: datetime) -> Place:
    """Return the series by the draft's notation and type, and the year of its date, else the present one."""
    return Place(
        series=rules.series_of(profile, draft.symbol, draft.type_key),
        year=(draft.issued_on or local(now).date()).year,
    )


async def reserve_for(
    services: OutgoingServices,
    scope: AgencyScope,
    draft: Draft,
    *,
    days: int | None = None,
    subject_id: str = "",
) -> GivenNumber:
    """Reserve the next number that a draft like this would get, for the stored draft `subject_id` or for the person."""
    profile = await profile_of(services, scope)
    async with services.store.changing(scope) as work:
        await work.agency()
        now = services.clock.now()
        return await reserve(work, profile, draft, now, days=days, subject_id=subject_id)


async def give_back(services: OutgoingServices, scope: AgencyScope, draft_id: str) -> None:
    """Give back the number that is reserved for a draft, if there is one."""
    async with services.store.begin(scope) as work:
        number = await work.given.of_subject(draft_id)
        if number is not None and number.state is NumberState.RESERVED:
            await ending.release(work, number, services.clock.now(), "")
            await work.commit()


async def release_number(
    services: OutgoingServices, scope: AgencyScope, id: str, why: str = ""
) -> GivenNumber:
    """Give the number of that name back."""
    async with services.store.changing(scope) as work:
        return await ending.release(work, await find(work, id), services.clock.now(), why.strip())


async def void_number(services: OutgoingServices, scope: AgencyScope, id: str, why: str) -> GivenNumber:
    """Make the number of that name void, with the reason."""
    verdict = book.check_text("reason", why)
    verdict.raise_if_refused()
    async with services.store.changing(scope) as work:
        number = await find(work, id)
        await refuse_standing(work, number)
        return await ending.void(work, number, services.clock.now(), why.strip())


async def expected(work: SqlWork, profile: Profile, draft: Draft, now: datetime, draft_id: str = "") -> str:
    """Return the number that the draft would get now, in print: the one reserved for it, else the next one, which
    is not reserved by that."""
    place = place_of(profile, draft, now)
    own_number = await work.given.of_subject(draft_id) if draft_id else None
    if own_number is not None and place.has(own_number):
        return printed(own_number.number)
    free = await work.given.first_free(place.series.key, place.year, now)
    if free is not None:
        return printed(free.number)
    last = await work.given.last(place.series.key, place.year)
    return printed((last or await _used_before(work, profile, place)) + 1)


async def reserve(
    work: SqlWork,
    profile: Profile,
    draft: Draft,
    now: datetime,
    *,
    days: int | None = None,
    subject_id: str = "",
) -> GivenNumber:
    """Reserve the next number for a draft, or without one for the person. Clash where the node gives no numbers."""
    require_own_book(profile)
    free, is_new = await _next_free(work, profile, place_of(profile, draft, now), now)
    end = rules.reserved_until(now, days)
    number = _required(free.reserve(now, work.scope.principal_id, end, subject_id))
    await _store(work, number, is_new=is_new)
    await record_number(work, EventKind.NUMBER_RESERVED, number, until=end.isoformat())
    return number


async def find(work: SqlWork, id: str) -> GivenNumber:
    """Return a number by its name for programs, `year.series.number`. NotFound when it was never given."""
    year, _, place = id.partition(".")
    series, _, number = place.rpartition(".")
    is_name = year.isdigit() and number.isdigit() and len(year) == 4 and len(number) <= 9
    given_number = await work.given.find(series, int(year), int(number)) if is_name else None
    if given_number is None:
        raise NotFound(
            f"no number {id[:60]} was given in this agency", hint="list them with: gateway numbers list"
        )
    return given_number


async def refuse_standing(work: SqlWork, number: GivenNumber) -> None:
    """Raise Clash where the number's document has left, or is a line of its own, and so stands."""
    if number.subject_id.startswith("ppr_"):
        raise Clash(
            "strike the line of this letter instead; its number becomes void", code="GW-NUMBER-STANDS"
        )
    document = await work.outgoing.get(number.subject_id) if number.subject_id else None
    if document is None or document.state in (OutState.DRAFT, OutState.CANCELLED):
        return
    deliveries = await work.deliveries.of_document(document.id)
    if any(delivery.state not in _ENDED_STATES for delivery in deliveries):
        raise Clash(
            f"{document.id} has this number and is on its way or has arrived; cancel or recall it first",
            code="GW-NUMBER-STANDS",
        )


async def give(
    work: SqlWork,
    profile: Profile,
    document: OutgoingDocument,
    identify: Callable[[Draft], DocumentId],
    now: datetime,
    *,
    expected_number: str = "",
) -> OutgoingDocument:
    """Issue the next number to a document that has none; return it with the number, and with the identity that follows.
    Raise NumberMoved where it is not the expected one."""
    place = place_of(profile, document.draft, now)
    own_number = await work.given.of_subject(document.id) if document.state is OutState.DRAFT else None
    if own_number is not None and place.has(own_number):
        free, is_new = replace(own_number, state=NumberState.FREE), False
    else:
        free, is_new = await _next_free(work, profile, place, now)
    draft = replace(document.draft, number=printed(free.number))
    if expected_number not in ("", draft.number):
        raise NumberMoved(f"another document got the number {expected_number} meanwhile")
    identity = identify(draft)
    issued = _required(free.give(now, work.scope.principal_id, document.id, identity, draft.code))
    await _store(work, issued, is_new=is_new)
    await record_number(work, EventKind.NUMBER_ISSUED, issued)
    return replace(document, draft=draft, document_id=identity)


async def issue(work: SqlWork, profile: Profile, document: OutgoingDocument, now: datetime) -> None:
    """Issue the number that the document states, by one statement. Refused where it is not reserved for it."""
    place, draft, by = place_of(profile, document.draft, now), document.draft, work.scope.principal_id
    number = _parse_number(draft.number)
    if number is not None:
        issued = replace(
            free_number(place.series.key, place.year, number, now),
            state=NumberState.ISSUED,
            by=by,
            subject_id=document.id,
            document_id=document.document_id,
            code=draft.code,
        )
        if await work.given.issue(issued, by):
            await record_number(work, EventKind.NUMBER_ISSUED, issued)
            return
    broken = await find_objection(work, profile, draft, document.id, document.document_id, now)
    if broken is not None:
        raise Refused(Verdict(reasons=(broken,)))


async def find_objection(
    work: SqlWork, profile: Profile, draft: Draft, subject_id: str, identity: str, now: datetime
) -> Reason | None:
    """Return the reason against a stated number where the node gives the numbers. A document that was sent before the node
    gave numbers keeps its own."""
    place, number = place_of(profile, draft, now), _parse_number(draft.number)
    given_number = None if number is None else await work.given.find(place.series.key, place.year, number)
    if given_number is None:
        earlier = await work.outgoing.by_document_id(DocumentId(identity))
        if any(d.state is not OutState.DRAFT and d.id != subject_id for d in earlier):
            return None
    elif given_number.issue(now, work.scope.principal_id, subject_id, identity, draft.code) is not None:
        return None
    code = _OBJECTIONS.get(given_number.standing(now).state if given_number else NumberState.FREE)
    params = {"text": draft.code, "number": draft.number}
    if given_number is not None:
        params |= {"other": given_number.code, "why": given_number.reason}
    if given_number is not None and given_number.until is not None:
        params["until_on"] = local(given_number.until).date().isoformat()
    suggest = await expected(work, profile, draft, now)
    return reason(code or ReasonCode.NUMBER_NOT_GIVEN, "/number", suggest=suggest, **params)


async def judge(
    work: SqlWork, profile: Profile, draft: Draft, subject_id: str, identity: str, now: datetime
) -> Verdict:
    """Judge a stated number: against one that the node did not give, with a warning about one that a clerk typed out of its
    order."""
    if profile.out_numbering == NumberingMode.B:
        broken = await find_objection(work, profile, draft, subject_id, identity, now)
        return NOTHING if broken is None else Verdict(reasons=(broken,))
    if profile.out_numbering == NumberingMode.C:
        place = place_of(profile, draft, now)
        lines = await work.numbers.used(place.year)
        used = rules.used_in(profile, place.series, lines)
        return Verdict.make((), tuple(rules.warn_of_order(draft, used)))
    return NOTHING


async def take_letter(
    work: SqlWork, profile: Profile, letter: PaperLetter, now: datetime, *, is_late: bool
) -> PaperLetter:
    """Issue the number of a letter on paper, or the next one where it states none. A letter that was numbered by hand
    during an outage brings its number, and reserves those that it skipped for the others of that time."""
    draft = Draft(number=letter.number, symbol=letter.symbol, issued_on=letter.issued_on)
    place, by = place_of(profile, draft, now), work.scope.principal_id
    number = _parse_number(letter.number)
    given_number = None if number is None else await work.given.find(place.series.key, place.year, number)
    is_new = False
    if not letter.number:
        given_number, is_new = await _next_free(work, profile, place, now)
    elif number is not None and given_number is None and is_late:
        given_number, is_new = await _skip_to(work, place, number, now), True
    letter = replace(letter, number=letter.number or printed(given_number.number if given_number else 0))
    issued = None
    if given_number is not None:
        free = given_number.standing(now).state is NumberState.FREE
        act = given_number.give if free else given_number.issue
        issued = act(now, by, letter.id, letter.id, letter.code)
    if issued is None:
        suggest = await expected(work, profile, draft, now)
        broken = reason(
            ReasonCode.NUMBER_NOT_GIVEN, "/number", text=letter.code, number=letter.number, suggest=suggest
        )
        raise Refused(Verdict(reasons=(broken,)))
    await _store(work, issued, is_new=is_new)
    await record_number(work, EventKind.NUMBER_ISSUED, issued)
    return letter


async def strike_letter(work: SqlWork, id: str, why: str, now: datetime) -> None:
    """Make the number of a struck letter void, where the node gave it."""
    given_number = await work.given.of_subject(id)
    if given_number is not None and given_number.state is NumberState.ISSUED:
        await ending.void(work, given_number, now, why)


def require_own_book(profile: Profile) -> None:
    """Raise Clash where the node gives no numbers of outgoing documents."""
    if not rules.gives_numbers(profile):
        raise Clash(
            "this agency's outgoing documents are not numbered by the node; choose way B first",
            code="GW-NUMBERS-NOT-OURS",
            hint="gateway agency profile set out_numbering B",
        )


async def _next_free(
    work: SqlWork, profile: Profile, place: Place, now: datetime
) -> tuple[GivenNumber, bool]:
    """Return the lowest number that was never issued, else a new one; and whether it is new. The end of a reservation that
    was not used is recorded here, where the number goes to another."""
    await refuse_closed(work.events, Book.OUTGOING, place.year, now)
    free = await work.given.first_free(place.series.key, place.year, now)
    if free is not None:
        if free.state is NumberState.RESERVED:
            await record_number(
                work, EventKind.NUMBER_RELEASED, replace(free, reason=LAPSED), held_by=free.by
            )
        return free.standing(now), False
    number = await work.given.next_new(place.series.key, place.year)
    if number == 1:
        last = await _used_before(work, profile, place)
    else:
        same = rules.used_in(profile, place.series, await work.numbers.used(place.year, number))
        last = number if same else 0
        if same:
            lines = await work.numbers.used(place.year)
            last = end_of_run(rules.used_in(profile, place.series, lines), number)
    if last:
        await work.given.count_to(place.series.key, place.year, last)
        number = await work.given.next_new(place.series.key, place.year)
    return free_number(place.series.key, place.year, number, now), True


async def _used_before(work: SqlWork, profile: Profile, place: Place) -> int:
    """Return the last number of the series that others gave in that year before the node did."""
    used = rules.used_in(profile, place.series, await work.numbers.used(place.year))
    return end_of_run(used, min(used)) if used else 0


async def _skip_to(work: SqlWork, place: Place, number: int, now: datetime) -> GivenNumber:
    """Count up to a number that was given by hand, and reserve those before it."""
    last = await work.given.last(place.series.key, place.year)
    if not last < number <= last + _MOST_SKIPPED:
        return replace(free_number(place.series.key, place.year, number, now), state=NumberState.VOID)
    await work.given.count_to(place.series.key, place.year, number)
    for skipped in range(last + 1, number):
        free = free_number(place.series.key, place.year, skipped, now)
        reserved = _required(free.reserve(now, work.scope.principal_id, rules.reserved_until(now, None)))
        work.given.add(reserved)
        await record_number(work, EventKind.NUMBER_RESERVED, reserved, until=str(reserved.until))
    return free_number(place.series.key, place.year, number, now)


async def _store(work: SqlWork, number: GivenNumber, *, is_new: bool) -> None:
    if is_new:
        work.given.add(number)
    else:
        await work.given.save(number)


def _parse_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _required(number: GivenNumber | None) -> GivenNumber:
    if number is None:
        raise AssertionError("a free number can always be given")
    return number
