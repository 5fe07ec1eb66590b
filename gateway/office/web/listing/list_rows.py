"""One line of a list as its row shows it: where it opens, its state in words, how long is left, what was checked, which of
its words were looked for; the agency's own labels on it; and what of lists a person may see at all (rules 13): whoever sees
the agency's all, everything; whoever sees the own unit's, what that unit was given and what the person handed in; whoever
sees metadata, or content by order alone, no content. In: lines of the core, who looks. Out: `ShownLine`s, labels by
document, `Sees`. And the rows that a person chose for one act: those ticked, or all that the list's address finds, each
with why the act leaves it out, judged anew each time: a page may be old."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode

from gateway.document_view.checks import Grade, grade_of
from gateway.document_view.facts import received_word, short_word
from gateway.domain.document import WORKED_ON, InState, OutState
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.signatures import SignatureWord
from gateway.domain.status import ASKED
from gateway.domain.text import Sought, hits
from gateway.errors import NotFound
from gateway.office.domain.listing import (
    ListLine,
    Side,
    Tag,
    doubt_of,
    may_be_taken,
    note_of,
    person_viewer,
    unit_viewer,
)
from gateway.office.domain.roles import Manner, Right
from gateway.office.letters import received
from gateway.office.store.lists import ListCount, ListPage
from gateway.office.store.store import OfficeWork
from gateway.office.web.listing.asking import PATHS, ListQuestion
from gateway.office.web.visits import Visit
from gateway.outgoing.stopping import UNSENT
from gateway.policy import timers
from gateway.words import labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Sees:
    """`tags`: also the labels that the agency put on its documents. `unit` is None for those who see all of the agency;
    `person_id` is whose own documents are meant beside it."""

    content: bool
    tags: bool = True
    unit: str | None = None
    person_id: str = ""

    def viewer(self, side: Side) -> str | None:
        """What narrows a list to what this person may see."""
        if self.unit is None:
            return None
        return person_viewer(self.person_id) if side is Side.OUT else unit_viewer(self.unit)


def seen_by(visit: Visit) -> Sees:
    granted = visit.person.require(Right.SEE_CONTENT)
    if granted.manner is Manner.OWN:
        return Sees(content=True, unit=granted.unit, person_id=visit.person.person.id)
    return Sees(content=granted.manner is Manner.YES, tags=granted.manner is not Manner.METADATA)


_CHECKS = ("envelope_signature", "digests", "recipient", "rules", "pdf")
_SOON = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalCheck:
    """One thing that was checked on arrival. `word` is `good`, `doubt` or `bad`."""

    key: str
    word: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLine:
    """`subject` is empty for who sees metadata alone; `left` None where nothing is waited for, `time_left` the same in
    words. `doubt` is what to look at first, in one word, `note` what is to be read; `can_take`: its row may take it in."""

    line: ListLine
    path: str
    number: str
    subject: str
    state: str
    summary: str
    checks: tuple[ArrivalCheck, ...] = ()
    left: timedelta | None = None
    time_left: str = ""
    doubt: str = ""
    note: str = ""
    can_take: bool = False

    @property
    def is_late(self) -> bool:
        return self.left is not None and self.left < timedelta()

    @property
    def is_soon(self) -> bool:
        return self.left is not None and timedelta() <= self.left <= _SOON


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller:
    """Tells lines in one language to one person. `back` is the list that they stand in, for the way back and the next."""

    lang: str
    now: datetime
    office: OfficeCalendar | None = None
    content: bool = True
    back: str = ""

    def rows(self, lines: Sequence[ListLine]) -> list[ShownLine]:
        return [self.row(each) for each in lines]

    def row(self, line: ListLine) -> ShownLine:
        path, left = f"{PATHS[line.side]}/{line.id}", self._left(line)
        doubt, note = doubt_of(line), note_of(line)
        return ShownLine(
            line=line,
            path=f"{path}?{urlencode({'ds': self.back})}" if self.back else path,
            number=self._number(line),
            subject=self._subject(line),
            state=state_text(line, self.lang),
            summary=self._summary(line),
            checks=checks(line),
            left=left,
            time_left=self._time_left(line, left),
            doubt=labels.say(f"listing.doubtful.{doubt}", self.lang) if doubt else "",
            note=labels.say(f"listing.doubtful.{note}", self.lang) if note else "",
            can_take=may_be_taken(line),
        )

    def _number(self, line: ListLine) -> str:
        card = line.card
        known = "/".join(each for each in (card.number, card.symbol) if each)
        side = "incoming" if line.side is Side.IN else "outgoing"
        return known or labels.say(f"{side}.no_number", self.lang)

    def _subject(self, line: ListLine) -> str:
        """Empty where it is not to be seen; a draft may have none yet."""
        if self.content and not line.card.subject and line.state == "draft":
            return labels.say("listing.no_subject", self.lang)
        return line.card.subject if self.content else ""

    def _left(self, line: ListLine) -> timedelta | None:
        """On the clock that the duty runs by."""
        if line.side is Side.OUT or line.due_at is None:
            return None
        if self.office is None:
            return line.due_at - self.now
        return timers.left(self.office, line.waits, line.urgency, line.due_at, self.now)

    def _time_left(self, line: ListLine, left: timedelta | None) -> str:
        if left is None:
            return ""
        day = timers.day_of(self.office, line.waits, line.urgency) if self.office is not None else None
        return labels.time_left(left, self.lang, day)

    def _summary(self, line: ListLine) -> str:
        """`18/20 taken in, 1 refused, 1 overdue`; of one recipient its state says all."""
        card = line.card
        total = sum(card.states.values())
        if line.side is Side.IN or total < 2:
            return ""
        parts = []
        if card.taken_in is not None:
            parts.append(labels.say("state.of_many", self.lang, count=card.taken_in, total=total))
        parts += [
            labels.say(
                "listing.some",
                self.lang,
                count=card.states[state],
                state=short_word(state, self.lang).lower(),
            )
            for state in (*sorted(ASKED), "rejected", "failed", "request_agreed")
            if card.states.get(state)
        ]
        if late := line.overdue(self.now):
            word = labels.say("mark.overdue", self.lang).lower()
            parts.append(labels.say("listing.some", self.lang, count=late, state=word))
        return ", ".join(parts)


async def teller_of(visit: Visit, side: Side | None = None, back: str = "") -> Teller:
    """Who tells this person; of letters that came by the clock of offices."""
    office = await visit.deps.todo.office() if side is Side.IN else None
    content = seen_by(visit).content
    return Teller(lang=visit.lang, now=visit.deps.clock.now(), office=office, content=content, back=back)


def state_text(line: ListLine, lang: str) -> str:
    """The word of a narrow column."""
    return received_word(line.state, lang) if line.side is Side.IN else short_word(line.state, lang)


def checks(line: ListLine) -> tuple[ArrivalCheck, ...]:
    """What the list shows of the checks; none for mail that came another way. As on the document's page, nothing is ticked
    as a whole while it is held or something is to be looked at."""
    found = {**line.card.checks}
    if line.own_state == InState.HELD:
        found["rules"] = "held"
    elif found.get("rules") == "allowed" and (found.get("reasons") or found.get("warnings")):
        found["rules"] = "look"
    if found.get("pdf") == SignatureWord.VALID:
        del found["pdf"]
    return tuple(
        ArrivalCheck(key=key, word=_verdict(key, found[key]), found=found[key])
        for key in _CHECKS
        if found.get(key)
    )


def marked(text: str, found: Sought) -> Iterator[tuple[str, bool]]:
    """The text in pieces, and whether each was looked for."""
    at = 0
    for start, end in hits(text, found):
        if start > at:
            yield text[at:start], False
        yield text[start:end], True
        at = end
    if at < len(text):
        yield text[at:], False


def _verdict(check: str, found: str) -> str:
    """A row is narrow: what is to be read and what is doubtful are one."""
    grade = grade_of(check, found)
    return "doubt" if grade is Grade.NOTE else grade.key


PUTS_TAGS: Mapping[Side, Right] = {Side.OUT: Right.ISSUE, Side.IN: Right.TAKE_IN}


@dataclass(frozen=True, slots=True, kw_only=True)
class TagsOnPage:
    """What the page of one document shows of them."""

    shown: bool
    id: str
    path: str
    on: Sequence[Tag] = ()
    may_put: bool = False


async def tags_of_lines(visit: Visit, lines: Sequence[ListLine]) -> Mapping[str, Sequence[Tag]]:
    if not seen_by(visit).tags:
        return {}
    async with visit.deps.store.read(visit.scope()) as work:
        return await tags_among(work, lines)


async def tags_among(work: OfficeWork, lines: Sequence[ListLine]) -> Mapping[str, Sequence[Tag]]:
    return await work.office.tags.of([each.id for each in lines]) if lines else {}


async def known_tags(visit: Visit) -> Sequence[Tag]:
    """All that this person may see, by name."""
    if not seen_by(visit).tags:
        return ()
    async with visit.deps.store.read(visit.scope()) as work:
        return await work.office.tags.all()


async def tags_on_page(visit: Visit, side: Side, id: str) -> TagsOnPage:
    if not seen_by(visit).tags:
        return TagsOnPage(shown=False, id=id, path=PATHS[side])
    async with visit.deps.store.read(visit.scope()) as work:
        on = (await work.office.tags.of([id])).get(id, ())
    may_put = visit.may(PUTS_TAGS[side], Manner.YES)
    return TagsOnPage(shown=bool(on) or may_put, id=id, path=PATHS[side], on=on, may_put=may_put)


MOST = 500
_PAGE = 100
_WAITING = frozenset(UNSENT) - {"sending"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`why` is a sentence; empty when the act takes the row."""

    row: ShownLine
    why: str = ""
    number: int | None = None
    tags: Sequence[Tag] = ()
    version: int | None = None

    @property
    def id(self) -> str:
        return self.row.line.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """`cut`: the list finds more than are acted on at once."""

    act: str
    asked: ListQuestion
    choices: tuple[Choice, ...]
    cut: bool = False

    @property
    def taken(self) -> tuple[Choice, ...]:
        return tuple(each for each in self.choices if not each.why)

    @property
    def left_out(self) -> dict[str, int]:
        """How many for each reason."""
        return Counter(each.why for each in self.choices if each.why)


