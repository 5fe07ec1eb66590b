"""One line of a list as its row shows it: its address, its state in words, the time left, the checks, the words that match
the search; the agency's own labels on it; and a person's view of lists, rules 13 (rights by role): the whole agency; the
own unit's documents and the person's own; or no content, with metadata or an order alone. In: lines of the core, the
person. Out: `ShownLine`s, labels by document, `ListSight`. And the rows that a person chose for one act: those ticked, or
all that the list's address finds, each with the reason where the act leaves it out, judged anew each time: a page may be
old."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import parse_qsl, urlencode

from gateway.document_view.checks import OF_SENDER, Grade, grade_of
from gateway.document_view.deadlines import time_left
from gateway.document_view.facts import received_word, short_word
from gateway.domain.document import WORKED_ON, InState, OutState
from gateway.domain.handling import Share
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.outgoing_acts import Act, objection, standing_by_states
from gateway.domain.signatures import SignatureWord
from gateway.domain.states import REQUESTED, State
from gateway.domain.text import Sought, hits
from gateway.errors import NotFound
from gateway.outgoing.stopping import UNSENT
from gateway.policy import timers
from gateway.words import labels
from gateway_office.domain.listing import (
    ListLine,
    Side,
    Tag,
    Viewer,
    doubt_of,
    may_be_taken,
    note_of,
    person_viewer,
    share_viewer,
)
from gateway_office.domain.pending import PendingAct
from gateway_office.domain.roles import Manner, Right
from gateway_office.letters import received, work_files
from gateway_office.store.lists import ListCount, ListPage
from gateway_office.store.store import OfficeWork
from gateway_office.web.listing.asking import PATHS, ListQuery
from gateway_office.web.page_requests import PageRequest


class BulkAct(StrEnum):
    """Acts on many rows of a list, by the words that addresses and forms have for them."""

    RESEND = "gui-lai"
    CANCEL = "huy-gui"
    URGE = "don-doc"
    TAKE_IN = "tiep-nhan"
    REFUSE = "tu-choi"
    SUBMIT = "trinh"
    MARK_READ = "da-doc"
    OFFER = "giao-lai"
    TAG = "gan-nhan"
    UNTAG = "bo-nhan"
    EXPORT = "xuat"
    PRINT = "in"
    PACK = "ho-so"
    FILE = "vao-ho-so"
    PRESERVE = "giu-nguyen"


_CHECKS = ("envelope_signature", "digests", "recipient", "rules", "pdf")
_SOON = timedelta(minutes=30)
PUTS_TAGS: Mapping[Side, Right] = {Side.OUT: Right.ISSUE, Side.IN: Right.TAKE_IN}
MOST = 500
_PAGE = 100
_WAITING = frozenset(UNSENT) - {State.SENDING}
# Acts on many letters that another act on one of them, which can still be undone, excludes.
_DECIDING = frozenset({BulkAct.TAKE_IN, BulkAct.REFUSE, BulkAct.SUBMIT})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSight:
    """Extent of a person's view of lists. `tags`: also the agency's own labels. `share` is None for a view of the whole
    agency, `unit` names the own one; `person_id` is the person whose own documents are seen beside it."""

    content: bool
    tags: bool = True
    share: Share | None = None
    unit: str = ""
    person_id: str = ""

    def viewer(self, side: Side) -> Viewer | None:
        """Return the filter that narrows a list to this person's view."""
        if self.share is None:
            return None
        return person_viewer(self.person_id) if side is Side.OUT else share_viewer(self.share)


def seen_by(request: PageRequest) -> ListSight:
    granted = request.person.require(Right.SEE_CONTENT)
    if granted.manner is Manner.OWN:
        share = request.share_of(Right.SEE_CONTENT)
        return ListSight(content=True, share=share, unit=granted.unit, person_id=request.person.person.id)
    return ListSight(content=granted.manner is Manner.YES, tags=granted.manner is not Manner.METADATA)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalCheck:
    """One thing that was checked on arrival. `word` is `good`, `doubt` or `bad`."""

    key: str
    word: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLine:
    """`subject` is empty for people who see metadata alone; `remaining` None where nothing is waited for, `time_left` the
    same in words. `doubt` is what to look at first, in one word, `note` what is to be read; `can_take`: its row may take it
    in. `pending` is an act on it that waits, or could not be done."""

    line: ListLine
    path: str
    number: str
    subject: str
    state: str
    summary: str
    checks: tuple[ArrivalCheck, ...] = ()
    remaining: timedelta | None = None
    time_left: str = ""
    doubt: str = ""
    note: str = ""
    can_take: bool = False
    pending: PendingAct | None = None

    @property
    def is_late(self) -> bool:
        return self.remaining is not None and self.remaining < timedelta()

    @property
    def is_soon(self) -> bool:
        return self.remaining is not None and timedelta() <= self.remaining <= _SOON


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRenderer:
    """Renders lines in one language for one person. `back` is the list that they stand in, for the way back and the
    next."""

    lang: str
    now: datetime
    office: OfficeCalendar | None = None
    content: bool = True
    back: str = ""
    pending: Mapping[str, PendingAct] = field(default_factory=dict)

    def rows(self, lines: Sequence[ListLine]) -> list[ShownLine]:
        """Render lines; what is to be known of a sender stands in its first row alone."""
        rows, noted_senders = [], set[tuple[str, str]]()
        for line in lines:
            row, note = self.row(line), note_of(line)
            if note in OF_SENDER and (key := (line.card.party_code.casefold(), note)) in noted_senders:
                row = replace(row, note="")
            elif note in OF_SENDER:
                noted_senders.add(key)
            rows.append(row)
        return rows

    def row(self, line: ListLine) -> ShownLine:
        path, remaining = f"{PATHS[line.side]}/{line.id}", self._remaining(line)
        doubt, note = doubt_of(line), note_of(line)
        return ShownLine(
            line=line,
            path=f"{path}?{urlencode({'ds': self.back})}" if self.back else path,
            number=self._number(line),
            subject=self._subject(line),
            state=state_text(line, self.lang),
            summary=self._summary(line),
            checks=checks(line),
            remaining=remaining,
            time_left=self._time_left(line, remaining),
            doubt=labels.say(f"listing.doubtful.{doubt}", self.lang) if doubt else "",
            note=labels.say(f"listing.doubtful.{note}", self.lang) if note else "",
            can_take=may_be_taken(line),
            pending=self.pending.get(line.id),
        )

    def _number(self, line: ListLine) -> str:
        card = line.card
        number = "/".join(part for part in (card.number, card.symbol) if part)
        side = "incoming" if line.side is Side.IN else "outgoing"
        return number or labels.say(f"{side}.no_number", self.lang)

    def _subject(self, line: ListLine) -> str:
        """Return the subject: empty where it is not to be seen; a draft may have none yet."""
        if self.content and not line.card.subject and line.state == State.DRAFT:
            return labels.say("listing.no_subject", self.lang)
        return line.card.subject if self.content else ""

    def _remaining(self, line: ListLine) -> timedelta | None:
        """Return the time left on the clock that the duty runs by."""
        if line.side is Side.OUT or line.due_at is None:
            return None
        if self.office is None:
            return line.due_at - self.now
        return timers.time_left(self.office, line.waits, line.urgency, line.due_at, self.now)

    def _time_left(self, line: ListLine, remaining: timedelta | None) -> str:
        if remaining is None:
            return ""
        day = timers.day_of(self.office, line.waits, line.urgency) if self.office is not None else None
        return time_left(remaining, line.due_at or self.now, self.now, self.lang, day)

    def _summary(self, line: ListLine) -> str:
        """Sum up the recipients: `18/20 taken in, 1 refused, 1 overdue`; empty for a single one."""
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
            for state in (*sorted(REQUESTED), State.REJECTED, State.FAILED, State.REQUEST_AGREED)
            if card.states.get(state)
        ]
        if late := line.overdue(self.now):
            word = labels.say("mark.overdue", self.lang).lower()
            parts.append(labels.say("listing.some", self.lang, count=late, state=word))
        return ", ".join(parts)