def query_of(visit: Visit) -> dict[str, str]:
    """The list that the form came from."""
    given = visit.form.text("ds") or visit.ask("ds")
    return dict(parse_qsl(given[:4_000], max_num_fields=50))


async def chosen(
    visit: Visit, asked: ListQuestion, act: str, *, most: int = MOST, whole: bool = False
) -> Chosen:
    """From the form where there is one, else from the address. `whole`: of no row named, all are meant."""
    ids, every = _meant(visit, whole)
    seen, teller = seen_by(visit), await teller_of(visit, back=asked.query)
    async with visit.deps.store.read(visit.scope()) as work:
        if every:
            found = [page async for page in _pages(work, asked, most)]
            lines, cut = [line for page in found for line in page.lines], found[-1].next_cursor is not None
        else:
            lines, cut = await _named(work, asked, seen, ids, most)
        choices = [await _choice(visit, work, act, teller.row(line)) for line in lines]
        if act == "bo-nhan":
            choices = await _tagged(visit, work, choices)
    if act == "tiep-nhan":
        choices = await _numbered(visit, choices)
    return Chosen(act=act, asked=asked, choices=tuple(choices), cut=cut)


def _meant(visit: Visit, whole: bool) -> tuple[Sequence[str], bool]:
    """The ids that are named, and whether all are meant."""
    ids = list(dict.fromkeys([*visit.form.all("id"), *visit.request.query.getall("id", [])]))
    every = not visit.form.all("id") and (visit.ask("tat-ca") == "1" or (whole and not ids))
    return ids, every


async def pages(
    visit: Visit, asked: ListQuestion, *, most: int, tagged: bool
) -> AsyncGenerator[tuple[Sequence[ListLine], Mapping[str, Sequence[Tag]]]]:
    """As `chosen`, `whole` and of no act: a page after another, all of one look, `tagged`: with what labels its lines have.
    Who goes through it opens no other look meanwhile: there are few places. Close it where it is left early."""
    ids, every = _meant(visit, whole=True)
    async with visit.deps.store.read(visit.scope()) as work:
        if every:
            async for page in _pages(work, asked, most):
                yield page.lines, await tags_among(work, page.lines) if tagged else {}
            return
        for n in range(0, min(len(ids), most), _PAGE):
            lines, _ = await _named(work, asked, seen_by(visit), ids[n : n + _PAGE], _PAGE)
            yield lines, await tags_among(work, lines) if tagged else {}


async def counted(visit: Visit, asked: ListQuestion, *, most: int) -> tuple[Sequence[str], ListCount]:
    """The ids that are named, and of how many rows the act would be; of all that the list finds no id."""
    ids, every = _meant(visit, whole=False)
    async with visit.deps.store.read(visit.scope()) as work:
        if every:
            found = await work.office.lists.count(asked.wanted)
            return (), ListCount(n=min(found.n, most), more=found.more or found.n > most)
        lines, more = await _named(work, asked, seen_by(visit), ids, most)
        return [each.id for each in lines], ListCount(n=len(lines), more=more)