async def row_renderer(request: PageRequest, side: Side | None = None, back: str = "") -> RowRenderer:
    """Make the renderer for this person; incoming letters run by the clock of offices."""
    office = await request.deps.todo.office(request.own_agency.id) if side is Side.IN else None
    pending: Mapping[str, PendingAct] = {}
    if side is not Side.OUT:
        async with request.deps.store.read(request.scope()) as work:
            pending = await work.office.pending.all(MOST)
    return RowRenderer(
        lang=request.lang,
        now=request.deps.clock.now(),
        office=office,
        content=seen_by(request).content,
        back=back,
        pending=pending,
    )


def state_text(line: ListLine, lang: str) -> str:
    """Return the state's word for a narrow column."""
    return received_word(line.state, lang) if line.side is Side.IN else short_word(line.state, lang)


def checks(line: ListLine) -> tuple[ArrivalCheck, ...]:
    """Return the checks that the list shows; none for mail that came another way. As on the document's page, no check is
    ticked as a whole while the document is held or needs a look."""
    verdicts = {**line.card.checks}
    if line.own_state == InState.HELD:
        verdicts["rules"] = "held"
    elif verdicts.get("rules") == "allowed" and (verdicts.get("reasons") or verdicts.get("warnings")):
        verdicts["rules"] = "look"
    if verdicts.get("pdf") == SignatureWord.VALID:
        del verdicts["pdf"]
    return tuple(
        ArrivalCheck(key=key, word=_verdict(key, verdicts[key]), verdict=verdicts[key])
        for key in _CHECKS
        if verdicts.get(key)
    )


def split_at_matches(text: str, search: Sought) -> Iterator[tuple[str, bool]]:
    """Split the text in pieces, each with whether it was searched for."""
    at = 0
    for start, end in hits(text, search):
        if start > at:
            yield text[at:start], False
        yield text[start:end], True
        at = end
    if at < len(text):
        yield text[at:], False


def _verdict(check: str, verdict: str) -> str:
    """Return the verdict of one check. A row is narrow: notes and doubts are one."""
    grade = grade_of(check, verdict)
    return "doubt" if grade is Grade.NOTE else grade.key


@dataclass(frozen=True, slots=True, kw_only=True)
class TagsOnPage:
    """Labels as the page of one document shows them."""

    is_shown: bool
    id: str
    path: str
    tags: Sequence[Tag] = ()
    may_put: bool = False


async def tags_of_lines(request: PageRequest, lines: Sequence[ListLine]) -> Mapping[str, Sequence[Tag]]:
    if not seen_by(request).tags:
        return {}
    async with request.deps.store.read(request.scope()) as work:
        return await tags_among(work, lines)


async def tags_among(work: OfficeWork, lines: Sequence[ListLine]) -> Mapping[str, Sequence[Tag]]:
    return await work.office.tags.of_documents([line.id for line in lines]) if lines else {}


async def known_tags(request: PageRequest) -> Sequence[Tag]:
    """List the labels that this person may see, by name."""
    if not seen_by(request).tags:
        return ()
    async with request.deps.store.read(request.scope()) as work:
        return await work.office.tags.all()