async def _pages(work: OfficeWork, asked: ListQuestion, most: int) -> AsyncIterator[ListPage]:
    left, cursor = most, None
    while left > 0:
        page = await work.office.lists.page(asked.wanted, limit=min(_PAGE, left), cursor=cursor)
        yield page
        left, cursor = left - len(page.lines), page.next_cursor
        if cursor is None:
            return


async def _named(
    work: OfficeWork, asked: ListQuestion, seen: Sees, ids: Sequence[str], most: int
) -> tuple[list[ListLine], bool]:
    found = [await work.office.lists.line(id) for id in ids[:most]]
    ours = [line for line in found if line is not None and line.side is asked.side]
    lines = [line for line in ours if await may_see(work, seen, line)]
    if len(lines) < len(ids[:most]):
        raise NotFound("one of these documents is not there, or not to be seen by this person")
    return lines, len(ids) > most


async def may_see(work: OfficeWork, seen: Sees, line: ListLine) -> bool:
    """Whether a person who sees the own unit's alone may see that one."""
    if seen.unit is None:
        return True
    if line.side is Side.OUT:
        return line.card.source == seen.person_id
    assigned = (await work.incoming.get(line.id)).assignment
    units = (assigned.lead_unit, *assigned.coordinating_units) if assigned else ()
    # As the lists compare departments.
    return unit_viewer(seen.unit) in map(unit_viewer, units)


async def _choice(visit: Visit, work: OfficeWork, act: str, row: ShownLine) -> Choice:
    line = row.line
    if act == "tiep-nhan":
        document = await work.incoming.get(line.id)
        doubt = received.doubt(document)
        why = "" if doubt is None else visit.say(f"listing.doubt.{doubt}", state=row.state)
        return Choice(row=row, why=why, version=document.version)
    return Choice(row=row, why=_why(visit, act, line))


def _why(visit: Visit, act: str, line: ListLine) -> str:
    states = set(line.card.states)
    fits = {
        "gui-lai": "failed" in states,
        "huy-gui": line.own_state in (OutState.DRAFT, OutState.BLOCKED)
        or (bool(states) and states <= _WAITING),
        "don-doc": line.is_overdue(visit.deps.clock.now()),
        "tu-choi": line.awaits_us and line.state not in ASKED,
        "trinh": line.own_state in WORKED_ON,
        "giao-lai": line.own_state not in received.GONE,
        "da-doc": line.unread,
    }.get(act, True)
    key = {"don-doc": "listing.skip.not_late", "da-doc": "listing.skip.read"}.get(act, "listing.skip.state")
    return "" if fits else visit.say(key, state=state_text(line, visit.lang))


async def _tagged(visit: Visit, work: OfficeWork, choices: list[Choice]) -> list[Choice]:
    """With the agency's own labels on each; what carries none is left out."""
    found = await work.office.tags.of([each.id for each in choices])
    why = visit.say("listing.skip.no_tag")
    return [
        replace(each, tags=found.get(each.id, ()), why="" if each.id in found else why) for each in choices
    ]


async def _numbered(visit: Visit, choices: list[Choice]) -> list[Choice]:
    """In the order of arrival, whatever the list's; with the number that each would get in mode B."""
    choices.sort(key=lambda each: (each.row.line.at, each.id))
    taken = [each for each in choices if not each.why]
    numbers = await received.next_numbers(visit.deps.inn, visit.scope(), len(taken))
    given = dict(zip((each.id for each in taken), numbers, strict=False))
    return [replace(each, number=given.get(each.id)) for each in choices]