async def tags_on_page(request: PageRequest, side: Side, id: str) -> TagsOnPage:
    if not seen_by(request).tags:
        return TagsOnPage(is_shown=False, id=id, path=PATHS[side])
    async with request.deps.store.read(request.scope()) as work:
        on = (await work.office.tags.of_documents([id])).get(id, ())
    may_put = request.may(PUTS_TAGS[side], Manner.YES)
    return TagsOnPage(is_shown=bool(on) or may_put, id=id, path=PATHS[side], tags=on, may_put=may_put)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Row of a bulk act. `why` is a sentence; empty when the act takes the row."""

    row: ShownLine
    why: str = ""
    number: int | None = None
    tags: Sequence[Tag] = ()
    version: int | None = None

    @property
    def id(self) -> str:
        return self.row.line.id


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenRows:
    """Rows chosen for one act. `cut`: the list finds more than one act takes."""

    act: BulkAct
    query: ListQuery
    choices: tuple[Choice, ...]
    cut: bool = False

    @property
    def accepted(self) -> tuple[Choice, ...]:
        return tuple(choice for choice in self.choices if not choice.why)

    @property
    def left_out(self) -> dict[str, int]:
        """Count the rows left out, by reason."""
        return Counter(choice.why for choice in self.choices if choice.why)


def query_of(request: PageRequest) -> dict[str, str]:
    """Return the query of the list that the form came from."""
    query = request.form.text("ds") or request.ask("ds")
    return dict(parse_qsl(query[:4_000], max_num_fields=50))


async def load_chosen(
    request: PageRequest, question: ListQuery, act: BulkAct, *, most: int = MOST, all_if_unnamed: bool = False
) -> ChosenRows:
    """Load the chosen rows, from the form where there is one, else from the address. `all_if_unnamed`: without named rows,
    all are meant."""
    ids, takes_all = _chosen_ids(request, all_if_unnamed)
    sight, teller = seen_by(request), await row_renderer(request, back=question.query)
    async with request.deps.store.read(request.scope()) as work:
        if takes_all:
            loaded = [page async for page in _pages(work, question, most)]
            lines, cut = [line for page in loaded for line in page.lines], loaded[-1].next_cursor is not None
        else:
            lines, cut = await _load_lines(work, question, sight, ids, most)
        choices = [await _make_choice(request, work, act, teller.row(line)) for line in lines]
        if act == BulkAct.UNTAG:
            choices = await _with_tags(request, work, choices)
    if act == BulkAct.TAKE_IN:
        choices = await _with_numbers(request, choices)
    return ChosenRows(act=act, query=question, choices=tuple(choices), cut=cut)


def _chosen_ids(request: PageRequest, all_if_unnamed: bool) -> tuple[Sequence[str], bool]:
    """Return the named ids, and whether all rows are chosen."""
    ids = list(dict.fromkeys([*request.form.all("id"), *request.http.query.getall("id", [])]))
    takes_all = not request.form.all("id") and (request.ask("tat-ca") == "1" or (all_if_unnamed and not ids))
    return ids, takes_all


async def pages(
    request: PageRequest, question: ListQuery, *, most: int, tagged: bool
) -> AsyncGenerator[tuple[Sequence[ListLine], Mapping[str, Sequence[Tag]]]]:
    """Yield the chosen rows page by page, as `chosen` with `all_if_unnamed`, in one read, with the labels of lines where
    `tagged`. The caller opens no other read meanwhile: readers are few. Close it where it is left early."""
    ids, takes_all = _chosen_ids(request, all_if_unnamed=True)
    async with request.deps.store.read(request.scope()) as work:
        if takes_all:
            async for page in _pages(work, question, most):
                yield page.lines, await tags_among(work, page.lines) if tagged else {}
            return
        for n in range(0, min(len(ids), most), _PAGE):
            lines, _ = await _load_lines(work, question, seen_by(request), ids[n : n + _PAGE], _PAGE)
            yield lines, await tags_among(work, lines) if tagged else {}


async def count_chosen(
    request: PageRequest, question: ListQuery, *, most: int
) -> tuple[Sequence[str], ListCount]:
    """Return the named ids, and the number of rows the act would take; no ids where all that the list finds are chosen."""
    ids, takes_all = _chosen_ids(request, all_if_unnamed=False)
    async with request.deps.store.read(request.scope()) as work:
        if takes_all:
            total = await work.office.lists.count(question.criteria)
            return (), ListCount(n=min(total.n, most), more=total.more or total.n > most)
        lines, more = await _load_lines(work, question, seen_by(request), ids, most)
        return [line.id for line in lines], ListCount(n=len(lines), more=more)


async def _pages(work: OfficeWork, question: ListQuery, most: int) -> AsyncIterator[ListPage]:
    rows_left, cursor = most, None
    while rows_left > 0:
        page = await work.office.lists.page(question.criteria, limit=min(_PAGE, rows_left), cursor=cursor)
        yield page
        rows_left, cursor = rows_left - len(page.lines), page.next_cursor
        if cursor is None:
            return


async def _load_lines(
    work: OfficeWork, question: ListQuery, sight: ListSight, ids: Sequence[str], most: int
) -> tuple[list[ListLine], bool]:
    loaded = [await work.office.lists.line(id) for id in ids[:most]]
    on_side = [line for line in loaded if line is not None and line.side is question.side]
    lines = [line for line in on_side if await may_see(work, sight, line)]
    if len(lines) < len(ids[:most]):
        raise NotFound("one of these documents is not there, or not to be seen by this person")
    return lines, len(ids) > most


async def may_see(work: OfficeWork, sight: ListSight, line: ListLine) -> bool:
    """Tell whether a person limited to the own unit may see that line."""
    if sight.share is None:
        return True
    if line.side is Side.OUT:
        return line.card.source == sight.person_id
    return sight.share.covers_assignment((await work.incoming.get(line.id)).assignment)


async def _make_choice(request: PageRequest, work: OfficeWork, act: BulkAct, row: ShownLine) -> Choice:
    line = row.line
    if row.pending is not None and row.pending.waits and act in _DECIDING:
        return Choice(row=row, why=request.say("listing.skip.waits"))
    if act == BulkAct.TAKE_IN:
        document = await work.incoming.get(line.id)
        doubt = received.doubt(document)
        why = "" if doubt is None else request.say(f"listing.doubt.{doubt}", state=row.state)
        return Choice(row=row, why=why, version=document.version)
    return Choice(row=row, why=_skip_reason(request, act, line))


def _skip_reason(request: PageRequest, act: BulkAct, line: ListLine) -> str:
    states = set(line.card.states)
    fits = {
        BulkAct.RESEND: State.FAILED in states and _may_resend(line),
        BulkAct.CANCEL: line.own_state in (OutState.DRAFT, OutState.BLOCKED)
        or (bool(states) and states <= _WAITING),
        BulkAct.URGE: line.is_overdue(request.deps.clock.now()),
        BulkAct.REFUSE: line.awaits_us and line.state not in REQUESTED,
        BulkAct.SUBMIT: line.own_state in WORKED_ON,
        BulkAct.OFFER: line.own_state not in received.ENDED_STATES,
        BulkAct.MARK_READ: line.unread,
        BulkAct.FILE: line.own_state in work_files.FILED_STATES,
    }.get(act, True)
    key = {BulkAct.URGE: "listing.skip.not_late", BulkAct.MARK_READ: "listing.skip.read"}.get(
        act, "listing.skip.state"
    )
    return "" if fits else request.say(key, state=state_text(line, request.lang))


def _may_resend(line: ListLine) -> bool:
    standing = standing_by_states(OutState(line.own_state), line.card.states)
    return not objection(standing, Act.RESEND)


async def _with_tags(request: PageRequest, work: OfficeWork, choices: list[Choice]) -> list[Choice]:
    """Add the agency's own labels to each choice; leave out documents without one."""
    tags_by_id = await work.office.tags.of_documents([choice.id for choice in choices])
    why = request.say("listing.skip.no_tag")
    return [
        replace(choice, tags=tags_by_id.get(choice.id, ()), why="" if choice.id in tags_by_id else why)
        for choice in choices
    ]


async def _with_numbers(request: PageRequest, choices: list[Choice]) -> list[Choice]:
    """Sort by arrival, whatever the list's order, and add the number that each would get in mode B."""
    choices.sort(key=lambda choice: (choice.row.line.at, choice.id))
    accepted = [choice for choice in choices if not choice.why]
    numbers = await received.next_numbers(*request.incoming, len(accepted))
    numbers_by_id = dict(zip((choice.id for choice in accepted), numbers, strict=False))
    return [replace(choice, number=numbers_by_id.get(choice.id)) for choice in choices]
